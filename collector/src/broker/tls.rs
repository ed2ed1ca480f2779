//! The certificates of the embedded broker: a lasting authority of the installation, and a server certificate by it.
//!
//! In: `<data_dir>/broker`, the names under which probes reach this machine. Out: what the listener needs, and the
//! authority's certificate and fingerprint, by which probes know their collector. Refuses to know: connections, MQTT.
//!
//! The authority (`ca.pem`, `ca.key`) is made once and never changed: every probe trusts it. The server's certificate
//! (`server.pem`, `server.key`) is made anew at a start when the names changed or its end comes near. Both are valid
//! from long ago, because probes boot with clocks that stand still.

use anyhow::{Context, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustix::fs::{FlockOperation, flock};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ServerSessionMemoryCache;
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

const NAME: &str = "Phủ Sóng";
/// The authority outlives the devices.
const AUTHORITY_YEARS: i64 = 40;
const SERVER_DAYS: i64 = 5 * 365;
/// Long enough for a collector that is started once a year.
const RENEW_DAYS: i64 = 400;
/// Clients that may resume their session: it saves a probe on a SIM two of three kilobytes a connection.
const RESUMED: usize = 10_000;

/// SHA-256 of the authority's certificate (DER). The authority is made if there is none.
pub fn fingerprint(data_dir: &Path) -> anyhow::Result<[u8; 32]> {
    Ok(Sha256::digest(authority(data_dir)?.certificate).into())
}

/// The authority's certificate as PEM. The authority is made if there is none.
pub fn ca_pem(data_dir: &Path) -> anyhow::Result<String> {
    Ok(authority(data_dir)?.pem)
}

/// What the listener needs: TLS 1.2 and 1.3, the server's certificate for `hosts` and the authority's behind it.
pub fn server(data_dir: &Path, hosts: &[String]) -> anyhow::Result<ServerConfig> {
    let authority = authority(data_dir)?;
    let (certificate, key) = server_certificate(data_dir, &authority, hosts)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS 1.2 and 1.3 are built in")?
        .with_no_client_auth()
        .with_single_cert(vec![certificate, authority.certificate], key)
        .context("the server's certificate and key do not belong together: remove server.pem and start again")?;
    config.session_storage = ServerSessionMemoryCache::new(RESUMED);
    Ok(config)
}

struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    key: String,
}

/// Reads it, or makes it; of two processes at once, one makes it and the other reads that.
fn authority(data_dir: &Path) -> anyhow::Result<Authority> {
    let dir = directory(data_dir)?;
    let lock = File::open(&dir).with_context(|| dir.display().to_string())?;
    flock(&lock, FlockOperation::LockExclusive).with_context(|| format!("{} cannot be locked", dir.display()))?;
    let (pem_file, key_file) = (dir.join("ca.pem"), dir.join("ca.key"));
    let (pem, key) = match (read(&pem_file)?, read(&key_file)?) {
        (Some(pem), Some(key)) => (pem, key),
        (Some(_), None) => bail!(
            "{} is missing beside ca.pem: bring it back from a backup; without it, every probe would have to join anew",
            key_file.display()
        ),
        (None, key) => {
            // A key alone: the process that made it ended before anybody saw the certificate.
            let key = key.map_or_else(|| anyhow::Ok(KeyPair::generate()?.serialize_pem()), Ok)?;
            let pair = KeyPair::from_pem(&key).with_context(|| format!("{} is no key", key_file.display()))?;
            let pem = authority_params(OffsetDateTime::now_utc()).self_signed(&pair)?.pem();
            write(&key_file, &key)?;
            write(&pem_file, &pem)?;
            (pem, key)
        }
    };
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
        .with_context(|| format!("{} is no certificate: bring it back from a backup", pem_file.display()))?;
    Ok(Authority { certificate, pem, key })
}

fn server_certificate(
    data_dir: &Path,
    authority: &Authority,
    hosts: &[String],
) -> anyhow::Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
    let dir = directory(data_dir)?;
    let (pem_file, key_file) = (dir.join("server.pem"), dir.join("server.key"));
    let now = OffsetDateTime::now_utc();
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    names.extend(hosts.iter().filter(|host| !["localhost", "127.0.0.1", "::1"].contains(&host.as_str())).cloned());
    let kept = read(&pem_file)?.zip(read(&key_file)?).filter(|(pem, _)| still_good(pem, &names, authority, now));
    let (pem, key) = match kept {
        Some(kept) => kept,
        None => {
            let key = KeyPair::generate()?;
            let ends = now + Duration::days(SERVER_DAYS);
            let issuer = Issuer::new(authority_params(now), KeyPair::from_pem(&authority.key)?);
            let signed = server_params(&names, ends)?.signed_by(&key, &issuer)?;
            let pem = header(&names, authority, ends) + &signed.pem();
            let key = key.serialize_pem();
            write(&key_file, &key)?;
            write(&pem_file, &pem)?;
            (pem, key)
        }
    };
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
    let wrong = || format!("{} cannot be read: remove server.pem and start again", dir.display());
    Ok((certificate.with_context(wrong)?, key.with_context(wrong)?))
}

