//! `make phone-e2e`: a phone with the app Network Survey, from its code to the values in the store.
//!
//! Real Mosquitto as deployed, real collector, codes read back by a real reader of codes. Every step asserts values in
//! the store, not that something arrived. `--short` is the same: it takes seconds.

use anyhow::{Context, Result, ensure};
use phusong_collector::store::{ObservationQuery, ObservationRow, Readers};
use phusong_protocol::{Outcome, Reading, RegistrationStat, ServiceState, SimState, Technology};
use phusong_tests::harness::{Bound, Collector, Lab, Login, MqttClient, Refused, Report, wait};
use phusong_tests::phones::{CsvLog, GeoLog, Record, drawn, read_back, svg_as_png};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const NOT_AUTHORISED: u8 = 135;
/// From the phone's publish to the committed row.
const STORED_S: f64 = 2.0;

fn main() -> ExitCode {
    let short = std::env::args().any(|arg| arg == "--short");
    let mut report = Report::new(if short { "phone-e2e-short" } else { "phone-e2e" }, 1);
    if let Err(e) = run(&mut report) {
        report.missing("completed", Bound::Exactly(1.0), &format!("{e:#}"));
        eprintln!("{e:?}");
    }
    report.finish()
}

/// A step and what it came to.
type Step = (&'static str, fn(&mut World) -> Result<()>);

const STEPS: [Step; 9] = [
    ("qr_equal", codes),
    ("strangers_refused", strangers),
    ("lte_right", lte),
    ("state_right", state),
    ("nr_right", nr),
    ("once", once),
    ("csv_meets", csv),
    ("geopackage_meets", geopackage),
    ("letters_right", letters),
];

fn run(report: &mut Report) -> Result<()> {
    let mut world = World::start()?;
    for (name, step) in STEPS {
        let done = step(&mut world);
        if let Err(e) = &done {
            eprintln!("{name}: {e:?}");
        }
        report.figure(name, if done.is_ok() { 1.0 } else { 0.0 }, Bound::Exactly(1.0));
    }
    report.figure("sim_after_restart", if after_restart(&mut world).is_ok() { 1.0 } else { 0.0 }, Bound::Exactly(1.0));
    report.figure("stored_s", world.slowest.as_secs_f64(), Bound::AtMost(STORED_S));
    report.n(world.rows()?.len() as u64);
    Ok(())
}

struct World {
    lab: Lab,
    collector: Collector,
    phone: Option<MqttClient>,
    password: String,
    /// The moment of the first record; all lie within the last minutes.
    at_ms: i64,
    slowest: Duration,
}

impl World {
    fn start() -> Result<Self> {
        let lab = Lab::start("phone-e2e", &[])?;
        let collector = lab.start_collector()?;
        let at_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())? - 120_000;
        Ok(World { lab, collector, phone: None, password: String::new(), at_ms, slowest: Duration::ZERO })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.lab.path().join(name)
    }

    fn broker(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.lab.broker.plain_port())
    }

    fn says(&self, args: &[&str]) -> Result<String> {
        let output = self.collector.cli(args)?;
        ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    fn json(&self, args: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.says(args)?)?)
    }

    /// Everything of the phone, in the order of commits.
    fn rows(&self) -> Result<Vec<ObservationRow>> {
        let query = ObservationQuery {
            probe: Some("phone-1".parse()?),
            after_id: Some(0),
            limit: 10_000,
            ..ObservationQuery::default()
        };
        Ok(Readers::of(&self.collector.config.data_dir).connect()?.observations(&query)?)
    }

    /// Publishes as the phone does, and waits for the row.
    fn publish(&mut self, record: &Record) -> Result<ObservationRow> {
        let before = self.rows()?.len();
        let began = Instant::now();
        self.send(record)?;
        let row =
            wait::until("the record is in the store", wait::PATIENCE, || self.rows().ok()?.into_iter().nth(before))?;
        self.slowest = self.slowest.max(began.elapsed());
        ensure!(row.at_ms == record.at_ms, "{} instead of {}", row.at_ms, record.at_ms);
        ensure!(row.at_state.name() == "stamped" && row.site == "lab", "{row:?}");
        Ok(row)
    }

    fn send(&mut self, record: &Record) -> Result<()> {
        let phone = self.phone.as_mut().context("the phone is not set up")?;
        let code = phone.publish(&format!("ns/phone-1/{}", record.topic()), record.message("phone-1"))?;
        ensure!(code == 0, "the broker answers {code}");
        Ok(())
    }

    /// A metric that counts messages which change nothing in the store.
    fn wait_fate(&self, fate: &str, wanted: f64) -> Result<()> {
        let label = format!("\"{fate}\"");
        self.collector.wait_metric("phusong_collector_samples_total", &[&label], |value| value >= wanted).map(drop)
    }
}

