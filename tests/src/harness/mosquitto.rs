//! A real Mosquitto from the files of `deploy/mosquitto/`, in a directory and on ports of its own.
//!
//! The deployed file is taken as it is; only its directory and its two ports are replaced. Debian's main file, which
//! includes it, is written here: persistence with the default autosave, as deployed.

use super::netns::NetNs;
use super::process::{Service, repository, run};
use super::wait;
use anyhow::{Context, Result, bail};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The collector's account, as the ACL names it.
pub const COLLECTOR: (&str, &str) = ("collector", "collector-secret");

pub struct Mosquitto {
    dir: PathBuf,
    tls_port: u16,
    plain_port: u16,
    namespace: Option<String>,
    service: Service,
}

impl Mosquitto {
    /// Starts one under `dir` with the collector's account and `accounts` (user, password).
    pub fn start(dir: &Path, accounts: &[(&str, &str)]) -> Result<Self> {
        Self::start_in(dir, accounts, None, &[])
    }

    /// Starts one in a network namespace; its certificate carries `names` (host names or addresses) too.
    pub fn start_in(dir: &Path, accounts: &[(&str, &str)], namespace: Option<&NetNs>, names: &[&str]) -> Result<Self> {
        let dir = dir.join("mosquitto");
        for sub in ["tls", "conf.d", "data"] {
            std::fs::create_dir_all(dir.join(sub))?;
        }
        write_certificates(&dir.join("tls"), names)?;
        std::fs::copy(repository().join("deploy/mosquitto/acl"), dir.join("mosquitto.acl"))?;
        let lines = accounts.iter().chain([&COLLECTOR]).map(|(user, password)| format!("{user}:{password}\n"));
        std::fs::write(dir.join("mosquitto.passwd"), lines.collect::<String>())?;
        run("mosquitto_passwd", [Path::new("-U"), &dir.join("mosquitto.passwd")])?;

        let namespace = namespace.map(|ns| ns.name().to_owned());
        for _ in 0..5 {
            let (tls_port, plain_port) = free_ports()?;
            write_configuration(&dir, tls_port, plain_port)?;
            let service = launch(&dir, namespace.as_deref())?;
            let mut broker =
                Mosquitto { dir: dir.clone(), tls_port, plain_port, namespace: namespace.clone(), service };
            match broker.wait_ready() {
                Ok(()) => return Ok(broker),
                // Somebody took the port between our asking and Mosquitto's binding.
                Err(_) if broker.service.log_text().contains("Address already in use") => {}
                Err(e) => return Err(e),
            }
        }
        bail!("five times in a row the free ports were taken by somebody else")
    }

    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }

    pub fn plain_port(&self) -> u16 {
        self.plain_port
    }

    pub fn plain_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.plain_port).into()
    }

    /// The certificate that clients are to trust.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("tls/ca.crt")
    }

    pub fn pid(&self) -> u32 {
        self.service.pid()
    }

    pub fn log_text(&self) -> String {
        self.service.log_text()
    }

    /// Adds an account, or changes its password; the broker reads it at once.
    pub fn add_account(&self, user: &str, password: &str) -> Result<()> {
        let file = self.dir.join("mosquitto.passwd");
        run("mosquitto_passwd", ["-b".as_ref(), file.as_os_str(), user.as_ref(), password.as_ref()])?;
        self.service.hang_up()?;
        // SIGHUP only sets a flag that the broker looks at between two packets: a login that works proves it was read.
        wait::until_true("Mosquitto takes the new account", wait::PATIENCE, || {
            let login = super::Login::plain(self.plain_port, user, password);
            super::MqttClient::connect(&login).is_ok()
        })
    }

    /// Ends it in order: it writes its database.
    pub fn stop(&mut self) -> Result<()> {
        self.service.terminate(wait::PATIENCE).map(drop)
    }

    /// `kill -9`: everything since its last autosave is gone.
    pub fn kill9(&mut self) -> Result<()> {
        self.service.kill9()
    }

    /// Holds the broker still, as a machine that thrashes.
    pub fn freeze(&self) -> Result<()> {
        self.service.freeze()
    }

    pub fn resume(&self) -> Result<()> {
        self.service.resume()
    }

    /// Starts it again on the same ports, over the same directory.
    pub fn restart(&mut self) -> Result<()> {
        anyhow::ensure!(!self.service.runs(), "Mosquitto runs still");
        self.service = launch(&self.dir, self.namespace.as_deref())?;
        self.wait_ready()
    }

    fn wait_ready(&mut self) -> Result<()> {
        let address = self.plain_address();
        if self.namespace.is_some() {
            return self.service.wait_log(" running", wait::PATIENCE);
        }
        self.service.wait_for("its port is open", wait::PATIENCE, |_| {
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
        })
    }
}

fn launch(dir: &Path, namespace: Option<&str>) -> Result<Service> {
    let program =
        ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|path| Path::new(path).exists());
    let program = program.context("mosquitto is not installed; `make setup` installs it")?;
    let mut command = match namespace {
        None => Command::new(program),
        Some(name) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", name, program]);
            command
        }
    };
    command.arg("-c").arg(dir.join("mosquitto.conf"));
    Service::spawn("mosquitto", command, &dir.join("mosquitto.log"))
}

/// Two ports that were free a moment ago.
fn free_ports() -> Result<(u16, u16)> {
    let first = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let second = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    Ok((first.local_addr()?.port(), second.local_addr()?.port()))
}

fn write_configuration(dir: &Path, tls_port: u16, plain_port: u16) -> Result<()> {
    let path = repository().join("deploy/mosquitto/phusong.conf");
    let mut text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let own = format!("{}/", dir.display());
    let replacements = [
        ("\nlistener 8883\n", format!("\nlistener {tls_port}\n")),
        ("\nlistener 1883 127.0.0.1\n", format!("\nlistener {plain_port} 127.0.0.1\n")),
        ("/etc/phusong/", own),
    ];
    for (from, to) in replacements {
        anyhow::ensure!(text.contains(from), "{} has no line {from:?} any more", path.display());
        text = text.replace(from, &to);
    }
    std::fs::write(dir.join("conf.d/phusong.conf"), text)?;
    let user = if rustix::process::geteuid().is_root() { "user root\n" } else { "" };
    let place = dir.display();
    let main = format!(
        "persistence true\npersistence_location {place}/data/\nlog_dest stderr\n{user}include_dir {place}/conf.d\n"
    );
    Ok(std::fs::write(dir.join("mosquitto.conf"), main)?)
}

fn write_certificates(dir: &Path, names: &[&str]) -> Result<()> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.distinguished_name.push(DnType::CommonName, "Phu Song test CA");
    std::fs::write(dir.join("ca.crt"), ca.self_signed(&ca_key)?.pem())?;

    let key = KeyPair::generate()?;
    let all = ["localhost", "127.0.0.1"].iter().chain(names).map(|name| (*name).to_owned());
    let mut server = CertificateParams::new(all.collect::<Vec<_>>())?;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    let issuer = Issuer::new(ca, ca_key);
    std::fs::write(dir.join("server.crt"), server.signed_by(&key, &issuer)?.pem())?;
    Ok(std::fs::write(dir.join("server.key"), key.serialize_pem())?)
}
