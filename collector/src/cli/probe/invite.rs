//! What a technician is given: a code as a line, as a QR symbol, as a command to type, and until when it is good.
//!
//! In: a registered probe, the way to the broker, a secret. Out: text, JSON, an SVG file. Refuses to know: how the
//! secret was made. The secret is shown once and kept nowhere.

use super::qr::Symbol;
use super::way::Way;
use crate::cli::output::{colours, print};
use crate::cli::when;
use anyhow::Context;
use phusong_protocol::{JoinCode, ProbeId, SiteId};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How an invitation is shown.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    pub json: bool,
    pub svg: Option<&'a Path>,
}

/// A code and what is said with it.
pub struct Invitation {
    pub code: JoinCode,
    pub line: String,
}

impl Invitation {
    pub fn new(way: &Way, site: &SiteId, probe: &ProbeId, secret: &str, until_ms: Option<i64>) -> anyhow::Result<Self> {
        let code = way.code(site, probe, secret, until_ms)?;
        Ok(Invitation { line: code.to_string(), code })
    }

    /// What is typed on the device.
    fn command(&self) -> String {
        format!("phusong-agent join '{}'", self.line)
    }

    /// The fields that a script wants.
    pub fn to_json(&self) -> Vec<(&'static str, Value)> {
        let hex = |sha256: [u8; 32]| sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        vec![
            ("code", json!(self.line)),
            ("join", json!(self.command())),
            ("one_time", json!(self.code.one_time)),
            ("expires_ms", json!(self.code.expires_ms)),
            ("hosts", json!(self.code.hosts)),
            ("port", json!(self.code.port)),
            ("tls", json!(self.code.tls)),
            ("ca_sha256", json!(self.code.ca_sha256.map(hex))),
        ]
    }

    pub fn to_text(&self, way: &Way) -> anyhow::Result<String> {
        let mut text = Symbol::of(&self.line)?.to_text(colours());
        text += &format!(
            "On the device, as root (the code may be pasted alone, after `phusong-agent join`):\n\n  {}\n\n",
            self.command()
        );
        let hosts = self.code.hosts.join(", ");
        text += &match self.code.expires_ms {
            Some(ms) => {
                let until = when::show(ms);
                format!("It is good once, until {} UTC, and leads to {hosts}, port {}.\n", &until[..16], self.code.port)
            }
            None => format!(
                "It holds the lasting password: show it to nobody else. It leads to {hosts}, port {}.\n",
                self.code.port
            ),
        };
        if way.is_loopback() {
            text += "NOTE: this address leads nowhere but on this machine itself; ";
            text += if way.embedded {
                "write broker.hosts in the configuration.\n"
            } else {
                "say with --broker how probes reach the broker.\n"
            };
        } else if !self.code.tls {
            text += "NOTE: without TLS others on the way can read the password.\n";
        }
        Ok(text)
    }

    /// Writes the symbol, readable by its owner alone: it is a password.
    pub fn write_svg(&self, file: &Path) -> anyhow::Result<()> {
        let svg = Symbol::of(&self.line)?.to_svg(&format!("{} {}", self.code.site, self.code.probe));
        secret_file(file, &svg)
    }
}

/// Says everything about a probe and its code.
pub fn show(
    way: &Way,
    invitation: &Invitation,
    mut fields: serde_json::Map<String, Value>,
    heading: &str,
    shown: Shown<'_>,
) -> anyhow::Result<()> {
    if let Some(file) = shown.svg {
        invitation.write_svg(file)?;
    }
    if shown.json {
        fields.extend(invitation.to_json().into_iter().map(|(key, value)| (key.to_owned(), value)));
        fields.insert("svg".into(), json!(shown.svg));
        return print(&Value::Object(fields).to_string());
    }
    print(&format!("{heading}{}", invitation.to_text(way)?))
}

/// Writes a file that holds secrets; one that is there is replaced.
pub fn secret_file(file: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        let scratch = file.with_extension(format!("new{}", std::process::id()));
        let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&scratch)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        std::fs::rename(&scratch, file)
    };
    write().with_context(|| format!("writing {}", file.display()))
}
