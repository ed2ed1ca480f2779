//! A collector with its embedded broker and a hamlet in its tree, and devices that join it: real programs, real TLS.

#![allow(dead_code)] // Each test program uses a part of it.

use phusong_protocol::JoinCode;
use phusong_tests::harness::{Service, TempDir, binary, wait};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const AREAS: &str = "code,name,label,parent,lat,lon,radius_m\n\
                     19,Thái Nguyên,tỉnh,,,,\n\
                     05587,Thanh Định,xã,19,,,\n\
                     05587-01,Nà Chèn,xóm,05587,21.8644,105.5436,800\n\
                     05587-02,Nà Mao,xóm,05587,21.8750,105.5500,800\n";

pub struct World {
    pub dir: TempDir,
    collector: Option<Service>,
}

/// What a program said, and how it ended.
pub struct Said {
    pub good: bool,
    pub text: String,
}

impl World {
    /// With areas, not running yet.
    pub fn new(name: &str) -> Self {
        let dir = TempDir::new(&format!("joining-{name}")).expect("a writable directory");
        std::fs::create_dir_all(dir.join("data")).expect("a writable directory");
        let config = format!(
            "data_dir = {:?}\n[broker]\nlisten = \"127.0.0.1:0\"\nhosts = [\"127.0.0.1\", \"localhost\"]\n\
             [http]\nlisten = \"127.0.0.1:0\"\n",
            dir.join("data")
        );
        std::fs::write(dir.join("collector.toml"), config).expect("a writable directory");
        std::fs::write(dir.join("areas.csv"), AREAS).expect("a writable directory");
        let world = World { dir, collector: None };
        let areas = world.path("areas.csv");
        world.says(&["areas", "import", &areas]);
        world
    }

    pub fn running(name: &str) -> Self {
        let mut world = Self::new(name);
        let mut command = Command::new(binary("phusong-collector").expect("it is built"));
        command.arg("--config").arg(world.dir.join("collector.toml")).arg("run");
        let mut service = Service::spawn("collector", command, &world.dir.join("collector.log")).expect("it starts");
        service.wait_log("receiving batches", wait::PATIENCE).expect("it is ready");
        world.collector = Some(service);
        world
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn command(&self, args: &[&str]) -> Output {
        let mut command = Command::new(binary("phusong-collector").expect("it is built"));
        command.arg("--config").arg(self.dir.join("collector.toml")).args(args).output().expect("it runs")
    }

    /// Of a command of the collector that must succeed.
    pub fn says(&self, args: &[&str]) -> String {
        let output = self.command(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    pub fn refuses(&self, args: &[&str]) -> String {
        let output = self.command(args);
        assert!(!output.status.success(), "{args:?} succeeds");
        String::from_utf8(output.stderr).expect("text")
    }

    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.says(args)).expect("one JSON object")
    }

    /// The code of a new probe in Nà Chèn.
    pub fn code(&self, probe: &str) -> String {
        let said = self.json(&["probe", "add", probe, "--hamlet", "05587-01", "--json"]);
        said["code"].as_str().expect("a code").to_owned()
    }

    pub fn parsed(&self, probe: &str) -> JoinCode {
        self.code(probe).parse().expect("our own code")
    }

    pub fn device(&self, name: &str) -> Device {
        Device::new(&self.dir.join(name))
    }
}

/// A device without a configuration.
pub struct Device {
    pub dir: PathBuf,
    pub config: PathBuf,
}

impl Device {
    pub fn new(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).expect("a writable directory");
        Device { dir: dir.to_owned(), config: dir.join("etc/agent.toml") }
    }

    pub fn command(&self, code: &str) -> Command {
        let mut command = Command::new(binary("phusong-agent").expect("it is built"));
        command.arg("--config").arg(&self.config).args(["join", code, "--data-dir"]).arg(self.dir.join("data"));
        command.env("LC_ALL", "en_US.UTF-8");
        command
    }

    pub fn join(&self, code: &str) -> Said {
        self.join_with(code, &[])
    }

    pub fn join_with(&self, code: &str, more: &[&str]) -> Said {
        said(self.command(code).args(more).output().expect("it runs"))
    }
}

pub fn said(output: Output) -> Said {
    let text = [output.stdout, output.stderr].concat();
    Said { good: output.status.success(), text: String::from_utf8(text).expect("text") }
}
