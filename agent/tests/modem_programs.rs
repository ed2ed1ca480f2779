//! Sources that are programs: ours of one line an object, and Termux's. Scripts stand for them, as they do in the field.

#![allow(clippy::unwrap_used)]

use phusong_agent::config::{ModemConfig, ModemSource};
use phusong_agent::device::modem::{Ask, Event, ModemKey, QUEUE, Said, Signal, command, termux};
use phusong_protocol::{RegistrationStat, SimState, Technology};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    dir: PathBuf,
    events: mpsc::Receiver<Said>,
    asks: mpsc::Sender<Ask>,
    heard: Vec<Event>,
    task: JoinHandle<()>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn script(dir: &std::path::Path, name: &str, body: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, format!("#!/bin/sh\ncd \"$(dirname \"$0\")\"\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn start(source: ModemSource, bodies: &[&str]) -> Bench {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("phusong-programs-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&dir).unwrap();
    let command = bodies.iter().enumerate().map(|(at, body)| script(&dir, &format!("program-{at}"), body)).collect();
    let config = ModemConfig {
        name: "m".into(),
        source,
        device: None,
        interface: Some("wwan0".into()),
        model: None,
        command,
        signal_ms: 1_000,
        neighbours_ms: 10_000,
        scan_ms: None,
    };
    let (out, events) = mpsc::channel(QUEUE);
    let (asks, asked) = mpsc::channel(4);
    let task = match source {
        ModemSource::Termux => tokio::spawn(termux::run(config, out, asked)),
        _ => tokio::spawn(command::run(config, out, asked)),
    };
    Bench { dir, events, asks, heard: Vec::new(), task }
}

impl Bench {
    async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                let said = self.events.recv().await.expect("the source ended");
                self.heard.push(said.what.clone());
                if let Some(found) = wanted(&said.what) {
                    return found;
                }
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => panic!("waited in vain for {what}; heard {:#?}", self.heard),
        }
    }
}

fn signal(event: &Event) -> Option<Signal> {
    if let Event::Signal(signal) = event { Some(signal.clone()) } else { None }
}

fn gone(event: &Event) -> Option<String> {
    if let Event::Vanished { why } = event { Some(why.clone()) } else { None }
}

#[tokio::test]
async fn a_program_that_goes_on_is_heard_line_by_line_and_both_legs_are_one_reading() {
    let body = r#"cat <<'END'
{"kind":"modem","manufacturer":"Acme","model":"X1"}
{"kind":"sim","state":"ready","plmn":"452-04"}
{"kind":"registration","stat":1,"technology":"lte","plmn":"452-04"}
this is no line of ours
{"kind":"signal","technology":"lte","rsrp_dbm":-99,"pci":280,"rrc":"connected"}
{"kind":"signal","technology":"nr_nsa","rsrp_dbm":-96,"pci":920}
{"kind":"neighbour","technology":"lte","pci":221,"rsrp_dbm":-105}
{"kind":"position","lat":22.4,"lon":103.5,"accuracy_m":8}
END
exec sleep 1000"#;
    let mut bench = start(ModemSource::Command, &[body]);
    let reading = bench.until("a signal", signal).await;
    let cells: Vec<_> = reading.cells.iter().map(|cell| (cell.technology, cell.rsrp_dbm)).collect();
    assert_eq!(cells, [(Some(Technology::Lte), Some(-99.0)), (Some(Technology::NrNsa), Some(-96.0))]);
    let model = |event: &Event| if let Event::Present(identity) = event { identity.model.clone() } else { None };
    assert_eq!(bench.heard.iter().find_map(model).as_deref(), Some("X1"));
    assert!(
        bench.heard.iter().any(|event| matches!(event, Event::Registration(now) if now.stat == RegistrationStat::Home))
    );
    assert!(bench.heard.iter().any(|event| matches!(event, Event::Fix(fix) if fix.lat == 22.4)));
    bench
        .until("neighbours", |event| if let Event::Neighbours { cells, .. } = event { Some(cells.len()) } else { None })
        .await;
    bench.asks.send(Ask::Scan(ModemKey("m".into()))).await.unwrap();
    bench.until("why there is no scan", |event| matches!(event, Event::ScanFailed { .. }).then_some(())).await;
}

#[tokio::test]
async fn a_program_that_ends_is_run_again_at_its_time() {
    let body = r#"n=$(cat runs 2>/dev/null || echo 0); echo $((n + 1)) > runs
echo "{\"kind\":\"signal\",\"technology\":\"lte\",\"rsrp_dbm\":-9$n}""#;
    let mut bench = start(ModemSource::Command, &[body]);
    for run in 0..3 {
        let reading = bench.until("a signal", signal).await;
        assert_eq!(reading.cells[0].rsrp_dbm, Some(-90.0 - run as f32));
    }
    assert!(bench.heard.iter().all(|event| gone(event).is_none()));
    assert_eq!(bench.heard.iter().filter(|event| matches!(event, Event::Present(_))).count(), 1);
}

