//! Logs as an operator imports them: beside a running collector, looked at first, refused line by line.

use phusong_collector::store::{ObservationQuery, ObservationRow, Readers};
use phusong_protocol::{Outcome, Reading, RegistrationStat, ServiceState, Technology};
use phusong_tests::harness::{Collector, Lab};
use phusong_tests::phones::{CsvLog, Record};
use serde_json::Value;

struct World {
    lab: Lab,
    collector: Collector,
}

impl World {
    fn new(name: &str) -> Self {
        let lab = Lab::start(name, &["phone-1"]).expect("the broker starts");
        let collector = lab.start_collector().expect("the collector starts");
        World { lab, collector }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.lab.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path.display().to_string()
    }

    fn says(&self, args: &[&str]) -> String {
        let output = self.collector.cli(args).expect("it runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.says(args)).expect("one JSON object")
    }

    fn refuses(&self, args: &[&str]) -> String {
        let output = self.collector.cli(args).expect("it runs");
        assert!(!output.status.success(), "{args:?} succeeds");
        String::from_utf8(output.stderr).expect("text")
    }

    fn rows(&self) -> Vec<ObservationRow> {
        let query = ObservationQuery { after_id: Some(0), limit: 1_000, ..ObservationQuery::default() };
        let reader = Readers::of(&self.collector.config.data_dir).connect().expect("the store is there");
        reader.observations(&query).expect("readable")
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("this century")
}

const MAP: &str = r#"
delimiter = ";"
decimal = ","
skip_lines = 1

[time]
columns = ["Ngày", "Giờ"]
format = "%d/%m/%Y %H:%M:%S"
zone = "Asia/Ho_Chi_Minh"

[fields]
lat = { column = "Lat" }
lon = { column = "Lon" }
accuracy_68_m = { column = "Acc" }
speed_mps = { column = "Speed", unit = "km/h" }
rsrp_dbm = { column = "RSRP", unit = "0.1 dBm", absent = ["-", "N/A"] }
cell_id = { column = "CI", base = 16 }
technology = { column = "Tech", values = { "4G" = "lte", "2G" = "gsm" } }
service_state = { column = "State", values = { "OOS" = "none", "OK" = "home" } }
sim_plmn = { value = "452-04" }
interface = { value = "drive-test" }
"#;

/// A log of another tool, of today.
fn drive_test(at_ms: i64) -> String {
    let stamp = phusong_tests::phones::stamp(at_ms);
    let (day, time) = (format!("{}/{}/{}", &stamp[8..10], &stamp[5..7], &stamp[..4]), &stamp[11..19]);
    format!(
        "Drive test of commune Thanh Định\n\
         Ngày;Giờ;Lat;Lon;Acc;Speed;RSRP;CI;Tech;State;Note\n\
         {day};{time};21,8644;105,5436;10;36;-1012;4B8D2A3;4G;OK;first\n\
         {day};{time};21,8650;105,5440;10;0;-;;;OOS;a hole\n\
         {day};{time};91,0;105,5440;10;0;-1012;1;4G;OK;nowhere\n\
         {day};{time};21,8650;105,5440;10;0;weak;1;4G;OK;no number\n\
         {day};{time};21,8650;105,5440;10;0;N/A;1;4G;;nothing\n\
         2026-11-22;{time};21,8650;105,5440;10;0;-900;1;4G;OK;another day\n\
         {day};{time};21,8650;105,5440\n"
    )
}

#[test]
fn a_log_of_another_tool_is_stored_by_its_map_and_every_wrong_line_is_named() {
    let world = World::new("import-map");
    let at_ms = now_ms() / 1_000 * 1_000 - 60_000;
    let (log, map) = (world.file("drive.csv", &drive_test(at_ms)), world.file("map.toml", MAP));
    let list = world.lab.path().join("refused.csv").display().to_string();

    let seen = world.says(&["import", &log, "--map", &map, "--preview"]);
    for says in [
        "CSV",
        "left aside: Note",
        "drive-test SIM 452-04",
        "lte -101 dBm",
        "±16 m",
        "7 rows, 5 of them",
        "Nothing was",
    ] {
        assert!(seen.contains(says), "{says}: {seen}");
    }
    assert!(world.rows().is_empty(), "a preview stores nothing");

    let call = ["import", &*log, "--map", &*map, "--probe", "phone-1", "--refused", &*list, "--json"];
    let said = world.json(&call);
    assert_eq!((&said["rows"], &said["stored"], &said["refused"]), (&7.into(), &2.into(), &5.into()), "{said}");
    let refused = std::fs::read_to_string(&list).expect("it was written");
    assert_eq!(refused.lines().count(), 6, "{refused}");
    for says in [
        ",5,lat is 91; it lies between -90 and 90",
        ",6,rsrp_dbm is `weak`: write a number",
        ",7,the line says no level and no service state",
        ",8,time is `2026-11-22 ",
        ",9,the line has 4 of 11 columns: is it cut off?",
    ] {
        assert!(refused.contains(says), "{says}: {refused}");
    }

    let rows = world.rows();
    let Outcome::Reading(Reading::Radio(radio)) = &rows[0].outcome else { panic!("{:?}", rows[0].outcome) };
    let cell = &radio.cells[0];
    assert_eq!((cell.rsrp_dbm, cell.cell_id, cell.technology), (Some(-101.2), Some(0x4B8_D2A3), Some(Technology::Lte)));
    let place = rows[0].place.as_ref().expect("a place");
    assert_eq!((place.lat, place.accuracy_m, place.speed_mps), (21.8644, Some(16.2), Some(10.0)));
    assert_eq!(rows[0].at_ms, at_ms);
    let uplink = rows[1].uplink.as_ref().expect("an uplink");
    assert_eq!((uplink.service_state, uplink.sim_plmn.as_deref()), (Some(ServiceState::None), Some("452-04")));
    let Outcome::Reading(Reading::Registration(hole)) = &rows[1].outcome else { panic!("{:?}", rows[1].outcome) };
    assert_eq!(hole.stat, RegistrationStat::Unknown);

    let again = world.json(&call);
    assert_eq!((&again["stored"], &again["duplicate"]), (&0.into(), &2.into()), "{again}");
}

#[test]
fn what_cannot_be_imported_says_what_would_be_right() {
    let world = World::new("import-wrong");
    let at_ms = now_ms() - 60_000;
    let good = world.file("lte.csv", CsvLog::of(&[Record::lte(1, at_ms)]).text());
    let csv = world.file("drive.csv", "a,b\n1,2\n");
    let map = world.file("map.toml", MAP);
    let open =
        world.file("open.csv", &format!("{}\"{}", CsvLog::of(&[Record::lte(1, at_ms)]).text(), "x\n".repeat(1 << 20)));
    let nothing = world.file("nothing.bin", "\0\0\0");
    let probe = ["--probe", "phone-1"];
    for (args, says) in [
        (vec!["import", &*good], "say whose records these are: --probe NAME"),
        (vec!["import", &*good, "--probe", "phone-9"], "phone add phone-9"),
        ([&["import", &*csv][..], &probe].concat(), "say what its columns mean with --map FILE"),
        ([&["import", &*csv, "--map", &*map][..], &probe].concat(), "the file has no column `Ngày`; it has `"),
        ([&["import", &*open][..], &probe].concat(), "is a quote not closed?"),
        ([&["import", &*nothing][..], &probe].concat(), "no GeoPackage log (SQLite) and no CSV in UTF-8"),
        ([&["import", &*good, "--sim-plmn", "viettel"][..], &probe].concat(), "write MCC and MNC, as 452-04"),
        ([&["import", &*good, "--acks", "x"][..], &probe].concat(), "--acks is of spools"),
    ] {
        let said = world.refuses(&args);
        assert!(said.contains(says), "{args:?}: {said}");
    }
    let ahead = world.file("ahead.csv", CsvLog::of(&[Record::lte(2, at_ms + 7 * 3_600_000)]).text());
    let said = world.collector.cli(&["import", &ahead, "--probe", "phone-1"]).expect("it runs");
    assert!(!said.status.success() && String::from_utf8_lossy(&said.stdout).contains("7.0 h ahead of now"), "{said:?}");
    // What stands before a mistake of the file is stored: the one line of `open.csv`.
    assert_eq!(world.rows().len(), 1);
    let said = world.json(&["import", &good, "--probe", "phone-1", "--sim-plmn", "452-04", "--json"]);
    assert_eq!((&said["stored"], &said["duplicate"]), (&0.into(), &1.into()), "{said}");
}
