//! A broker with the probes `p1` and `p2` and the collector's account: the embedded one, or Mosquitto as deployed.

#![allow(dead_code)] // Each test program uses a part of it.

use super::broker::{self as mosquitto, scratch};
use super::client::Login;
use phusong_collector::broker::Broker;
use phusong_collector::config::Config;
use phusong_collector::credentials::Credentials;
use phusong_collector::password;
use phusong_protocol::ProbeId;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const PROBES: [&str; 2] = ["p1", "p2"];

pub struct Place {
    /// Without TLS.
    pub port: u16,
    passwords: Vec<String>,
    collector: Login,
    broker: Kind,
    dir: PathBuf,
}

enum Kind {
    Mosquitto(mosquitto::Broker),
    Embedded(Option<Box<Broker>>),
}

pub fn topic(probe: &str, channel: &str) -> String {
    format!("phusong/v1/lab/{probe}/{channel}")
}

/// The same check of both.
pub fn everywhere(name: &str, check: impl Fn(&Place)) {
    check(&Place::embedded(&format!("embedded-{name}"), |_| {}));
    check(&Place::mosquitto(&format!("mosquitto-{name}")));
}

impl Place {
    /// The embedded broker with free ports; `change` what else is to be different.
    pub fn embedded(name: &str, change: impl Fn(&mut Config)) -> Self {
        let dir = scratch(name);
        let credentials = Credentials::open(&dir).expect("a writable directory");
        let probes = PROBES.map(|probe| probe.parse::<ProbeId>().expect("valid"));
        let passwords = credentials.lasting_all(&probes).expect("written");
        let mut config = Config { data_dir: dir.clone(), ..Config::default() };
        config.broker.listen = ([127, 0, 0, 1], 0).into();
        config.broker.plain_listen = Some(([127, 0, 0, 1], 0).into());
        change(&mut config);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let broker = runtime.block_on(Broker::start(&config)).expect("the broker starts");
        let port = broker.plain_listen.expect("asked for").port();
        let client = broker.client();
        let (_, door) = client.address();
        let secret = client.password.clone().expect("a secret of this start").0;
        let collector = Login::new(door, "", "collector", &secret);
        Place { port, passwords, collector, broker: Kind::Embedded(Some(Box::new(broker))), dir }
    }

    /// Mosquitto with the deployed access list and bounds.
    pub fn mosquitto(name: &str) -> Self {
        let dir = scratch(&format!("{name}-files"));
        let passwords: Vec<String> = PROBES.iter().map(|probe| format!("{probe}-secret")).collect();
        let accounts =
            PROBES.iter().copied().zip(passwords.iter().map(String::as_str)).chain([("collector", "secret")]);
        let lines = accounts.map(|(user, secret)| password::line(user, secret).expect("random") + "\n");
        let file = dir.join("passwd");
        std::fs::write(&file, lines.collect::<String>()).expect("writable");
        let acl = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/mosquitto/acl");
        let text = format!(
            "allow_anonymous false\npassword_file {}\nacl_file {}\nmessage_size_limit 131072\nmax_packet_size 135168\n",
            file.display(),
            acl.display()
        );
        let broker = mosquitto::Broker::start(name, &text);
        let port = broker.port;
        let collector = Login::new(port, "", "collector", "secret");
        Place { port, passwords, collector, broker: Kind::Mosquitto(broker), dir }
    }

    pub fn password(&self, probe: &str) -> String {
        let at = PROBES.iter().position(|known| *known == probe).expect("one of the place's probes");
        self.passwords[at].clone()
    }

    pub fn probe(&self, probe: &str, client: &str) -> Login {
        Login::new(self.port, client, probe, &self.password(probe))
    }

    pub fn collector(&self, client: &str) -> Login {
        Login { client: client.into(), ..self.collector.clone() }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn embedded_broker(&self) -> &Broker {
        match &self.broker {
            Kind::Embedded(Some(broker)) => broker,
            Kind::Embedded(None) | Kind::Mosquitto(_) => panic!("this place has no embedded broker"),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Kind::Embedded(broker) = &mut self.broker
            && let Some(broker) = broker.take()
        {
            broker.stop(Duration::from_secs(2));
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
