//! From a program that tells about a modem to durable samples, facts of uplinks, and answers over the agent's socket.

#![allow(clippy::unwrap_used)]

use phusong_agent::attempt::Means;
use phusong_agent::config::Config;
use phusong_agent::control::{Client, ControlError, Served, serve, socket_path};
use phusong_agent::device::clock;
use phusong_agent::device::modem::ModemKey;
use phusong_agent::device::position::Fix;
use phusong_agent::modems::exchange::{Exchange, Load};
use phusong_agent::modems::{self, Handle, Inputs};
use phusong_agent::plan::Plan;
use phusong_agent::publish::{Applied, Hurry, PublishStatus, WallClock};
use phusong_agent::record::Stamper;
use phusong_agent::sampler::{Order, Sampler};
use phusong_agent::spool::{BatchRequest, Pick};
use phusong_agent::start::Started;
use phusong_agent::status::Facts;
use phusong_agent::survey::{self, Ask, Request};
use phusong_protocol::{
    Epoch, Mark, Outcome, PlaceSource, Ranges, Reading, RegistrationReading, RegistrationStat, Sample, ServiceState,
    Taken, Technology, decode, limits,
};
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// Far longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const HOME: &str = r#"{"kind":"registration","stat":1,"technology":"lte","plmn":"452-04"}"#;
const SEARCHING: &str = r#"{"kind":"registration","stat":2}"#;
const LTE: &str = r#"{"kind":"signal","technology":"lte","pci":7,"rsrp_dbm":-97.5,"rrc":"connected"}"#;
const NR: &str = r#"{"kind":"signal","technology":"nr_nsa","pci":9,"rsrp_dbm":-101}"#;

struct Lab {
    dir: PathBuf,
    config: Config,
    /// What is written here the modem says.
    modem: File,
    started: Started,
    handle: Handle,
    means: Arc<Means>,
    rounds: mpsc::Receiver<Sample>,
    rounds_to: mpsc::Sender<Sample>,
    _tasks: JoinSet<()>,
    _ends: (watch::Sender<Arc<Config>>, watch::Sender<WallClock>, watch::Sender<PublishStatus>),
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A back end that gives two megabytes to whoever asks.
fn back_end() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut question = [0; 1_024];
            if stream.read(&mut question).is_ok_and(|length| length > 0) {
                let body = vec![7_u8; 2 << 20];
                let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(&body);
            }
        }
    });
    port
}

