//! The systemd units are right and closed: systemd itself says so.

use phusong_tests::harness::{TempDir, repository, skip_test};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `systemd-analyze security` may say at most: 0 is closed, 10 open. A probe needs raw sockets.
const EXPOSURE: &str = "20";

fn units() -> Vec<PathBuf> {
    let dir = repository().join("deploy/systemd");
    let entries = std::fs::read_dir(&dir).expect("the units are there").map(|entry| entry.expect("an entry").path());
    let mut units: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "service")).collect();
    units.sort();
    assert_eq!(units.len(), 2, "{units:?}");
    units
}

fn text(unit: &Path) -> String {
    std::fs::read_to_string(unit).expect("it is readable")
}

fn analyze(args: &[&str]) -> Option<(bool, String)> {
    let Ok(output) = Command::new("systemd-analyze").args(args).output() else {
        skip_test("systemd-analyze is not installed: the units were not verified");
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn systemd_finds_nothing_to_say_about_the_units() {
    let dir = TempDir::new("units").expect("a directory");
    for unit in units() {
        // The programs are not installed here: any program will do for this question.
        let copy = dir.join(unit.file_name().expect("a file"));
        let installed = text(&unit)
            .replace("/usr/bin/phusong-agent", "/bin/true")
            .replace("/usr/bin/phusong-collector", "/bin/true");
        assert!(installed.contains("ExecStart=/bin/true --config"), "{}", unit.display());
        std::fs::write(&copy, installed).expect("it is written");
        let Some((good, said)) = analyze(&["verify", &copy.display().to_string()]) else { return };
        assert!(good && said.is_empty(), "{}: {said}", unit.display());
    }
}

#[test]
fn the_units_are_closed_to_what_they_do_not_need() {
    for unit in units() {
        let path = unit.display().to_string();
        let threshold = format!("--threshold={EXPOSURE}");
        let Some((good, said)) = analyze(&["security", "--offline=true", "--no-pager", &threshold, &path]) else {
            return;
        };
        assert!(good, "{said}");
    }
}

#[test]
fn every_unit_is_started_again_says_when_it_is_ready_and_keeps_its_state_to_itself() {
    for unit in units() {
        let text = text(&unit);
        let name = unit.file_stem().expect("a name").to_string_lossy().into_owned();
        let lines = [
            "Type=notify".to_owned(),
            "Restart=always".into(),
            "NoNewPrivileges=yes".into(),
            "ProtectSystem=strict".into(),
            format!("User={name}"),
            format!("StateDirectory={name}"),
        ];
        for line in lines {
            assert!(text.lines().any(|l| l == line), "{name}: {line}");
        }
        let users =
            std::fs::read_to_string(repository().join("deploy/systemd/phusong.sysusers.conf")).expect("it is there");
        assert!(users.contains(&format!("u {name} ")), "{name} has no user");
    }
}