/// Registers both phones; reads their codes from paper and from the terminal; sets the first one up by what was read.
fn codes(world: &mut World) -> Result<()> {
    let svg = world.path("phone-1.svg");
    let (broker, file) = (world.broker(), svg.display().to_string());
    let added = ["phone", "add", "phone-1", "--site", "lab", "--label", "Điện thoại", "--broker", &broker];
    let added = world.json(&[&added[..], &["--svg", &file, "--json"]].concat())?;
    let png = world.path("phone-1.png");
    svg_as_png(&svg, &png)?;
    let read = read_back(&png)?;
    ensure!(json!(read) == added["qr"], "{read} instead of {}", added["qr"]);
    let settings: Value = serde_json::from_str(&read)?;
    let wanted = json!({
        "mqtt_host": "127.0.0.1", "mqtt_port": world.lab.broker.plain_port(), "mqtt_tls": false,
        "mqtt_client": "phone-1", "mqtt_username": "phone-1", "mqtt_password": added["password"],
        "mqtt_topic_prefix": "ns/phone-1/", "cellular_stream_enabled": true, "wifi_stream_enabled": false,
        "bluetooth_stream_enabled": false, "gnss_stream_enabled": false, "device_status_stream_enabled": true,
    });
    ensure!(settings == wanted, "{settings}");

    let (svg, pgm) = (world.path("phone-2.svg"), world.path("phone-2.pgm"));
    let file = svg.display().to_string();
    let text = world.says(&["phone", "add", "phone-2", "--site", "lab", "--broker", &broker, "--svg", &file])?;
    std::fs::write(&pgm, drawn(&text))?;
    svg_as_png(&svg, &png)?;
    let (terminal, paper) = (read_back(&pgm)?, read_back(&png)?);
    ensure!(terminal == paper, "{terminal} on the terminal, {paper} on paper");
    let other: Value = serde_json::from_str(&terminal)?;
    let password = other["mqtt_password"].as_str().context("a password")?;
    ensure!(text.contains(&format!("password  {password}")) && text.contains("quét mã này"), "{text}");
    world.lab.broker.add_account("phone-2", password)?;

    world.password = settings["mqtt_password"].as_str().context("a password")?.to_owned();
    world.lab.broker.add_account("phone-1", &world.password)?;
    let listed = world.says(&["probe", "list", "--json"])?;
    let row: Value = serde_json::from_str(listed.lines().next().context("a probe")?)?;
    ensure!(row["probe"] == "phone-1" && row["label"] == "Điện thoại" && row["lat"].is_null(), "{row}");
    let login = Login::plain(world.lab.broker.plain_port(), "phone-1", &world.password);
    world.phone = Some(MqttClient::connect(&login)?);
    Ok(())
}

