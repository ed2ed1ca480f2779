//! `check`: tries everything, from the file to an acknowledgement of the collector.
//!
//! In: the configuration. Out: one line a finding, ok, warning or fault with what to do, and the verdict as exit code.
//! Refuses to know: how anything works. Limits: each step has its own deadline; in all about a minute at worst.
//!
//! Where an agent runs over the same spool it is asked instead: a second session would push it out of the broker.

use super::{Speaker, measure, on_one_thread};
use crate::config::{Config, TargetKind, UplinkKind};
use crate::device::modem::{ModemKey, Picture};
use crate::device::{clock, net};
use crate::disk::DiskError;
use crate::health;
use crate::modems::look;
use crate::mqtt::{Connect, Session};
use crate::plan::Plan;
use crate::probe::icmp::{EchoSockets, SocketKind};
use crate::publish::{self, Applied};
use crate::record::append;
use crate::spool::{OpenError, Urgency};
use crate::start::{StartError, Started, VERSION};
use crate::status::{ACK_WITHIN, acknowledged, ask};
use crate::text::{Advice, Finding, ModemText, Reach, Round, Said, Weight, bytes};
use phusong_protocol::{FailureKind, Outcome, Reading, Status, StatusState};
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;
use std::time::Duration;

/// A modem that searches answers slowly.
const MODEMS_WITHIN: Duration = Duration::from_secs(20);

/// Prints findings and counts them.
struct Findings<'a> {
    said: &'a Speaker,
    warnings: usize,
    faults: usize,
    /// Whether the collector acknowledged the sample.
    acked: bool,
}

