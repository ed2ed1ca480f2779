//! `phone add|code`: a phone with the app Network Survey becomes a mobile probe.
//!
//! In: a name. Out: a row of the registry, a password of its own, and the code that sets the app up, shown once: on the
//! terminal, as SVG, as JSON. Refuses to know: what the phone will send. The app exchanges nothing, so the code holds
//! the lasting password. What a technician reads is said in Vietnamese first.

use super::output::{colours, print};
use super::probe::add::{PasswordTo, lasting, registered};
use super::probe::invite::secret_file;
use super::probe::qr::Symbol;
use super::probe::registrar;
use super::probe::stand::Known;
use super::probe::way::{External, Way};
use crate::config::Config;
use crate::phones;
use crate::store::NewProbe;
use anyhow::Context;
use clap::Subcommand;
use phusong_protocol::{ProbeId, SiteId};
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Registers a phone and makes the code that sets its app up.
    Add(Box<Add>),
    /// Makes a new password and code for a registered phone; the one before is void.
    Code(Box<Code>),
}

#[derive(Debug, clap::Args)]
pub struct Add {
    /// 1 to 32 of a-z, 0-9 and '-'; unique in the installation.
    name: ProbeId,
    /// The site it belongs to; without it, the only one there is.
    #[arg(long)]
    site: Option<SiteId>,
    /// Words for people, as "Điện thoại trưởng xóm Nà Chèn".
    #[arg(long)]
    label: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, clap::Args)]
pub struct Code {
    name: ProbeId,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, clap::Args)]
struct Shown {
    /// Writes the QR code there, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    to: PasswordTo,
    #[command(flatten)]
    external: External,
}

/// What the app reads from its code, by its names.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct AppSettings<'a> {
    mqtt_host: &'a str,
    mqtt_port: u16,
    mqtt_tls: bool,
    mqtt_client: &'a str,
    mqtt_username: &'a str,
    mqtt_password: &'a str,
    mqtt_topic_prefix: String,
    cellular_stream_enabled: bool,
    wifi_stream_enabled: bool,
    bluetooth_stream_enabled: bool,
    gnss_stream_enabled: bool,
    device_status_stream_enabled: bool,
}

impl<'a> AppSettings<'a> {
    fn new(way: &'a Way, probe: &'a ProbeId, password: &'a str) -> anyhow::Result<Self> {
        let host = way.hosts.first().context("no address of the broker is known")?;
        Ok(AppSettings {
            mqtt_host: host,
            mqtt_port: way.port,
            mqtt_tls: way.tls,
            mqtt_client: probe.as_str(),
            mqtt_username: probe.as_str(),
            mqtt_password: password,
            mqtt_topic_prefix: phones::topic_prefix(probe),
            cellular_stream_enabled: true,
            // Whose access points and earphones are near is nobody's business here.
            wifi_stream_enabled: false,
            bluetooth_stream_enabled: false,
            // The position stands in every record; satellites one by one are not needed.
            gnss_stream_enabled: false,
            device_status_stream_enabled: true,
        })
    }
}

pub fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let now_ms = super::when::now_ms();
    match command {
        Command::Add(add) => {
            let mut registrar = registrar(&config.data_dir)?;
            let site = match add.site {
                Some(site) => site,
                None => Known::read(&config.data_dir)?.site(None, now_ms)?,
            };
            // What cannot be said is found before anything is registered.
            let way = Way::of(config, &add.shown.external)?;
            let new = NewProbe { probe: add.name.clone(), site: site.clone(), label: add.label, place: None };
            registrar.add(&new, now_ms)?;
            let heading = format!(
                "Đã đăng ký điện thoại {0} (điểm {1}).\nPhone {0} of site {1} is registered.\n",
                add.name, site
            );
            give(config, &way, &add.name, &site, &heading, &add.shown)
        }
        Command::Code(code) => {
            let site = registered(config, &code.name)?;
            let way = Way::of(config, &code.shown.external)?;
            let heading = format!(
                "Mã mới cho điện thoại {0}; mã trước không còn dùng được.\nA new code for phone {0}; the one before is void.\n",
                code.name
            );
            give(config, &way, &code.name, &site, &heading, &code.shown)
        }
    }
}

fn give(config: &Config, way: &Way, name: &ProbeId, site: &SiteId, heading: &str, shown: &Shown) -> anyhow::Result<()> {
    let failed = || format!("there is no code yet; try again: `phone code {name}`");
    let (password, line) = lasting(config, name, &shown.to).with_context(failed)?;
    let settings = AppSettings::new(way, name, &password)?;
    let text = serde_json::to_string(&settings)?;
    let symbol = Symbol::of(&text)?;
    if let Some(file) = &shown.svg {
        secret_file(file, &symbol.to_svg(&format!("{site} {name}")))?;
    }
    let own_authority = way.tls && way.ca_sha256.is_some();
    if shown.to.json {
        let answer = json!({
            "username": name, "site": site, "password": password, "passwd_line": line,
            "passwd_file": shown.to.passwd_file, "svg": shown.svg, "own_authority": own_authority,
            "settings": settings, "qr": text,
        });
        return print(&answer.to_string());
    }
    let mut said = heading.to_owned();
    said += &symbol.to_text(colours());
    said += "Trên điện thoại: Network Survey, mục MQTT, quét mã này. Mã chứa mật khẩu: không đưa cho người khác.\n";
    said += "On the phone: Network Survey, MQTT, scan this code. It holds the password: show it to nobody else.\n\n";
    said += &format!(
        "  {}:{}{}\n  username  {name}\n  password  {password}\n  topics    {}\n",
        settings.mqtt_host,
        settings.mqtt_port,
        if way.tls { ", TLS" } else { "" },
        settings.mqtt_topic_prefix
    );
    said += &match &shown.to.passwd_file {
        Some(file) => {
            format!("Its line is in {}; now let the broker read it: systemctl reload mosquitto\n", file.display())
        }
        None if way.embedded => "The embedded broker knows it already.\n".into(),
        None => format!("Line for Mosquitto's password file (then: systemctl reload mosquitto):\n{line}\n"),
    };
    if way.is_loopback() {
        said += "NOTE: this address leads nowhere but on this machine itself; say the one that phones reach.\n";
    }
    if own_authority {
        said +=
            "NOTE: the broker's certificate is of an authority of its own, which phones do not know: docs/phones.md.\n";
    }
    if !way.tls {
        said += "NOTE: without TLS others on the way can read the password.\n";
    }
    print(&said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_holds_the_names_that_the_app_reads() {
        let way =
            Way { hosts: vec!["mqtt.example.vn".into()], port: 8883, tls: true, ca_sha256: None, embedded: false };
        let probe: ProbeId = "phone-1".parse().expect("a name");
        let settings = AppSettings::new(&way, &probe, "secret").expect("there is a host");
        let text = serde_json::to_string(&settings).expect("JSON");
        assert_eq!(
            text,
            "{\"mqtt_host\":\"mqtt.example.vn\",\"mqtt_port\":8883,\"mqtt_tls\":true,\"mqtt_client\":\"phone-1\",\
             \"mqtt_username\":\"phone-1\",\"mqtt_password\":\"secret\",\"mqtt_topic_prefix\":\"ns/phone-1/\",\
             \"cellular_stream_enabled\":true,\"wifi_stream_enabled\":false,\"bluetooth_stream_enabled\":false,\
             \"gnss_stream_enabled\":false,\"device_status_stream_enabled\":true}"
        );
    }
}
