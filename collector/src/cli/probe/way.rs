//! How a probe reaches the broker, and by which certificate it knows it: what every code of an installation says.
//!
//! In: the configuration, what a person says of an external broker. Out: a [`Way`]. Refuses to know: probes, secrets.

use crate::broker;
use crate::config::{self, Config};
use anyhow::{Context, bail};
use phusong_protocol::{JoinCode, ProbeId, Secret, SiteId};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Of an external broker, as probes see it.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct External {
    /// Where probes reach the external broker, as mqtts://broker.example.vn; without it, where this collector does.
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// The authority of that broker's certificate (PEM), if it is no public one.
    #[arg(long, value_name = "FILE", requires = "broker")]
    broker_ca: Option<PathBuf>,
}

/// The way to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    pub hosts: Vec<String>,
    pub port: u16,
    pub tls: bool,
    pub ca_sha256: Option<[u8; 32]>,
    /// Only the embedded broker exchanges secrets.
    pub embedded: bool,
}

/// Whether the collector is its own broker.
pub fn embedded(config: &Config) -> bool {
    config.mqtt.url.is_none()
}

impl Way {
    pub fn of(config: &Config, external: &External) -> anyhow::Result<Self> {
        if embedded(config) {
            if external.broker.is_some() {
                bail!("--broker is of external brokers, and this collector is its own: write broker.hosts");
            }
            let hosts = broker::hosts(config);
            if hosts.is_empty() {
                bail!("this machine knows no address of its own: write broker.hosts in the configuration");
            }
            let ca_sha256 = Some(broker::tls::fingerprint(&config.data_dir)?);
            super::keep_broker_s_owner(&config.data_dir)?;
            return Ok(Way { hosts, port: broker::port(config)?, tls: true, ca_sha256, embedded: true });
        }
        let (host, port, tls, ca) = match &external.broker {
            Some(url) => {
                let mqtt = config::parse(Path::new("--broker"), &format!("[mqtt]\nurl = {url:?}"))?.mqtt;
                let (host, port) = mqtt.address();
                (host, port, mqtt.tls(), external.broker_ca.as_deref())
            }
            None => {
                let (host, port) = config.mqtt.address();
                (host, port, config.mqtt.tls(), config.mqtt.ca_file.as_deref())
            }
        };
        if ca.is_some() && !tls {
            bail!("--broker-ca is of no use without TLS: write the broker as mqtts://..");
        }
        let ca_sha256 = ca.map(authority).transpose()?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Way { hosts: vec![host], port, tls, ca_sha256, embedded: false })
    }

    /// Whether the code is only good on this very machine.
    pub fn is_loopback(&self) -> bool {
        let here = |host: &String| match host.parse::<std::net::IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host == "localhost",
        };
        self.hosts.iter().all(here)
    }

    /// With a one-time secret and its end, or with the lasting password.
    pub fn code(
        &self,
        site: &SiteId,
        probe: &ProbeId,
        secret: &str,
        until_ms: Option<i64>,
    ) -> anyhow::Result<JoinCode> {
        let code = JoinCode {
            hosts: self.hosts.clone(),
            port: self.port,
            ca_sha256: self.ca_sha256,
            tls: self.tls,
            site: site.clone(),
            probe: probe.clone(),
            secret: Secret::new(secret),
            one_time: until_ms.is_some(),
            expires_ms: until_ms,
        };
        code.check()?;
        Ok(code)
    }
}

/// SHA-256 of the certificate (DER); of several the first.
fn authority(file: &Path) -> anyhow::Result<[u8; 32]> {
    let reading = || format!("{}: write the authority's certificate there, PEM", file.display());
    let mut all = CertificateDer::pem_file_iter(file).with_context(reading)?;
    let first = all.next().with_context(reading)?.with_context(reading)?;
    Ok(Sha256::digest(&first).into())
}
