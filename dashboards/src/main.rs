//! `make dashboards`: writes the dashboards below a directory.
//!
//! In: `phusong-dashboards [--web URL] [--runbook URL] [DIR]`; without DIR `dashboards/grafana` below the present
//! directory. Out: `DIR/{vi,en}/*.json`. Refuses to know: what the files say. Limits: an unknown option is an error.

use phusong_dashboards::{Places, generate};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: phusong-dashboards [--web URL] [--runbook URL] [DIR]";

struct Order {
    places: Places,
    dir: PathBuf,
}

fn main() -> ExitCode {
    let done = order(std::env::args().skip(1)).and_then(|order| write(&order));
    match done {
        Ok(count) => {
            eprintln!("{count} dashboards written");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn order(mut args: impl Iterator<Item = String>) -> Result<Order, String> {
    let mut order = Order { places: Places::default(), dir: PathBuf::from("dashboards/grafana") };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} wants an address\n{USAGE}"));
        match arg.as_str() {
            "--web" => order.places.web = value()?,
            "--runbook" => order.places.runbook = value()?,
            option if option.starts_with('-') => return Err(format!("unknown option {option}\n{USAGE}")),
            dir => order.dir = PathBuf::from(dir),
        }
    }
    Ok(order)
}

fn write(order: &Order) -> Result<usize, String> {
    let all = generate(&order.places).map_err(|e| e.to_string())?;
    for one in &all {
        let path = order.dir.join(&one.path);
        let parent = path.parent().unwrap_or(Path::new("."));
        let written = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&path, &one.text));
        written.map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(all.len())
}