/// What a certificate was made for stands above it in its file, so that nothing has to be read out of it.
fn header(names: &[String], authority: &Authority, ends: OffsetDateTime) -> String {
    format!("{}ends {}\n", made_for(names, authority), ends.unix_timestamp())
}

fn made_for(names: &[String], authority: &Authority) -> String {
    let by: String = Sha256::digest(&authority.certificate).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("names {}\nauthority {by}\n", names.join(" "))
}

fn still_good(pem: &str, names: &[String], authority: &Authority, now: OffsetDateTime) -> bool {
    let ends = pem.strip_prefix(&made_for(names, authority)).and_then(|rest| rest.strip_prefix("ends "));
    let ends = ends.and_then(|rest| rest.lines().next()?.parse::<i64>().ok());
    ends.is_some_and(|ends| ends - now.unix_timestamp() > RENEW_DAYS * 86_400)
}

/// The name and the key are what a server's certificate takes from its authority; both stay the same.
fn authority_params(now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.not_before = long_ago();
    params.not_after = now + Duration::days(AUTHORITY_YEARS * 365);
    params
}

fn server_params(names: &[String], ends: OffsetDateTime) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(names.to_vec()).context("broker.hosts")?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{NAME} collector"));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = long_ago();
    params.not_after = ends;
    Ok(params)
}

fn long_ago() -> OffsetDateTime {
    time::macros::datetime!(2020-01-01 00:00 UTC)
}

/// `<data_dir>/broker`, for its owner alone.
pub(super) fn directory(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let dir = data_dir.join("broker");
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
    made.with_context(|| format!("{} cannot be made: check data_dir and its owner", dir.display()))?;
    Ok(dir)
}

fn read(file: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}

/// Durable and whole, readable by its owner alone.
pub(super) fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let aside = file.with_extension("new");
    let replace = || -> std::io::Result<()> {
        let _ = std::fs::remove_file(&aside);
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        std::fs::rename(&aside, file)?;
        File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    replace().with_context(|| format!("{} cannot be written", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("phusong-broker-tls-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&dir);
            Scratch(dir)
        }

        fn server(&self, hosts: &[&str]) -> String {
            let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
            server(&self.0, &hosts).expect("certificates are made");
            std::fs::read_to_string(self.0.join("broker/server.pem")).expect("written")
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_authority_is_made_once_and_its_key_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = Scratch::new("once");
        let first = fingerprint(&scratch.0).expect("made");
        scratch.server(&["10.0.0.1"]);
        assert_eq!(fingerprint(&scratch.0).expect("read"), first);
        let der = CertificateDer::from_pem_slice(ca_pem(&scratch.0).expect("read").as_bytes()).expect("a certificate");
        assert_eq!(<[u8; 32]>::from(Sha256::digest(&der)), first);
        let mode = std::fs::metadata(scratch.0.join("broker/ca.key")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(scratch.0.join("broker/ca.key")).expect("there");
        let said = fingerprint(&scratch.0).expect_err("half an authority").to_string();
        assert!(said.contains("bring it back from a backup"), "{said}");
    }

    #[test]
    fn the_servers_certificate_is_kept_until_the_names_change_or_its_end_comes_near() {
        let scratch = Scratch::new("server");
        let first = scratch.server(&["10.0.0.1"]);
        assert_eq!(scratch.server(&["10.0.0.1"]), first);
        let second = scratch.server(&["10.0.0.1", "collector.example"]);
        assert_ne!(second, first);
        let file = scratch.0.join("broker/server.pem");
        let ends = second.lines().nth(2).expect("the third line").to_owned();
        let soon = OffsetDateTime::now_utc().unix_timestamp() + 86_400;
        std::fs::write(&file, second.replace(&ends, &format!("ends {soon}"))).expect("writable");
        let third = scratch.server(&["10.0.0.1", "collector.example"]);
        assert_ne!(third.lines().last(), Some(format!("ends {soon}").as_str()));
        assert!(!third.contains(&format!("ends {soon}")));
    }
}