#[tokio::test]
async fn a_program_that_crashes_is_gone_with_its_last_words_and_started_again() {
    let body = r#"[ -e fixed ] || { echo first >&2; echo "no such modem" >&2; exit 3; }
echo '{"kind":"signal","technology":"lte","rsrp_dbm":-90}'"#;
    let mut bench = start(ModemSource::Command, &[body]);
    assert_eq!(bench.until("its going", gone).await, "no such modem");
    std::fs::write(bench.dir.join("fixed"), "").unwrap();
    bench.until("a signal", signal).await;
    assert_eq!(bench.heard.iter().filter_map(gone).count(), 1, "{:?}", bench.heard);
}

#[tokio::test]
async fn a_program_that_is_not_there_or_says_nothing_of_use_is_said_so() {
    let mut bench = start(ModemSource::Command, &["echo nothing of use"]);
    assert_eq!(bench.until("its going", gone).await, "it printed nothing that was understood");
    let mut bench = start(ModemSource::Command, &["kill -9 $$"]);
    assert!(bench.until("its going", gone).await.contains("signal: 9"));
}

#[tokio::test]
async fn a_line_without_end_ends_nothing_else() {
    let body = r#"head -c 100000 /dev/zero | tr '\0' x; echo; echo '{"kind":"signal","technology":"lte","rsrp_dbm":-90}'; exec sleep 1000"#;
    let mut bench = start(ModemSource::Command, &[body]);
    assert_eq!(bench.until("a signal", signal).await.cells[0].rsrp_dbm, Some(-90.0));
}

#[tokio::test]
async fn what_a_program_started_ends_with_the_source() {
    let body = r#"sleep 1000 & echo $! > child; echo '{"kind":"sim","state":"ready"}'; wait"#;
    let mut bench = start(ModemSource::Command, &[body]);
    bench.until("the SIM", |event| matches!(event, Event::Sim(_)).then_some(())).await;
    let child = std::fs::read_to_string(bench.dir.join("child")).unwrap();
    let process = PathBuf::from("/proc").join(child.trim());
    assert!(process.exists());
    bench.task.abort();
    // Its own parent may not have looked after it yet; it does not run any more.
    let ended = || std::fs::read_to_string(process.join("stat")).map_or(true, |stat| stat.contains(") Z "));
    tokio::time::timeout(PATIENCE, async {
        while !ended() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it runs on");
}

const PHONE: &str = r#"cat <<'END'
{
  "data_state": "connected", "network_operator": "45204", "network_type": "lte", "network_roaming": false,
  "sim_operator": "45204", "sim_operator_name": "Viettel", "sim_subscriber_id": "452040123456789", "sim_state": "ready"
}
END"#;
const CELLS: &str = r#"cat <<'END'
[
  {
    "type": "lte", "registered": true, "asu": 43, "dbm": -97, "level": 3, "ci": 7985411, "pci": 188, "tac": 7936,
    "mcc": 452, "mnc": 4, "rsrp": -97, "rsrq": -10, "rssi": -67
  },
  {}
]
END"#;

#[tokio::test]
async fn a_phone_is_read_by_both_programs_of_termux() {
    let mut bench = start(ModemSource::Termux, &[CELLS, PHONE]);
    let reading = bench.until("a signal", signal).await;
    let cell = &reading.cells[0];
    assert_eq!((cell.rsrp_dbm, cell.pci, cell.mnc.as_deref()), (Some(-97.0), Some(188), Some("04")));
    assert!(bench.heard.iter().any(|event| matches!(event, Event::Sim(sim) if sim.state == SimState::Ready)));
    assert!(
        bench.heard.iter().any(|event| matches!(event, Event::Registration(now) if now.stat == RegistrationStat::Home))
    );
    bench.until("a signal", signal).await;
    assert_eq!(bench.heard.iter().filter(|event| matches!(event, Event::Registration(_))).count(), 1);
    assert!(!serde_json::to_string(&bench.heard).unwrap().contains("0123456789"));
}

#[tokio::test]
async fn a_phone_whose_cells_cannot_be_read_still_says_what_it_knows() {
    let mut bench = start(ModemSource::Termux, &["echo 'no permission' >&2; exit 1", PHONE]);
    bench.until("registration", |event| matches!(event, Event::Registration(_)).then_some(())).await;
    assert!(bench.heard.iter().all(|event| gone(event).is_none() && signal(event).is_none()));
}

#[tokio::test]
async fn a_phone_without_its_programs_is_gone_once() {
    let body = "[ -e granted ] || { echo 'Termux:API is not installed' >&2; exit 1; }";
    let mut bench = start(ModemSource::Termux, &[&format!("{body}\n{CELLS}"), &format!("{body}\n{PHONE}")]);
    assert!(bench.until("its going", gone).await.ends_with("Termux:API is not installed"));
    std::fs::write(bench.dir.join("granted"), "").unwrap();
    bench.until("a signal", signal).await;
    assert_eq!(bench.heard.iter().filter_map(gone).count(), 1);
}
