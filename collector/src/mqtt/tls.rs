//! TLS to the broker: rustls with ring, against the public authorities or one CA file.
//!
//! In: the CA file's path. Out: what the MQTT client needs. Refuses: connections without a verified certificate.

use anyhow::{Context, bail};
use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

pub fn transport(ca_file: Option<&Path>) -> anyhow::Result<Transport> {
    let roots = match ca_file {
        Some(path) => from_file(path)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS 1.2 and 1.3 are built in")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Transport::Tls(TlsConfiguration::Rustls(Arc::new(config))))
}

fn from_file(path: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path)
        .with_context(|| format!("mqtt.ca_file {} cannot be read", path.display()))?;
    for certificate in certificates {
        let certificate = certificate.with_context(|| format!("mqtt.ca_file {} is no PEM file", path.display()))?;
        roots
            .add(certificate)
            .with_context(|| format!("mqtt.ca_file {}: a certificate is not usable", path.display()))?;
    }
    if roots.is_empty() {
        bail!("mqtt.ca_file {} holds no certificate: give the PEM file of the broker's authority", path.display());
    }
    Ok(roots)
}