impl Findings<'_> {
    fn good(&self, what: &dyn Said) {
        println!("[ ok ] {}", self.said.say(what));
    }

    fn warn(&mut self, what: &dyn Said, advice: Advice) {
        self.warnings += 1;
        println!("[warn] {}\n       -> {}", self.said.say(what), self.said.say(&advice));
    }

    fn fault(&mut self, what: &dyn Said, advice: Advice) {
        self.faults += 1;
        println!("[FAIL] {}\n       -> {}", self.said.say(what), self.said.say(&advice));
    }

    fn verdict(&self) -> ExitCode {
        let said = match (self.faults, self.warnings) {
            (0, 0) => Finding::AllGood,
            (0, warnings) => Finding::Warned { warnings },
            (faults, _) => Finding::Faults { faults },
        };
        println!("{}", self.said.say(&said));
        if self.faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

pub(super) fn command(said: &Speaker) -> ExitCode {
    let config = match said.load() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    examine(said, config).0
}

/// Tries everything with a configuration; whether it is in order, and whether the collector acknowledged a sample.
pub(super) fn examine(said: &Speaker, config: Config) -> (ExitCode, bool) {
    let mut found = Findings { said, warnings: 0, faults: 0, acked: false };
    let (targets, uplinks, brokers) = (config.targets.len(), config.uplinks.len(), config.brokers.len());
    found.good(&Finding::ConfigGood { file: said.file.display().to_string(), targets, uplinks, brokers });
    passwords(&config, &mut found);
    time(&mut found);
    on_one_thread(async {
        sockets(&config, &mut found);
        links(&config, &mut found);
        modems(&config, &mut found).await;
        reach_targets(&config, &mut found).await;
        deliver(config, &mut found).await;
    });
    (found.verdict(), found.acked)
}

fn passwords(config: &Config, found: &mut Findings<'_>) {
    for broker in &config.brokers {
        if let Err(error) = broker.resolve() {
            found.fault(&Finding::PasswordUnreadable { why: format!("{error:#}") }, Advice::Password);
        }
    }
    let of_brokers = config.brokers.iter().filter_map(|b| b.password_file.clone());
    let holds_password = config.brokers.iter().any(|b| b.password.is_some());
    let config_file = holds_password.then(|| found.said.file.clone());
    for file in of_brokers.chain(config_file) {
        if std::fs::metadata(&file).is_ok_and(|m| m.mode() & 0o004 != 0) {
            found.warn(&Finding::PasswordFileOpen { file: file.display().to_string() }, Advice::Chmod);
        }
    }
}

fn time(found: &mut Findings<'_>) {
    match clock::kernel() {
        Some(kernel) if kernel.synced => found.good(&Finding::TimeSynced { err_ms: kernel.err_ms }),
        _ => found.warn(&Finding::TimeNotSynced, Advice::Time),
    }
}

fn sockets(config: &Config, found: &mut Findings<'_>) {
    if !config.targets.iter().any(|t| t.kind == TargetKind::Icmp) {
        return;
    }
    let sockets = EchoSockets::default();
    for (family, v6) in [("IPv4", false), ("IPv6", true)] {
        match sockets.get(v6, None) {
            Ok(socket) if socket.kind() == SocketKind::Raw => found.good(&Finding::SocketRaw { family }),
            Ok(_) => found.warn(&Finding::SocketDatagram { family }, Advice::RawSocket),
            Err(error) if v6 => found.warn(&Finding::SocketNone { family, why: error.to_string() }, Advice::Socket),
            Err(error) => found.fault(&Finding::SocketNone { family, why: error.to_string() }, Advice::Socket),
        }
    }
}

fn links(config: &Config, found: &mut Findings<'_>) {
    if config.uplinks.is_empty() {
        found.warn(&Reach::NoUplink, Advice::Uplink);
    }
    for uplink in &config.uplinks {
        let interface = uplink.interface.clone();
        match net::link_state(&interface) {
            None => found.fault(&Reach::LinkMissing { interface }, Advice::Link),
            Some(state) if !state.up => found.fault(&Reach::LinkDown { interface }, Advice::Link),
            Some(state) if state.addresses.is_empty() => {
                found.fault(&Reach::LinkWithoutAddress { interface }, Advice::Link);
            }
            Some(state) => {
                let addresses: Vec<String> = state.addresses.iter().map(ToString::to_string).collect();
                found.good(&Reach::LinkUp { interface, addresses: addresses.join(", ") });
            }
        }
        if uplink.kind == UplinkKind::Fixed && uplink.provider.is_none() {
            found.warn(&Reach::NoProvider { interface: uplink.interface.clone() }, Advice::Provider);
        }
    }
}

/// What the running agent knows, or what the modems say now.
async fn modems(config: &Config, found: &mut Findings<'_>) {
    if config.modems.is_empty() {
        return;
    }
    let agent = ask(&config.data_dir, "status").await.ok();
    let told = agent.and_then(|status| serde_json::from_value(status["modems"].clone()).ok());
    let mut picture = match told {
        Some(modems) => Picture { modems, left_out: 0 },
        None => look(&config.modems, MODEMS_WITHIN).await,
    };
    for modem in &config.modems {
        // Several tables of ModemManager may share its modems; one that nobody spoke of is told, too.
        picture.modems.entry(ModemKey(modem.name.clone())).or_default();
    }
    for (key, state) in &picture.modems {
        for (weight, line) in ModemText::of(&key.0, state) {
            match weight {
                Weight::Good => found.good(&line),
                Weight::Warning(advice) => found.warn(&line, advice),
                Weight::Fault(advice) => found.fault(&line, advice),
            }
        }
    }
}

async fn reach_targets(config: &Config, found: &mut Findings<'_>) {
    let mut answered = false;
    let plan = Plan::of(config);
    for name in &plan.idle {
        found.warn(&Reach::Idle { name: name.clone() }, Advice::Uplink);
    }
    for (lane, attempted) in measure::round(&plan).await {
        let uplink = lane.interface().map_or_else(|| found.said.say(&Round::DefaultRoute), str::to_owned);
        let line = Reach::Target { name: lane.target.name.clone(), uplink, result: measure::told(&attempted) };
        match attempted.outcome {
            // A target that fails is what a probe is for: a warning, not a fault of the probe.
            Some(Outcome::Failure(failure)) => {
                let ours = matches!(failure.kind, FailureKind::DeviceMissing | FailureKind::LinkDown);
                found.warn(&line, if ours { Advice::Link } else { Advice::Target });
            }
            Some(Outcome::Reading(_)) => {
                answered = true;
                found.good(&line);
            }
            None => found.good(&line),
        }
    }
    if !answered {
        found.fault(&Reach::NoTargetAnswers, Advice::Network);
    }
}

async fn deliver(mut config: Config, found: &mut Findings<'_>) {
    // A person waits: no jitter before the first connection.
    config.publish.first_connect_jitter_ms = 0;
    let data_dir = config.data_dir.clone();
    match Started::begin(config).await {
        Ok(started) => deliver_alone(started, found).await,
        Err(StartError::Spool(OpenError::Disk(DiskError::Locked { .. }))) => {
            found.good(&Finding::AgentRuns);
            ask_agent(&data_dir, found).await;
        }
        Err(error) => found.fault(&Finding::SpoolBad { why: error.to_string() }, Advice::Spool),
    }
}

async fn ask_agent(data_dir: &std::path::Path, found: &mut Findings<'_>) {
    let answer = match ask(data_dir, "check").await {
        Ok(answer) => answer,
        Err(error) => return found.fault(&Finding::AgentSilent { why: error.to_string() }, Advice::Restart),
    };
    if let Some(why) = answer["error"].as_str() {
        return found.fault(&Finding::SpoolBad { why: why.to_owned() }, Advice::Spool);
    }
    let publish = &answer["publish"];
    let why = ["refused", "last_error"].iter().find_map(|key| publish[*key].as_str());
    match publish["broker"].as_str() {
        Some(url) => found.good(&Reach::BrokerGood { url: url.to_owned() }),
        None => {
            let why = why.unwrap_or("-").to_owned();
            found.fault(&Reach::BrokerBad { url: "[[broker]]".into(), why }, Advice::Broker);
        }
    }
    if answer["acked"].as_bool() == Some(true) {
        found.acked = true;
        found.good(&Reach::Acked { ms: answer["ack_ms"].as_u64().unwrap_or(0) });
    } else {
        let why = why.unwrap_or("-").to_owned();
        found.fault(&Reach::NotAcked { seconds: ACK_WITHIN.as_secs(), why }, Advice::Register);
    }
}

/// No agent runs: this process is one for a moment, with a start and an epoch of its own.
async fn deliver_alone(started: Started, found: &mut Findings<'_>) {
    if let Some(status) = started.spool.status().await {
        let (used, bound) = (bytes(status.bytes), bytes(status.max_bytes));
        found.good(&Finding::SpoolGood { waiting: status.waiting(), used, bound });
        let reachable = brokers(&started, found).await;
        if reachable {
            let reading = Reading::Health(health::reading(&status, 0, &started.config.data_dir));
            let sample = started.stamper.reading(reading);
            match append(&started.spool, sample, Urgency::Urgent).await {
                Some(seq) => publish_one(&started, seq, found).await,
                None => found.fault(&Finding::SpoolBad { why: "-".into() }, Advice::Spool),
            }
        }
    }
    if let Err(error) = started.spool.shutdown(true).await {
        found.fault(&Finding::SpoolBad { why: error.to_string() }, Advice::Spool);
    }
}

/// Whether any broker lets this probe in.
async fn brokers(started: &Started, found: &mut Findings<'_>) -> bool {
    let mut reachable = false;
    let Ok(brokers) = started.config.brokers() else { return false };
    let offline = Status {
        v: 1,
        state: StatusState::Offline,
        epoch: started.epoch,
        start: started.opened.start,
        conn: 0,
        config_revision: 0,
        config_note: None,
        version: VERSION.into(),
    };
    let will = serde_json::to_vec(&offline).expect("a status has a JSON form");
    for broker in &brokers {
        let url = broker.url.clone();
        let connect = Connect {
            broker,
            site: &started.config.site,
            probe: &started.config.probe,
            will: Some(will.clone()),
            keep_alive: Duration::from_secs(60),
            floor_unix_ms: started.keeper.wall().borrow().floor_unix_ms,
            tls: None,
        };
        match Session::open(connect).await {
            Ok(session) => {
                session.close(will.clone()).await;
                reachable = true;
                found.good(&Reach::BrokerGood { url });
            }
            Err(error) => found.fault(&Reach::BrokerBad { url, why: error.to_string() }, Advice::Broker),
        }
    }
    reachable
}

async fn publish_one(started: &Started, seq: u64, found: &mut Findings<'_>) {
    let applied = tokio::sync::watch::Sender::new(Applied::default());
    let publishing = match started.publishing(applied.subscribe()) {
        Ok(publishing) => publishing,
        Err(error) => {
            return found.fault(&Finding::PasswordUnreadable { why: error.to_string() }, Advice::Password);
        }
    };
    let began = std::time::Instant::now();
    let publisher = publish::start(publishing, started.spool.clone());
    let status = publisher.status.clone();
    if acknowledged(&started.spool, started.epoch, seq, status.clone()).await {
        found.acked = true;
        found.good(&Reach::Acked { ms: began.elapsed().as_millis() as u64 });
    } else {
        let status = status.borrow().clone();
        let why = status.refused.or(status.last_error).unwrap_or_else(|| "-".into());
        found.fault(&Reach::NotAcked { seconds: ACK_WITHIN.as_secs(), why }, Advice::Register);
    }
    publisher.stop().await;
}