/// A wrong password, another phone's password, another phone's topic: nothing of it is stored.
fn strangers(world: &mut World) -> Result<()> {
    let port = world.lab.broker.plain_port();
    for (user, password) in [("phone-1", "wrong"), ("phone-2", &*world.password), ("phone-3", &*world.password)] {
        let error = MqttClient::connect(&Login::plain(port, user, password)).err();
        let error = error.with_context(|| format!("{user} got in"))?;
        ensure!(error.downcast_ref::<Refused>().is_some(), "{user}: {error:#}");
    }
    let record = Record::lte(900, world.at_ms);
    let phone = world.phone.as_mut().context("the phone is not set up")?;
    let code = phone.publish("ns/phone-2/lte_message", record.message("phone-2"))?;
    ensure!(code == NOT_AUTHORISED, "the broker answers {code}");
    let all = world.collector.query("SELECT count(*) FROM observation")?;
    ensure!(all == 0, "{all} rows");
    Ok(())
}

fn lte(world: &mut World) -> Result<()> {
    let row = world.publish(&Record::lte(1, world.at_ms))?;
    let place = row.place.as_ref().context("a place")?;
    ensure!((place.lat, place.lon) == (21.8644, 105.5436), "{place:?}");
    ensure!((place.accuracy_m, place.speed_mps) == (Some(16.2), Some(1.5)), "{place:?}");
    let uplink = row.uplink.as_ref().context("an uplink")?;
    ensure!(uplink.interface == "slot1" && uplink.serving_plmn.as_deref() == Some("452-04"), "{uplink:?}");
    ensure!(uplink.sim_plmn.is_none() && uplink.technology == Some(Technology::Lte), "{uplink:?}");
    let Outcome::Reading(Reading::Radio(radio)) = &row.outcome else { anyhow::bail!("{:?}", row.outcome) };
    let cell = radio.cells.first().context("a cell")?;
    ensure!((cell.mcc.as_deref(), cell.mnc.as_deref()) == (Some("452"), Some("04")), "{cell:?}");
    ensure!((cell.cell_id, cell.tac, cell.arfcn) == (Some(79_221_507), Some(20_881), Some(1_450)), "{cell:?}");
    ensure!((cell.pci, cell.serving) == (Some(331), Some(true)), "{cell:?}");
    ensure!((cell.rsrp_dbm, cell.rsrq_db) == (Some(-101.0), Some(-11.0)), "{cell:?}");
    ensure!((cell.sinr_db, cell.rssi_dbm) == (Some(6.0), Some(-71.0)), "{cell:?}");

    let neighbour = Record::lte(2, world.at_ms + 1).with("servingCell", json!(false)).with("pci", json!(17));
    let row = world.publish(&neighbour.with("mcc", Value::Null).with("mnc", Value::Null))?;
    let Outcome::Reading(Reading::Neighbours(neighbours)) = &row.outcome else { anyhow::bail!("{:?}", row.outcome) };
    ensure!(neighbours.cells[0].pci == Some(17) && neighbours.cells[0].mcc.is_none(), "{neighbours:?}");
    ensure!(row.uplink.is_some_and(|uplink| uplink.serving_plmn.is_none()), "a neighbour serves nobody");
    Ok(())
}

fn state(world: &mut World) -> Result<()> {
    let registration = |row: &ObservationRow| match &row.outcome {
        Outcome::Reading(Reading::Registration(reading)) => Ok(reading.clone()),
        other => Err(anyhow::anyhow!("{other:?}")),
    };
    let row = world.publish(&Record::state(1, world.at_ms + 1_000, 15))?;
    let reading = registration(&row)?;
    ensure!(reading.stat == RegistrationStat::Denied && reading.reject_cause == Some(15), "{reading:?}");
    ensure!(reading.sim == Some(SimState::Ready), "{reading:?}");
    ensure!(row.uplink.as_ref().is_some_and(|uplink| uplink.service_state.is_none()), "{:?}", row.uplink);

    let row = world.publish(&Record::state(2, world.at_ms + 2_000, 0))?;
    let (reading, uplink) = (registration(&row)?, row.uplink.context("an uplink")?);
    ensure!(reading.stat == RegistrationStat::Home && reading.reject_cause.is_none(), "{reading:?}");
    ensure!(reading.cell.as_ref().is_some_and(|cell| cell.cell_id == Some(79_221_507)), "{reading:?}");
    ensure!(uplink.service_state == Some(ServiceState::Home), "{uplink:?}");
    ensure!(uplink.sim_plmn.as_deref() == Some("452-04") && uplink.interface == "slot1", "{uplink:?}");

    let missing = Record::state(3, world.at_ms + 500, 0).with("slot", json!(2)).with("simState", json!("ABSENT"));
    let none = missing.with("simOperator", json!("")).with("networkRegistrationInfo", json!([]));
    let reading = registration(&world.publish(&none)?)?;
    ensure!((reading.stat, reading.sim) == (RegistrationStat::NoSim, Some(SimState::Absent)), "{reading:?}");

    let battery = Record::new("DeviceStatus", 0, world.at_ms + 600, &json!({ "batteryLevelPercent": 42 }));
    let row = world.publish(&battery)?;
    let Outcome::Reading(Reading::Power(power)) = &row.outcome else { anyhow::bail!("{:?}", row.outcome) };
    ensure!(power.battery_ratio == Some(0.42) && power.mains.is_none(), "{power:?}");
    Ok(())
}

