//! The files that joining writes: the configuration and, beside it, the authority's certificate.
//!
//! In: a code and what was learned with it. Out: files that are there whole or not at all, readable by the service and
//! its group alone. Refuses to know: brokers. The first line of the configuration names the code by a checksum, so that
//! the same code is recognised; a configuration that is replaced stays beside it as `.old`.

use super::exchange::{Joined, url};
use super::setup;
use crate::cli::Speaker;
use crate::config::{Config, Language, SetupConfig};
use crate::device::net;
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use phusong_protocol::JoinCode;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

/// The user of the packages' unit.
const SERVICE_USER: &str = "phusong-agent";
const DATA_DIR: &str = "/var/lib/phusong-agent";
/// Interfaces whose names say that they are modems.
const MODEMS: [&str; 4] = ["wwan", "ppp", "rmnet", "usb"];
/// Lines of base64 in PEM (RFC 7468).
const PEM_LINE: usize = 64;

/// What to measure in a hamlet: its way out, its resolver, and both ends of the way beyond.
const TARGETS: &str = r#"
[[target]]
name = "gateway"
kind = "icmp"
host = "gateway"
tags = ["gateway"]

[[target]]
name = "resolver"
kind = "dns"
host = "resolver"
tags = ["domestic"]

[[target]]
name = "public-service"
kind = "tcp"
host = "dichvucong.gov.vn"
port = 443
tags = ["domestic", "public-service"]

[[target]]
name = "vnexpress"
kind = "tcp"
host = "vnexpress.net"
port = 443
tags = ["domestic"]

[[target]]
name = "cloudflare"
kind = "icmp"
host = "1.1.1.1"
tags = ["foreign"]
"#;

/// A configuration that is about to be written.
pub struct Draft<'a> {
    said: &'a Speaker,
    code: &'a JoinCode,
    data_dir: Option<PathBuf>,
    provider: Option<String>,
    setup: SetupConfig,
}

/// What is there before.
pub enum Found {
    Nothing,
    /// Written for the same code.
    Same(Box<Config>),
    Other,
}

impl Found {
    pub fn is_other(&self) -> bool {
        matches!(self, Found::Other)
    }

    pub fn of_this_code(self) -> Option<Config> {
        match self {
            Found::Same(config) => Some(*config),
            Found::Nothing | Found::Other => None,
        }
    }
}

impl<'a> Draft<'a> {
    pub fn new(said: &'a Speaker, code: &'a JoinCode, data_dir: Option<PathBuf>, provider: Option<String>) -> Self {
        Draft { said, code, data_dir, provider, setup: SetupConfig::default() }
    }

    /// How readings are taken.
    #[must_use]
    pub fn with_setup(self, setup: SetupConfig) -> Self {
        Draft { setup, ..self }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| DATA_DIR.into())
    }

    pub fn found(&self) -> Found {
        let Ok(text) = std::fs::read_to_string(&self.said.file) else {
            return if self.said.file.exists() { Found::Other } else { Found::Nothing };
        };
        match Config::load(&self.said.file) {
            Ok(config) if text.lines().next() == Some(self.first_line().as_str()) => Found::Same(Box::new(config)),
            _ => Found::Other,
        }
    }

    fn first_line(&self) -> String {
        let line = self.code.to_string();
        format!(
            "# Written by `phusong-agent join`, code {:08x}. Every key: docs/config.md",
            crc32fast::hash(line.as_bytes())
        )
    }

    fn authority_file(&self) -> PathBuf {
        let beside = self.said.file.with_file_name("ca.pem");
        std::path::absolute(&beside).unwrap_or(beside)
    }

    /// The certificate first, then, in one step, the configuration with the password.
    pub fn write(&self, joined: &Joined) -> anyhow::Result<()> {
        let file = &self.said.file;
        if let Some(directory) = file.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        }
        if let Some(der) = &joined.authority {
            let ca = self.authority_file();
            replace(&ca, &pem(der), 0o644).with_context(|| ca.display().to_string())?;
        }
        if file.exists() {
            let old = file.with_extension("toml.old");
            std::fs::copy(file, &old).with_context(|| old.display().to_string())?;
        }
        let text = self.text(joined);
        replace(file, &text, 0o640).with_context(|| file.display().to_string())
    }

    fn text(&self, joined: &Joined) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut out = format!("{}\n", self.first_line());
        let mut line = |key: &str, value: &str| writeln!(out, "{key} = {}", quoted(value)).expect("memory takes it");
        line("site", self.code.site.as_str());
        line("probe", self.code.probe.as_str());
        line("language", if self.said.language == Language::Vi { "vi" } else { "en" });
        if let Some(data_dir) = &self.data_dir {
            line("data_dir", &data_dir.display().to_string());
        }
        // The host that answered comes first; the others are for the day when it does not.
        let urls = self.code.hosts.iter().map(|host| url(self.code, host)).filter(|url| *url != joined.url);
        for url in [joined.url.clone()].into_iter().chain(urls) {
            out += "\n[[broker]]\n";
            let mut line =
                |key: &str, value: &str| writeln!(out, "{key} = {}", quoted(value)).expect("memory takes it");
            line("url", &url);
            line("password", &joined.password);
            if joined.authority.is_some() {
                line("ca_file", &self.authority_file().display().to_string());
            }
        }
        if let Some(interface) = net::default_interface() {
            out += "\n[[uplink]]\n";
            let mut line =
                |key: &str, value: &str| writeln!(out, "{key} = {}", quoted(value)).expect("memory takes it");
            let modem = MODEMS.iter().any(|prefix| interface.starts_with(prefix));
            line("interface", &interface);
            line("kind", if modem { "cellular" } else { "fixed" });
            self.provider.iter().for_each(|provider| line("provider", provider));
        }
        out + &setup::table(&self.setup) + TARGETS
    }
}

