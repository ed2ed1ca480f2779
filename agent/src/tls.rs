//! TLS as rustls with ring does it, trusting the built-in authorities or one file, at no time before the floor.
//!
//! In: a file of authorities, the floor of the clock. Out: a client's configuration, and what was wrong with a
//! certificate. Refuses to know: who is spoken to. Limits: each configuration is fresh, so no session is resumed.

mod pinned;

pub use pinned::{Pinned, pinned_config};

use rustls::client::{ClientConfig, Resumption};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{RootCertStore, time_provider::TimeProvider};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Why there is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    #[error("ca_file {path}: {why}")]
    CaFile { path: String, why: String },
    #[error("TLS: {0}")]
    Setup(String),
}

/// Which check of a server's certificate failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    #[error("has expired (or the clock of this device is wrong)")]
    Expired,
    #[error("is not valid yet (or the clock of this device is wrong)")]
    NotYetValid,
    #[error("was issued by an authority that is not trusted here; see ca_file")]
    UnknownIssuer,
    #[error("is for another name than the configured one")]
    WrongName,
    #[error("was revoked")]
    Revoked,
    #[error("is not made for servers")]
    WrongPurpose,
    #[error("is damaged or signed in a way that is not accepted")]
    Invalid,
    #[error("is not of the authority that was named by its fingerprint")]
    Fingerprint,
}

/// What was wrong with the certificate, where that is what went wrong.
pub fn certificate_fault(error: &rustls::Error) -> Option<CertificateFault> {
    use rustls::CertificateError as C;
    let rustls::Error::InvalidCertificate(fault) = error else { return None };
    Some(match fault {
        C::Expired | C::ExpiredContext { .. } => CertificateFault::Expired,
        C::NotValidYet | C::NotValidYetContext { .. } => CertificateFault::NotYetValid,
        C::UnknownIssuer => CertificateFault::UnknownIssuer,
        C::NotValidForName | C::NotValidForNameContext { .. } => CertificateFault::WrongName,
        C::Revoked => CertificateFault::Revoked,
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => CertificateFault::WrongPurpose,
        // Only `pinned` says that.
        C::ApplicationVerificationFailure => CertificateFault::Fingerprint,
        _ => CertificateFault::Invalid,
    })
}

/// The clock for certificates: a device that boots in 1970 must not call every certificate "not valid yet", and one
/// whose clock was turned back must not accept what has expired.
#[derive(Debug)]
struct FlooredTime {
    floor: Duration,
}

impl FlooredTime {
    fn at(floor_unix_ms: i64) -> Self {
        FlooredTime { floor: Duration::from_millis(u64::try_from(floor_unix_ms).unwrap_or(0)) }
    }
}

impl TimeProvider for FlooredTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::now().max(UnixTime::since_unix_epoch(self.floor)))
    }
}

pub fn client_config(ca_file: Option<&Path>, floor_unix_ms: i64) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match ca_file {
        Some(path) => roots_of(path)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let time = FlooredTime::at(floor_unix_ms);
    let mut config =
        ClientConfig::builder_with_details(Arc::new(rustls::crypto::ring::default_provider()), Arc::new(time))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Setup(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
    // Nothing is ever resumed, and the memory for sessions would be more than that of a connection.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn roots_of(path: &Path) -> Result<RootCertStore, TlsError> {
    let wrong = |why: String| TlsError::CaFile { path: path.display().to_string(), why };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("holds no certificate; it must be PEM with at least one".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_certificates_is_never_before_the_floor() {
        let far = Duration::from_secs(4_000_000_000);
        assert_eq!(FlooredTime { floor: far }.current_time().map(|t| t.as_secs()), Some(4_000_000_000));
        let now = FlooredTime { floor: Duration::ZERO }.current_time().map(|t| t.as_secs());
        assert!(now.is_some_and(|now| now > 1_700_000_000));
    }
}