fn nr(world: &mut World) -> Result<()> {
    let row = world.publish(&Record::nr(3, world.at_ms + 3_000))?;
    let uplink = row.uplink.as_ref().context("an uplink")?;
    // The state before has said which SIM it is.
    ensure!(uplink.sim_plmn.as_deref() == Some("452-04"), "{uplink:?}");
    ensure!(uplink.technology == Some(Technology::NrSa), "{uplink:?}");
    let Outcome::Reading(Reading::Radio(radio)) = &row.outcome else { anyhow::bail!("{:?}", row.outcome) };
    let cell = radio.cells.first().context("a cell")?;
    ensure!((cell.cell_id, cell.tac) == (Some(68_719_476_735), Some(1_000)), "{cell:?}");
    ensure!((cell.arfcn, cell.pci) == (Some(640_704), Some(1_007)), "{cell:?}");
    ensure!((cell.rsrp_dbm, cell.rsrq_db) == (Some(-95.0), Some(-11.0)), "{cell:?}");
    ensure!((cell.sinr_db, cell.rssi_dbm) == (Some(12.5), None), "{cell:?}");
    Ok(())
}

/// The same messages again change nothing.
fn once(world: &mut World) -> Result<()> {
    let before = world.rows()?;
    let at_ms = world.at_ms;
    for record in [Record::lte(1, at_ms), Record::state(2, at_ms + 2_000, 0), Record::nr(3, at_ms + 3_000)] {
        world.send(&record)?;
    }
    world.wait_fate("duplicate", 3.0)?;
    ensure!(world.rows()? == before, "something changed");
    Ok(())
}

/// Lines of the app's log meet their messages; what the broker never saw is stored.
fn csv(world: &mut World) -> Result<()> {
    let at_ms = world.at_ms;
    let files = [
        ("lte.csv", vec![Record::lte(1, at_ms), Record::lte(4, at_ms + 4_000).with("rsrp", json!(-110.0))]),
        ("nr.csv", vec![Record::nr(3, at_ms + 3_000)]),
        ("state.csv", vec![Record::state(2, at_ms + 2_000, 0)]),
    ];
    for (name, records) in &files {
        CsvLog::of(records).write(&world.path(name))?;
    }
    let paths = files.map(|(name, _)| world.path(name).display().to_string());
    let call = ["import", &paths[0], &paths[1], &paths[2], "--probe", "phone-1", "--json"];
    let before = world.rows()?;
    let said = world.json(&call)?;
    ensure!((&said["rows"], &said["stored"], &said["duplicate"]) == (&json!(4), &json!(1), &json!(3)), "{said}");
    let after = world.rows()?;
    ensure!(after.len() == before.len() + 1 && after[..before.len()] == before[..], "{said}");
    let row = after.last().context("a row")?;
    let Outcome::Reading(Reading::Radio(radio)) = &row.outcome else { anyhow::bail!("{:?}", row.outcome) };
    ensure!(radio.cells[0].rsrp_dbm == Some(-110.0) && row.at_ms == at_ms + 4_000, "{row:?}");
    ensure!(row.uplink.as_ref().is_some_and(|uplink| uplink.sim_plmn.as_deref() == Some("452-04")), "{row:?}");
    // Also the other way round: the message of a line that is there.
    world.send(&Record::lte(4, at_ms + 4_000).with("rsrp", json!(-110.0)))?;
    world.wait_fate("duplicate", 4.0)?;
    let again = world.json(&call)?;
    ensure!(again["stored"] == 0 && again["duplicate"] == 4, "{again}");
    ensure!(world.rows()? == after, "something changed");
    Ok(())
}