async fn lab(name: &str) -> Lab {
    let dir = std::env::temp_dir().join(format!("phusong-modems-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let pipe = dir.join("modem");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open both ways, so that neither side waits for the other.
    let modem = File::options().read(true).write(true).open(&pipe).unwrap();
    let port = back_end();
    let text = format!(
        "site = \"lab\"\nprobe = \"p1\"\ndata_dir = {dir:?}\n[[broker]]\nurl = \"mqtt://127.0.0.1:1\"\n\
         [radio_check]\nurl = \"http://127.0.0.1:{port}/garbage.php?ckSize=2\"\n\
         [[uplink]]\ninterface = \"lo\"\nkind = \"cellular\"\n\
         [[modem]]\nname = \"m\"\nsource = \"command\"\ncommand = [\"cat\", {pipe:?}]\ninterface = \"lo\"\n\
         [[target]]\nname = \"open\"\nkind = \"tcp\"\nhost = \"127.0.0.1\"\nport = {port}\nperiod_ms = 100\n\
         [[target]]\nname = \"echo\"\nkind = \"icmp\"\nhost = \"127.0.0.1\"\n"
    );
    let config = Config::parse("lab", &text).unwrap();
    let started = Started::begin(config.clone()).await.unwrap();
    let (handle, exchange, ends) = modems::ends();
    let wall = watch::Sender::new(WallClock { synced_offset_ms: Some(1_796_000_000_000), floor_unix_ms: 0 });
    let means = Arc::new(Means { wall: Some(wall.subscribe()), modems: Some(exchange), ..Means::default() });
    let now = watch::Sender::new(Arc::new(config.clone()));
    let (rounds_to, rounds) = mpsc::channel(256);
    let inputs = Inputs {
        config: now.subscribe(),
        stamper: started.stamper.clone(),
        spool: started.spool.clone(),
        rounds: rounds_to.clone(),
        means: means.clone(),
        fixes: watch::Sender::new(None),
    };
    let publish = watch::Sender::new(PublishStatus::default());
    let facts = Facts {
        epoch: started.epoch,
        start: 1,
        began_mono_ms: 0,
        data_dir: dir.clone(),
        spool: started.spool.clone(),
        stamper: started.stamper.clone(),
        publish: publish.subscribe(),
        hurry: Hurry::default(),
        applied: watch::Sender::new(Applied::default()).subscribe(),
    };
    let served = Served { facts, modems: handle.clone(), fix: started.fix.subscribe(), surveys: None };
    let mut tasks = JoinSet::new();
    tasks.spawn(modems::run(inputs, ends));
    tasks.spawn(serve(served));
    let lab = Lab {
        dir,
        config,
        modem,
        started,
        handle,
        means,
        rounds,
        rounds_to,
        _tasks: tasks,
        _ends: (now, wall, publish),
    };
    until(async || socket_path(&lab.dir).exists()).await;
    lab
}

/// Looks again and again, within bounds.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("in time");
}

impl Lab {
    fn says(&mut self, lines: &[&str]) {
        let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        self.modem.write_all(text.as_bytes()).unwrap();
    }

    /// Everything that is durable.
    async fn samples(&self) -> Vec<Sample> {
        let (mut samples, mut skip) = (Vec::new(), Vec::<(Epoch, Ranges)>::new());
        loop {
            let request = BatchRequest { pick: Pick::Oldest, max_bytes: limits::BATCH_BYTES, skip: skip.clone() };
            let Some(batch) = self.started.spool.next_batch(request).await else { return samples };
            samples.extend(decode(&batch.payload).unwrap().samples);
            skip.push((batch.epoch, batch.seqs));
        }
    }

    /// The first durable sample that this finds something in.
    async fn durable<T>(&self, find: impl Fn(&Sample) -> Option<T>) -> T {
        let mut found = None;
        until(async || {
            found = self.samples().await.iter().find_map(&find);
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    fn client(&self) -> Client {
        Client::of(&self.dir)
    }
}

fn key() -> ModemKey {
    ModemKey("m".into())
}

fn registration(sample: &Sample, stat: RegistrationStat) -> Option<RegistrationReading> {
    match &sample.outcome {
        Outcome::Reading(Reading::Registration(reading)) if reading.stat == stat => Some(reading.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn lost_coverage_is_durable_in_two_seconds_and_rounds_carry_the_facts_of_their_time() {
    let mut lab = lab("lost").await;
    lab.says(&[r#"{"kind":"sim","state":"ready","plmn":"452-04"}"#, HOME, LTE]);
    let uplink = lab.durable(|s| registration(s, RegistrationStat::Home).and(s.uplink.clone())).await;
    assert_eq!((uplink.interface.as_str(), uplink.sim_plmn.as_deref()), ("lo", Some("452-04")));
    assert_eq!((uplink.service_state, uplink.technology), (Some(ServiceState::Home), Some(Technology::Lte)));
    let (orders, inbox) = mpsc::channel::<Order>(1);
    let sampler = Sampler::new(Plan::of(&lab.config), lab.started.stamper.clone(), lab.means.clone());
    let sampling = tokio::spawn(sampler.run(inbox, lab.rounds_to.clone()));
    let of_round = |sample: Option<Sample>| sample.unwrap().uplink.unwrap().service_state;
    let receiving = async { while of_round(lab.rounds.recv().await) != Some(ServiceState::Home) {} };
    tokio::time::timeout(PATIENCE, receiving).await.expect("a round with the facts");

    let began = Instant::now();
    lab.says(&[SEARCHING]);
    lab.durable(|sample| registration(sample, RegistrationStat::Searching)).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let receiving = async { while of_round(lab.rounds.recv().await).is_some() {} };
    tokio::time::timeout(PATIENCE, receiving).await.expect("a round without service");
    assert!(lab.handle.tries.borrow().uplinks["lo"].answered_mono_ms.is_some());
    drop(orders);
    sampling.await.unwrap();
}

#[tokio::test]
async fn whoever_aims_sees_each_change_and_what_was_set_ends_with_the_connection() {
    let mut lab = lab("aim").await;
    lab.says(&[HOME, LTE]);
    let client = lab.client();
    let mut seen = client.watch().await.unwrap();
    loop {
        let line = seen.next().await.unwrap().unwrap();
        if line.picture.modems.get(&key()).is_some_and(|modem| modem.signal.is_some()) {
            break;
        }
    }
    let (paced, held) = client.pace(&key(), 1_000, true).await.unwrap();
    assert_eq!((paced.signal_ms, paced.flow_to.as_deref()), (1_000, Some("127.0.0.1")));
    while seen.next().await.unwrap().unwrap().ping.get("lo").is_none_or(|ping| ping.rtt_us.is_none()) {}
    lab.says(&[LTE]);
    let aimed = client.aimed(&key()).await.unwrap();
    assert_eq!(aimed.cells[0].rsrp_dbm, Some(-97.5));
    let taken = lab.durable(|sample| match &sample.outcome {
        Outcome::Reading(Reading::Radio(reading)) => reading.taken,
        _ => None,
    });
    assert_eq!(taken.await, Taken::Aimed);
    drop(held);
    let nobody = client.aimed(&ModemKey("x".into())).await.expect_err("there is none");
    assert!(matches!(nobody, ControlError::Refused(why) if why.contains("no modem")));
    let status = phusong_agent::status::ask(&lab.dir, "status").await.unwrap();
    assert_eq!(status["modems"]["m"]["present"], true);
}

#[tokio::test]
async fn while_a_modem_searches_for_operators_nothing_is_measured_and_nothing_fails_on_its_uplink() {
    let mut lab = lab("scan").await;
    let searching = Load { scanning: true, ..Load::default() };
    let loads = watch::Sender::new([("lo".to_owned(), searching)].into());
    let (facts, tries) = (watch::Sender::new(Default::default()).subscribe(), watch::Sender::new(Default::default()));
    let exchange = Exchange { facts, loads: loads.subscribe(), tries };
    let means = Arc::new(Means { modems: Some(exchange), ..Means::default() });
    let (orders, inbox) = mpsc::channel::<Order>(1);
    let sampler = Sampler::new(Plan::of(&lab.config), lab.started.stamper.clone(), means);
    let sampling = tokio::spawn(sampler.run(inbox, lab.rounds_to.clone()));
    // Ten times the period of a target.
    let nothing = tokio::time::timeout(Duration::from_secs(1), lab.rounds.recv()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    loads.send_replace([("lo".to_owned(), Load { scanned_mono_ms: Some(1), ..Load::default() })].into());
    let round = tokio::time::timeout(PATIENCE, lab.rounds.recv()).await.expect("it goes on").unwrap();
    assert!(matches!(round.outcome, Outcome::Reading(_)), "{round:?}");
    drop(orders);
    sampling.await.unwrap();
}

#[tokio::test]
async fn a_record_of_commissioning_that_is_broken_off_leaves_no_sample_of_its_end() {
    let mut lab = lab("broken-off").await;
    lab.says(&[r#"{"kind":"modem","able":["lte","nr_nsa"]}"#, HOME, LTE]);
    let client = lab.client();
    until(async || lab.handle.picture.borrow().modems.get(&key()).is_some_and(|modem| modem.signal.is_some())).await;
    drop(client.accept(&key()).await.unwrap());
    lab.says(&[LTE]);
    // Refused until the record is over.
    until(async || client.radio_check(&key()).await.is_ok()).await;
    let of_a_choice = |sample: &Sample| match &sample.outcome {
        Outcome::Reading(Reading::Radio(reading)) => reading.taken.is_some(),
        _ => false,
    };
    let samples = lab.samples().await;
    assert!(!samples.iter().any(of_a_choice), "{samples:?}");
}

#[tokio::test]
async fn a_survey_that_is_stopped_indoors_says_that_indoors_is_over_without_a_position() {
    let mut lab = lab("indoors").await;
    lab.says(&[HOME, LTE]);
    let text = format!(
        "site = \"lab\"\nprobe = \"p1\"\ndata_dir = {:?}\nposition = {{ source = \"gpsd\" }}\n\
         [setup]\nenvironment = \"outdoor\"\n[[broker]]\nurl = \"mqtt://127.0.0.1:1\"\n\
         [[modem]]\nname = \"m\"\nsource = \"command\"\ncommand = [\"true\"]\n",
        lab.dir
    );
    let config = watch::Sender::new(Arc::new(Config::parse("lab", &text).unwrap()));
    let here = Fix {
        at_mono_ms: clock::mono_ms(),
        lat: 21.6,
        lon: 105.8,
        accuracy_m: Some(4.0),
        altitude_m: None,
        speed_mps: None,
        track_deg: None,
        source: PlaceSource::Gps,
        utc_ms: Some(1_796_000_000_000),
    };
    let fix = watch::Sender::new(Some(here));
    let inputs = survey::Inputs {
        config: config.subscribe(),
        stamper: Stamper { fix: fix.subscribe(), ..lab.started.stamper.clone() },
        spool: lab.started.spool.clone(),
        means: lab.means.clone(),
        fix: fix.subscribe(),
        modems: lab.handle.clone(),
        setup: watch::Sender::new(None),
    };
    let asks = survey::start(inputs).unwrap();
    let ask = async |ask: Ask| {
        let (answer, answered) = oneshot::channel();
        asks.send(Request { ask, answer }).await.unwrap();
        let answer = answered.await.unwrap();
        assert_eq!(answer.refused, []);
    };
    ask(Ask::Start { name: "walk".into(), note: None }).await;
    ask(Ask::Mark { mark: Mark::Indoor, note: None }).await;
    fix.send_replace(None);
    ask(Ask::Stop).await;
    let said = |sample: &Sample| match &sample.outcome {
        Outcome::Reading(Reading::Position(p)) => Some((p.mark, p.survey.clone(), p.lat, p.accuracy_m)),
        _ => None,
    };
    let walk = || Some("walk".to_owned());
    let wanted =
        [(None, walk(), 21.6, Some(4.0)), (Some(Mark::Indoor), walk(), 21.6, Some(4.0)), (None, walk(), 21.6, None)];
    assert_eq!(lab.samples().await.iter().filter_map(said).collect::<Vec<_>>(), wanted);
}

#[tokio::test]
async fn a_technology_check_downloads_at_its_pace_within_its_budget_and_stores_what_was_seen() {
    let mut lab = lab("check").await;
    let client = lab.client();
    lab.says(&[r#"{"kind":"modem","able":["lte","nr_nsa"]}"#, HOME, LTE]);
    lab.durable(|sample| registration(sample, RegistrationStat::Home)).await;
    client.radio_check(&key()).await.unwrap();
    assert!(client.radio_check(&key()).await.is_err(), "one at a time");
    lab.says(&[LTE, NR]);
    let check = lab.durable(|sample| match &sample.outcome {
        Outcome::Reading(Reading::Radio(reading)) => reading.check.clone(),
        Outcome::Failure(failure) => panic!("{failure:?}"),
        _ => None,
    });
    let check = check.await;
    assert_eq!((check.able, check.seen.contains(&Technology::NrNsa)), (vec![Technology::Lte, Technology::NrNsa], true));
    assert!((1_000_000..1_060_000).contains(&check.down_bps), "{} bit/s", check.down_bps);
    assert!((10_000..11_000).contains(&check.elapsed_ms) && check.bytes <= 1_300_000);
    let ledger = std::fs::read_to_string(lab.dir.join("throughput-budget.json")).unwrap();
    assert!(ledger.contains("\"lo/check\""), "{ledger}");
}
