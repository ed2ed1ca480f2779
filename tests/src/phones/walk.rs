//! A walk survey as the agent keeps it, and its export by the agent's own command.
//!
//! In: a number of points. Out: the file of the survey, seconds for each form of its export. Refuses to know: what the
//! points mean.

use crate::harness::binary;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const NAME: &str = "walk";

/// A configuration whose agent has walked `points` points: a step every five seconds, a hole in the middle.
pub fn walked(dir: &Path, points: u32, from_ms: i64) -> Result<PathBuf> {
    let surveys = dir.join("agent/surveys");
    std::fs::create_dir_all(&surveys)?;
    let mut out = BufWriter::new(std::fs::File::create(surveys.join(format!("{NAME}.jsonl")))?);
    writeln!(out, "{}", json!({ "began": { "v": 1, "name": NAME, "at_ms": from_ms } }))?;
    for number in 0..points {
        let step = f64::from(number);
        let in_hole = (points / 3..points / 2).contains(&number);
        let mut point = json!({
            "at_ms": from_ms + i64::from(number) * 5_000, "lat": 21.8644 + step * 4e-6, "lon": 105.5436 + step * 3e-6,
            "accuracy_m": 8.5, "altitude_m": 120.5, "speed_mps": 1.4, "modem": "m0", "interface": "wwan0",
            "sim_plmn": "452-04", "served": !in_hole,
        });
        let seen = if in_hole {
            json!({ "service": "none", "failure": "timeout" })
        } else {
            json!({ "service": "home", "serving_plmn": "452-04", "technology": "lte", "rtt_us": 41_000 + number % 9_000,
                    "cell": { "technology": "lte", "mcc": "452", "mnc": "04", "cell_id": 79_221_507, "tac": 20_881,
                              "pci": 331, "arfcn": 1_450, "band": "B3", "rsrp_dbm": -101.0, "rsrq_db": -11.0,
                              "sinr_db": 6.0, "serving": true } })
        };
        let fields = point.as_object_mut().expect("an object");
        fields.extend(seen.as_object().expect("an object").clone());
        writeln!(out, "{}", json!({ "point": point }))?;
    }
    out.flush()?;
    let config = dir.join("agent.toml");
    let data = dir.join("agent");
    let text = format!(
        "site = \"lab\"\nprobe = \"walker\"\ndata_dir = {data:?}\nlanguage = \"en\"\n\
         [[broker]]\nurl = \"mqtt://127.0.0.1:1\"\nusername = \"walker\"\npassword = \"secret\"\n\
         [[target]]\nname = \"self\"\nkind = \"icmp\"\nhost = \"127.0.0.1\"\n"
    );
    std::fs::write(&config, text)?;
    Ok(config)
}

/// Seconds of the command, from its start to its end, and that every point is in the file.
pub fn export(config: &Path, file: &Path, points: u32) -> Result<f64> {
    let _ = std::fs::remove_file(file);
    let mut command = Command::new(binary("phusong-agent")?);
    command.arg("--config").arg(config).args(["survey", "export", "--survey", NAME]).arg(file);
    let began = Instant::now();
    let output = command.output().context("phusong-agent")?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(file)?;
    // Every point has its accuracy or its place once in each form.
    let mark = match file.extension().and_then(|end| end.to_str()) {
        Some("geojson") => "\"Point\"",
        Some("gpx") => "<type>point</type>",
        _ => "\n",
    };
    let found = text.matches(mark).count();
    ensure!(found >= points as usize, "{found} of {points} points in {}", file.display());
    Ok(seconds)
}