fn geopackage(world: &mut World) -> Result<()> {
    let at_ms = world.at_ms;
    let file = world.path("survey.gpkg");
    let log = GeoLog::create(&file)?;
    let new = Record::nr(5, at_ms + 5_000).with("ssRsrp", json!(-99.0));
    for record in [Record::lte(1, at_ms), Record::nr(3, at_ms + 3_000), Record::state(2, at_ms + 2_000, 0), new.clone()]
    {
        log.add(&record)?;
    }
    drop(log);
    let before = world.rows()?;
    let said = world.json(&["import", &file.display().to_string(), "--probe", "phone-1", "--json"])?;
    ensure!((&said["rows"], &said["stored"], &said["duplicate"]) == (&json!(4), &json!(1), &json!(3)), "{said}");
    let after = world.rows()?;
    ensure!(after.len() == before.len() + 1, "{} rows after {}", after.len(), before.len());
    let row = after.last().context("a row")?;
    let Outcome::Reading(Reading::Radio(radio)) = &row.outcome else { anyhow::bail!("{:?}", row.outcome) };
    ensure!(radio.cells[0].rsrp_dbm == Some(-99.0) && radio.cells[0].cell_id == Some(68_719_476_735), "{row:?}");
    ensure!(row.place.as_ref().is_some_and(|place| (place.lat, place.lon) == (21.8650, 105.5440)), "{row:?}");
    world.send(&new)?;
    world.wait_fate("duplicate", 5.0)
}

/// What is wrong is kept with its reason, and nothing of it is stored.
fn letters(world: &mut World) -> Result<()> {
    let before = world.rows()?.len();
    let at_ms = world.at_ms;
    world.send(&Record::lte(6, at_ms).with("rsrp", json!(-999)))?;
    world.send(&Record::new("WifiBeaconRecord", 7, at_ms, &json!({ "ssid": "x" })))?;
    let phone = world.phone.as_mut().context("the phone is not set up")?;
    phone.publish("ns/phone-1/lte_message", "hello")?;
    world.collector.wait_query("three letters", "SELECT count(*) FROM dead_letter", |n| n == 3)?;
    let listed = world.says(&["dead-letters", "list", "--json"])?;
    let all: Vec<Value> = listed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    for (reason, says) in [
        ("violation", "rsrp is -999; it lies between -160 and -20"),
        ("unknown_reading", "`WifiBeaconRecord` is not taken"),
        ("rejected", "no message of Network Survey"),
    ] {
        let told = |letter: &&Value| letter["detail"].as_str().is_some_and(|detail| detail.contains(says));
        let letter = all.iter().find(told).with_context(|| format!("{says}: {listed}"))?;
        ensure!(letter["reason"] == reason && letter["probe"] == "phone-1", "{letter}");
    }
    ensure!(world.rows()?.len() == before, "something was stored");
    Ok(())
}

/// A collector that was ended and started again knows the SIM still.
fn after_restart(world: &mut World) -> Result<()> {
    world.collector.stop()?;
    world.collector.restart()?;
    let row = world.publish(&Record::lte(8, world.at_ms + 8_000))?;
    let uplink = row.uplink.context("an uplink")?;
    ensure!(uplink.sim_plmn.as_deref() == Some("452-04"), "{uplink:?}");
    Ok(())
}
