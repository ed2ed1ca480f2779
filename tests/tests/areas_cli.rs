//! `areas` and `probe` on the command line of the real program, as a technician uses them.

mod areas_world;

use areas_world::{collection, feature, square};
use phusong_tests::harness::{TempDir, binary};
use std::process::{Command, Output};

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Home(TempDir::new("areas-cli").expect("a writable directory"));
        let data = home.0.join("data");
        std::fs::create_dir(&data).expect("own directory");
        home.write("collector.toml", &format!("data_dir = {data:?}\n[mqtt]\nurl = \"mqtt://127.0.0.1\"\n"));
        home
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("own directory");
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(binary("phusong-collector").expect("built"));
        command.current_dir(self.0.path()).args(["--config", "collector.toml"]).args(args);
        command.output().expect("it runs")
    }

    fn says(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn refuses(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        String::from_utf8(output.stderr).expect("text")
    }
}

#[test]
fn areas_are_imported_listed_and_shown_and_probes_belong_to_them() {
    let home = Home::new();
    let commune = feature(r#""code":"05587","name":"Bình Yên","label":"xã","color":"red""#, &square(21.8, 105.5, 0.1));
    home.write("commune.geojson", &collection(&[commune]));
    let hamlets = "code,name,lat,lon,radius_m,valid_from,population\n01,Bản Piềng,21.85,105.55,,2025-07-01,312\n02,Nà Chèn,,,,,\n";
    home.write("hamlets.csv", hamlets);

    let output = home.run(&["areas", "import", "commune.geojson"]);
    let warned = String::from_utf8_lossy(&output.stderr);
    assert_eq!(warned, "warning: commune.geojson: property \"color\" is not known here, passed over 1 times\n");
    let dry = ["areas", "import", "hamlets.csv", "--label", "xóm", "--parent", "05587", "--dry-run"];
    let said = home.says(&dry);
    let sum = "2 new areas, 0 changed, 0 as before; 0 places in another hamlet than before";
    assert_eq!(said, format!("hamlets.csv: {sum}, if this were no dry run\n"));
    assert_eq!(home.says(&dry[..7]), format!("hamlets.csv: {sum}\n"));
    let again: serde_json::Value = serde_json::from_str(&home.says(&[&dry[..7], &["--json"]].concat())).expect("JSON");
    assert_eq!((&again["new"], &again["same"]), (&0.into(), &2.into()));

    let table = home.says(&["areas", "list"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "code   label  name       in     valid            found by  people  places");
    assert_eq!(lines[1], "01     xóm    Bản Piềng  05587  from 2025-07-01  circle    312     0");
    assert_eq!(lines[2], "02     xóm    Nà Chèn    05587  always                             0");
    assert_eq!(lines[3], "05587  xã     Bình Yên          always           polygon           0");

    home.says(&["probe", "add", "p1", "--site", "s", "--lat", "21.851", "--lon", "105.551"]);
    home.says(&[
        "probe", "add", "p2", "--site", "s", "--lat", "21.9", "--lon", "105.6", "--hamlet", "02", "--supply", "lo-471",
    ]);
    assert!(home.says(&["probe", "list"]).contains("21.85100, 105.55100  01 Bản Piềng"));
    home.says(&["probe", "move", "p1", "--hamlet", "02"]);
    let rows = home.says(&["probe", "list", "--json"]);
    let rows: Vec<serde_json::Value> = rows.lines().map(|row| serde_json::from_str(row).expect("JSON")).collect();
    assert_eq!((&rows[0]["hamlet"], &rows[0]["hamlet_name"]), (&"02".into(), &"Nà Chèn".into()));
    assert_eq!((&rows[1]["hamlet"], &rows[1]["supply"]), (&"02".into(), &"lo-471".into()));

    let shown = home.says(&["areas", "show", "02"]);
    assert!(shown.starts_with("02 xóm Nà Chèn\n  in       05587 xã Bình Yên\n  valid    always\n"), "{shown}");
    assert!(shown.contains("  place    probe p2 from ") && shown.contains("as somebody said"), "{shown}");
    let shown = home.says(&["areas", "show", "05587"]);
    assert!(shown.contains("polygon of 4 vertices, centre 21.85000, 105.55000"), "{shown}");
    assert!(shown.contains("holds    01 xóm Bản Piềng, from 2025-07-01"), "{shown}");
    let shown: serde_json::Value =
        serde_json::from_str(&home.says(&["areas", "show", "05587", "--json"])).expect("JSON");
    assert_eq!(shown["geometry"]["type"], "Polygon");
}

#[test]
fn mistakes_are_answered_with_what_to_do() {
    let home = Home::new();
    home.write("bad.csv", "code,name\n01,\n");
    let said = home.refuses(&["areas", "import", "bad.csv"]);
    assert_eq!(
        said,
        "error: bad.csv: line 2 (01): name: it is empty: write what people call the area, as \"Bản Piềng\"\nnothing of \
         the file was imported\n"
    );
    assert!(home.refuses(&["areas", "import", "none.csv"]).starts_with("error: none.csv: No such file"));
    home.write("good.csv", "code,name\n01,a\n");
    home.says(&["areas", "import", "good.csv"]);
    assert_eq!(home.refuses(&["areas", "show", "9"]), "error: there is no area 9; `areas list` shows those that are\n");
    let add = ["probe", "add", "p1", "--site", "s", "--lat", "21.8", "--lon", "105.5", "--hamlet", "9"];
    assert_eq!(home.refuses(&add), "error: there is no area 9; `areas list` shows those that are\n");
    home.says(&["probe", "add", "p1", "--site", "s"]);
    let said = home.refuses(&["probe", "move", "p1", "--supply", "x"]);
    assert_eq!(said, "error: probe p1 stands nowhere: give its position with --lat and --lon\n");
    let output = home.run(&["areas", "import", "good.csv", "--crs", "vn2000:105.30"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("105°30' is 105.5"), "{output:?}");
}
