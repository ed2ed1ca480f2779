//! What `dashboards/` says to Prometheus and Alertmanager: taken by their own programs, tested, explained.
//!
//! `make alerts-smoke` shows the same files at work.

use phusong_tests::harness::{TempDir, repository, skip_test};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

const ALERTS: [&str; 6] = [
    "PhusongHamletDead",
    "PhusongProbeSilent",
    "PhusongCommuneSilent",
    "PhusongCollectorDown",
    "PhusongCollectorLag",
    "PhusongWatchdog",
];

fn run(program: &str, args: &[&str], dir: &Path) -> Output {
    let output = Command::new(program).args(args).current_dir(dir).output();
    output.unwrap_or_else(|e| panic!("{program}: {e}; `make setup` installs it"))
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn takes(program: &str, args: &[&str]) {
    let output = run(program, args, &repository().join("dashboards"));
    assert!(output.status.success(), "{program} {args:?}:\n{}", said(&output));
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The rules of alerts, each as its own text.
fn alerts() -> Vec<(String, String)> {
    let rules = read("dashboards/rules/phusong.yml");
    let parts = rules.split("- alert: ").skip(1).map(|part| part.split("- record: ").next().expect("a part"));
    parts.map(|part| (part.lines().next().expect("a name").to_owned(), part.to_owned())).collect()
}

/// The shipped rules and their tests in a directory of their own, with one text replaced in the rules.
fn broken(from: &str, to: &str, test: &str) -> Output {
    let dir = TempDir::new("rules").expect("a directory");
    let rules = read("dashboards/rules/phusong.yml");
    assert!(rules.contains(from), "the rules no longer say {from:?}");
    std::fs::write(dir.join("phusong.yml"), rules.replacen(from, to, 1)).expect("own directory");
    std::fs::create_dir(dir.join("tests")).expect("own directory");
    let test = format!("tests/{test}");
    std::fs::write(dir.join(&test), read(&format!("dashboards/rules/{test}"))).expect("own directory");
    run("promtool", &["test", "rules", &test], dir.path())
}

#[test]
fn the_shipped_rules_pass_their_tests_at_their_real_pace() {
    takes("promtool", &["check", "rules", "rules/phusong.yml"]);
    for test in ["dead_hamlet", "blind_collector", "silent_probes"] {
        takes("promtool", &["test", "rules", &format!("rules/tests/{test}.yml")]);
    }
}

#[test]
fn a_rule_that_breaks_its_promise_fails_its_test() {
    for (from, to, test) in [
        ("for: 15m", "for: 14m", "dead_hamlet.yml"),
        ("keep_firing_for: 10m", "keep_firing_for: 4m", "dead_hamlet.yml"),
        (
            "phusong_hamlet_coverage_level) == 1)\n            *",
            "phusong_hamlet_coverage_level) <= 1)\n            *",
            "dead_hamlet.yml",
        ),
        ("and on () collector:sees:bool == 1", "and on () vector(1)", "blind_collector.yml"),
        ("unless on () collector:sees:bool == 1", "unless on () vector(1)", "blind_collector.yml"),
        (">= count by (commune)", "< count by (commune)", "silent_probes.yml"),
    ] {
        let output = broken(from, to, test);
        assert!(!output.status.success(), "{to:?} instead of {from:?} passes {test}");
    }
    let output = broken("for: 15m", "for: 15m", "dead_hamlet.yml");
    assert!(output.status.success(), "unbroken: {}", said(&output));
}

#[test]
fn prometheus_and_alertmanager_take_their_configuration() {
    takes("promtool", &["check", "config", "prometheus/prometheus.yml"]);
    takes("amtool", &["check-config", "alertmanager/alertmanager.yml"]);
}

#[test]
fn every_alert_says_what_it_is_in_both_languages_and_has_its_section_in_the_runbook() {
    let runbook = read("docs/runbook.md");
    let found: Vec<(String, String)> = alerts();
    let names: BTreeSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ALERTS.into_iter().collect());
    for (name, text) in &found {
        for key in ["severity: ", "scope: ", "summary_vi: ", "summary_en: ", "description_vi: ", "description_en: "] {
            assert!(text.contains(key), "{name} has no {key:?}");
        }
        let anchor = format!("docs/runbook.md#{}", name.to_lowercase());
        assert!(text.contains(&format!("runbook_url: {anchor}\n")), "{name} does not link to {anchor}");
        assert!(text.contains("map_url: "), "{name} has no link to the map");
        let section = runbook.split("\n## ").find(|section| section.starts_with(&format!("{name}\n")));
        let section = section.unwrap_or_else(|| panic!("docs/runbook.md has no section {name}"));
        for word in ["Nghĩa là", "Chắc", "Chưa chắc", "Xem trước", "Gọi ai", "Hết khi"] {
            assert!(section.contains(&format!("**{word}")), "{name} in docs/runbook.md does not say {word:?}");
        }
        for word in ["Means", "Sure", "Not sure", "Look first", "Call", "Ends"] {
            assert!(section.contains(&format!("**{word}")), "{name} in docs/runbook.md does not say {word:?}");
        }
    }
}

#[test]
fn every_metric_that_the_rules_name_is_documented() {
    let rules = read("dashboards/rules/phusong.yml");
    let documented = read("docs/metrics.md");
    let named = rules
        .match_indices("phusong_")
        .map(|(at, _)| rules[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>());
    let named: BTreeSet<String> = named.collect();
    assert!(named.len() >= 8, "{named:?}");
    let unknown: Vec<&String> = named.iter().filter(|name| !documented.contains(&format!("`{name}`"))).collect();
    assert!(unknown.is_empty(), "docs/metrics.md does not explain {unknown:?}");
}

#[test]
fn a_message_names_the_place_and_on_recovery_how_long_it_lasted() {
    let dir = TempDir::new("message").expect("a directory");
    let check = |ended: &str, wanted: &str| {
        let status = if ended.is_empty() { "firing" } else { "resolved" };
        let ends_at = if ended.is_empty() { "0001-01-01T00:00:00Z" } else { ended };
        let alert = json!({
            "status": status, "labels": {"alertname": "PhusongHamletDead"},
            "annotations": {"summary_vi": "Xóm Nà Chèn: không mạng di động nào dùng được"},
            "startsAt": "2026-11-22T03:00:00Z", "endsAt": ends_at,
        });
        let data =
            json!({"receiver": "gateway", "status": status, "alerts": [alert], "externalURL": "http://localhost"});
        let file = dir.join("data.json");
        std::fs::write(&file, data.to_string()).expect("own directory");
        let file = format!("--template.data={}", file.display());
        let text = "--template.text={{ template \"phusong.short\" . }}";
        let args = ["template", "render", "--template.glob=alertmanager/templates/*.tmpl", text, &file];
        let output = run("amtool", &args, &repository().join("dashboards"));
        assert!(output.status.success(), "{}", said(&output));
        let message = said(&output);
        assert!(message.contains("Xóm Nà Chèn") && message.contains(wanted), "{message:?} does not say {wanted:?}");
    };
    check("", "CẢNH BÁO: ");
    check("2026-11-22T03:00:20Z", "(kéo dài chưa đến 1 phút)");
    check("2026-11-22T03:42:10Z", "(kéo dài 42 phút)");
    check("2026-11-22T05:00:00Z", "(kéo dài 2 giờ)");
    check("2026-11-22T04:10:00Z", "(kéo dài 1 giờ 10 phút)");
}

#[test]
fn the_compose_file_is_sound_and_what_it_mounts_is_there() {
    let dir = repository().join("deploy/compose");
    let text = read("deploy/compose/docker-compose.yml");
    assert!(text.starts_with("# NEVER RUN"), "what was never run says so first");
    let mounted = text.lines().filter_map(|line| line.trim().strip_prefix("- ..")).collect::<Vec<_>>();
    assert!(mounted.len() >= 6, "{mounted:?}");
    for line in mounted {
        let path = format!("..{}", line.split(':').next().expect("a path"));
        assert!(dir.join(&path).exists(), "docker-compose.yml mounts {path}, which is not there");
    }
    if Command::new("docker-compose").arg("version").output().is_err() {
        skip_test("docker-compose is not installed: deploy/compose/docker-compose.yml was not checked");
        return;
    }
    let output = run("docker-compose", &["-f", "docker-compose.yml", "config", "-q"], &dir);
    assert!(output.status.success(), "{}", said(&output));
}
