//! Trust in one authority that is only known by its fingerprint: the first contact with a collector.
//!
//! In: SHA-256 of a certificate (DER). Out: a client's configuration, and the certificate, once a server has shown it.
//! Refuses to know: where the fingerprint comes from. The server must send the authority's certificate in its chain;
//! with it as the only root everything is checked as ever: signatures, validity, purpose, name.

use super::{FlooredTime, TlsError};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};

/// Believes in the authority of this fingerprint, and in nobody else.
#[derive(Debug)]
pub struct Pinned {
    sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
    authority: Mutex<Option<CertificateDer<'static>>>,
}

impl Pinned {
    pub fn new(sha256: [u8; 32]) -> Arc<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Arc::new(Pinned { sha256, provider, authority: Mutex::new(None) })
    }

    /// The authority's certificate, after a handshake that was good.
    pub fn authority(&self) -> Option<CertificateDer<'static>> {
        self.authority.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub fn pinned_config(pinned: Arc<Pinned>, floor_unix_ms: i64) -> Result<Arc<ClientConfig>, TlsError> {
    let time = Arc::new(FlooredTime::at(floor_unix_ms));
    let mut config = ClientConfig::builder_with_details(pinned.provider.clone(), time)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setup(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(pinned)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let is_it = |certificate: &&CertificateDer<'_>| Sha256::digest(certificate)[..] == self.sha256;
        let Some(authority) = intermediates.iter().find(is_it) else {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        };
        let authority = authority.clone().into_owned();
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        let good = verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        *self.authority.lock().unwrap_or_else(PoisonError::into_inner) = Some(authority);
        Ok(good)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