fn pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines = text.as_bytes().chunks(PEM_LINE).map(|line| String::from_utf8_lossy(line) + "\n");
    format!("-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n", lines.collect::<String>())
}

/// After a crash it is the old file or the new one. Root's files belong to the service's group.
pub fn replace(file: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let scratch = file.with_extension("new");
    let _left_behind = std::fs::remove_file(&scratch);
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&scratch)?;
    if let Some((_, group)) = service_user() {
        std::os::unix::fs::fchown(&out, Some(0), Some(group))?;
    }
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    std::fs::rename(&scratch, file)?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// User and group of the service, if this is root and there is such a user.
fn service_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let fields: Vec<&str> =
        users.lines().find(|line| line.split(':').next() == Some(SERVICE_USER))?.split(':').collect();
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

/// What root's check made in the data directory is the service's: its user's, else the directory's owner's.
pub fn give_to_service(data_dir: &Path) -> std::io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = match service_user() {
        Some(owner) => owner,
        None => std::fs::metadata(data_dir).map(|meta| (meta.uid(), meta.gid()))?,
    };
    give(data_dir, owner)
}

fn give(path: &Path, (uid, gid): (u32, u32)) -> std::io::Result<()> {
    let meta = std::fs::symlink_metadata(path)?;
    // A link is left alone: it may lead anywhere.
    if meta.is_symlink() {
        return Ok(());
    }
    if meta.uid() != uid {
        chown(path, Some(uid), Some(gid))?;
    }
    if meta.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give(&entry?.path(), (uid, gid))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use phusong_protocol::Secret;

    fn code() -> JoinCode {
        JoinCode {
            hosts: vec!["192.0.2.7".into(), "2001:db8::7".into()],
            port: 8883,
            ca_sha256: Some([1; 32]),
            tls: true,
            site: "thanh-dinh".parse().expect("a good name"),
            probe: "na-chen-1".parse().expect("a good name"),
            secret: Secret::new("x"),
            one_time: true,
            expires_ms: None,
        }
    }

    #[test]
    fn what_is_written_is_a_good_configuration_with_the_host_that_answered_first() {
        let (code, file) = (code(), PathBuf::from("/etc/phusong/agent.toml"));
        let said = Speaker { language: Language::En, file, named: true };
        let data_dir = Some(PathBuf::from("/srv/probe"));
        let draft = Draft::new(&said, &code, data_dir, Some("VNPT \"Định Hóa\"".into()));
        let url = "mqtts://[2001:db8::7]:8883".to_owned();
        let joined = Joined { url: url.clone(), password: "p\"w".into(), authority: Some(vec![1]) };
        let config = Config::parse("agent.toml", &draft.text(&joined)).expect("it is right");
        assert_eq!((config.site, config.probe), (code.site.clone(), code.probe.clone()));
        assert_eq!(config.language, Language::En);
        assert_eq!(config.data_dir, PathBuf::from("/srv/probe"));
        let brokers: Vec<&str> = config.brokers.iter().map(|broker| broker.url.as_str()).collect();
        assert_eq!(brokers, [url.as_str(), "mqtts://192.0.2.7:8883"]);
        assert_eq!(config.brokers[1].password.as_deref(), Some("p\"w"));
        assert_eq!(config.brokers[0].ca_file, Some("/etc/phusong/ca.pem".into()));
        assert_eq!(config.targets.len(), 5);
        assert!(config.uplinks.iter().all(|uplink| uplink.provider.as_deref() == Some("VNPT \"Định Hóa\"")));
    }

    #[test]
    fn pem_is_wrapped_as_others_read_it() {
        let text = pem(&[7; 100]);
        assert!(text.lines().all(|line| line.len() <= PEM_LINE), "{text}");
        assert_eq!(text.lines().count(), 2 + 136_usize.div_ceil(PEM_LINE));
    }
}
