//! The real ModemManager on a D-Bus of its own, with modems that are programs.
//!
//! The bus and the daemon live in the test's directory and end with it; the machine's own ModemManager, if it runs, is
//! not asked. An agent reaches this one through `DBUS_SYSTEM_BUS_ADDRESS`.

use super::process::{Service, run};
use super::report::skip_test;
use super::virtual_modem::VirtualModem;
use super::wait;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "org.freedesktop.ModemManager1";
const OBJECT: &str = "/org/freedesktop/ModemManager1";

/// Everybody may do everything: it is nobody's bus but the test's.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=@SOCKET@</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

pub struct ModemManager {
    dir: PathBuf,
    address: String,
    daemon: Option<Service>,
    /// Ended after the daemon.
    _bus: Service,
}

impl ModemManager {
    /// Whether this machine can run one; where it cannot, says so for the report of `make test`.
    pub fn here(test: &str) -> bool {
        let missing =
            ["dbus-daemon", "dbus-send", "ModemManager", "mmcli"].into_iter().find(|name| program(name).is_none());
        if let Some(name) = missing {
            skip_test(&format!("{test}: {name} is not installed; `make setup` installs it"));
        }
        missing.is_none()
    }

    /// Starts bus and daemon under `dir`.
    pub fn start(dir: &Path) -> Result<Self> {
        let dir = dir.join("modem-manager");
        std::fs::create_dir_all(&dir)?;
        let socket = dir.join("bus");
        std::fs::write(dir.join("bus.conf"), BUS.replace("@SOCKET@", &socket.display().to_string()))?;
        let mut command = Command::new(program("dbus-daemon").context("dbus-daemon is not installed")?);
        command.arg("--nofork").arg("--nopidfile").arg("--config-file").arg(dir.join("bus.conf"));
        let mut bus = Service::spawn("dbus-daemon", command, &dir.join("bus.log"))?;
        let look = |_: &Service| std::os::unix::net::UnixStream::connect(&socket).is_ok();
        bus.wait_for("the bus is there", wait::PATIENCE, look)?;
        let address = format!("unix:path={}", socket.display());
        let mut manager = ModemManager { dir, address, daemon: None, _bus: bus };
        manager.launch()?;
        Ok(manager)
    }

    /// For `DBUS_SYSTEM_BUS_ADDRESS`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Shows a modem to the daemon under a device name, handled by a plugin: `generic`, `quectel`, `huawei`.
    pub fn add(&self, device: &str, plugin: &str, modem: &VirtualModem) -> Result<()> {
        self.profile(device, plugin, &modem.paths().join(","))
    }

    fn profile(&self, device: &str, plugin: &str, ports: &str) -> Result<()> {
        let method = "org.freedesktop.ModemManager1.Test.SetProfile";
        let arguments = [format!("string:{device}"), format!("string:{plugin}"), format!("array:string:{ports}")];
        self.send(OBJECT, method, &arguments.each_ref().map(String::as_str)).map(drop)
    }

    /// Tells the daemon that a device has no ports any more: it has no udev that would.
    pub fn removed(&self, device: &str) -> Result<()> {
        let refused = self.profile(device, "generic", "");
        // It forgets the modem that was, and finds none in its place.
        let expected = |e: &anyhow::Error| format!("{e:#}").contains("Failed to find primary AT port");
        refused.or_else(|e| if expected(&e) { Ok(()) } else { Err(e) })
    }

    /// Ends the daemon in order.
    pub fn stop(&mut self) -> Result<()> {
        self.daemon.take().map_or(Ok(()), |mut daemon| daemon.terminate(wait::PATIENCE).map(drop))
    }

    /// `kill -9`.
    pub fn kill9(&mut self) -> Result<()> {
        self.daemon.take().map_or(Ok(()), |mut daemon| daemon.kill9())
    }

    /// Starts the daemon after [`ModemManager::stop`]; it knows no modem then.
    pub fn launch(&mut self) -> Result<()> {
        let mut command = Command::new(program("ModemManager").context("ModemManager is not installed")?);
        command.args(["--test-session", "--test-enable", "--test-no-udev", "--no-auto-scan", "--debug"]);
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        let mut daemon = Service::spawn("ModemManager", command, &self.dir.join("modem-manager.log"))?;
        daemon.wait_for("it has its name on the bus", wait::PATIENCE, |_| self.owned())?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// What it has logged.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.dir.join("modem-manager.log")).unwrap_or_default()
    }

    /// What an operator would ask it, as `["-m", "any", "--simple-connect=apn=v-internet"]`.
    pub fn mmcli(&self, arguments: &[&str]) -> Result<String> {
        let mut command = vec![format!("DBUS_SYSTEM_BUS_ADDRESS={}", self.address), "mmcli".into()];
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        run("env", command)
    }

    /// Waits until it shows a modem, whatever state that is in.
    pub fn wait_modem(&self) -> Result<()> {
        wait::until_true("ModemManager shows a modem", wait::PATIENCE, || {
            self.mmcli(&["-L"]).is_ok_and(|list| list.contains("/Modem/"))
        })
    }

    fn owned(&self) -> bool {
        let argument = format!("string:{NAME}");
        let bus = ["--dest=org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner"];
        self.dbus_send(&[bus[0], bus[1], bus[2], &argument]).is_ok_and(|answer| answer.contains("true"))
    }

    fn send(&self, object: &str, method: &str, arguments: &[&str]) -> Result<String> {
        let destination = format!("--dest={NAME}");
        let all: Vec<&str> =
            [destination.as_str(), object, method].into_iter().chain(arguments.iter().copied()).collect();
        self.dbus_send(&all)
    }

    fn dbus_send(&self, arguments: &[&str]) -> Result<String> {
        let bus = format!("--bus={}", self.address);
        run("dbus-send", [bus.as_str(), "--print-reply"].into_iter().chain(arguments.iter().copied()))
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|dir| dir.join(name)).find(|path| path.is_file())
}
