//! `make modem-e2e`: does what a modem lives through stand in the store, and come to the right gap or blind?
//!
//! A virtual modem follows a script behind the real ModemManager and, the same script, behind a serial line; each state
//! must show its values in the store. Then every state lasts for four windows on a device of its own, over both ways,
//! and a receiver drives through a hole with a real gpsd. `--short`: the script alone.

use anyhow::Result;
use phusong_tests::harness::{Bound, Collector, Gpsd, Lab, ModemManager, Report, netns};
use phusong_tests::modem_e2e::steps::{Lived, live};
use phusong_tests::modem_e2e::{Way, drive, holds, street};
use std::process::ExitCode;

/// The first streets are those of the script and of the ride.
const HOLD_FROM: u8 = 10;

fn main() -> ExitCode {
    let short = std::env::args().any(|arg| arg == "--short");
    let mut report = Report::new(if short { "modem-e2e-short" } else { "modem-e2e" }, 1);
    let able = ModemManager::here("modem-e2e") && Gpsd::here("modem-e2e");
    match netns::unavailable() {
        Some(why) => report.skip(&why),
        None if !able => report.skip("ModemManager, dbus and gpsd are needed; `make setup` installs them"),
        None => {
            if let Err(e) = measure(&mut report, short) {
                report.missing("completed", Bound::Exactly(1.0), &format!("{e:#}"));
                eprintln!("{e:?}");
            }
        }
    }
    report.finish()
}

fn measure(report: &mut Report, short: bool) -> Result<()> {
    street::sweep()?;
    let mut probes: Vec<String> = [Way::Manager, Way::Serial].map(|way| way.word().to_owned()).to_vec();
    if !short {
        probes.push("rider".into());
        probes.extend(holds::probes());
    }
    let names: Vec<&str> = probes.iter().map(String::as_str).collect();
    let lab = Lab::start("modem-e2e", &names)?;
    let collector = lab.start_collector()?;
    for probe in probes.iter().filter(|probe| probe.as_str() != "rider") {
        let placed = collector.cli(&["probe", "move", probe, "--lat", "21.864", "--lon", "105.543"])?;
        anyhow::ensure!(placed.status.success(), "probe move: {}", String::from_utf8_lossy(&placed.stderr));
    }
    std::thread::scope(|scope| {
        let others = (!short).then(|| {
            (
                scope.spawn(|| holds::hold(&lab, &collector, HOLD_FROM)),
                scope.spawn(|| drive::ride(&lab, &collector, "rider", 3)),
            )
        });
        let ways = [(Way::Manager, 1), (Way::Serial, 2)];
        let lived = ways.map(|(way, number)| (way, live(&lab, &collector, way.word(), way, number)));
        script(report, lived);
        if let Some((held, driven)) = others {
            lasting(report, joined(held.join()));
            riding(report, joined(driven.join()));
        }
    });
    at_work(report, &collector);
    Ok(())
}

fn joined<T>(ended: std::thread::Result<Result<T>>) -> Result<T> {
    ended.unwrap_or_else(|_| Err(anyhow::anyhow!("its thread panicked")))
}

fn script(report: &mut Report, lived: [(Way, Result<Lived>); 2]) {
    let (mut n, mut first, mut durable) = (0, 0.0f64, 0.0f64);
    for (way, lived) in lived {
        let word = way.word();
        match lived {
            Ok(lived) => {
                n += lived.right.len() + lived.wrong.len();
                lived.wrong.iter().for_each(|why| eprintln!("WRONG over {word}: {why}"));
                (first, durable) = (first.max(lived.first_signal_s), durable.max(lived.durable_s));
                report.figure(&format!("{word}_states_right"), lived.right.len() as f64, Bound::AtLeast(11.0));
                report.figure(&format!("{word}_states_wrong"), lived.wrong.len() as f64, Bound::Exactly(0.0));
                report.figure(&format!("{word}_first_signal_s"), lived.first_signal_s, Bound::Free);
                report.figure(&format!("{word}_durable_s"), lived.durable_s, Bound::Free);
            }
            Err(e) => {
                eprintln!("{word}: {e:?}");
                report.missing(&format!("{word}_states_right"), Bound::AtLeast(11.0), &format!("{e:#}"));
            }
        }
    }
    report.n(n as u64);
    report.figure("first_signal_s", first, Bound::AtMost(15.0));
    report.figure("durable_s", durable, Bound::AtMost(2.0));
}

fn lasting(report: &mut Report, held: Result<Vec<holds::Held>>) {
    match held {
        Ok(all) => {
            let right = all.iter().filter(|held| held.right()).count();
            let wrong: Vec<String> = all
                .iter()
                .filter(|held| !held.right())
                .map(|held| format!("{}: {:?}, found {:?}", held.case, held.wanted, held.found))
                .collect();
            report.figure("lasting_states_right", right as f64, Bound::AtLeast(all.len() as f64));
            report.note("lasting_states_wrong", &wrong.join("; "));
        }
        Err(e) => {
            eprintln!("lasting: {e:?}");
            report.missing("lasting_states_right", Bound::AtLeast(23.0), &format!("{e:#}"));
        }
    }
}

fn riding(report: &mut Report, driven: Result<drive::Driven>) {
    match driven {
        Ok(driven) => {
            eprintln!("the ride: {driven:?}");
            report.figure("ride_placed", driven.placed as f64, Bound::AtLeast(30.0));
            report.figure("ride_off_the_road", driven.off_the_road as f64, Bound::Exactly(0.0));
            report.figure("ride_stale_places", driven.stale_places as f64, Bound::Exactly(0.0));
            report.figure("ride_dead_in_hole", driven.dead_in_hole as f64, Bound::AtLeast(2.0));
            report.figure("ride_alive_in_hole", driven.alive_in_hole as f64, Bound::Exactly(0.0));
            report.figure("ride_alive_outside", driven.alive_outside as f64, Bound::AtLeast(4.0));
            report.figure("ride_dead_outside", driven.dead_outside as f64, Bound::Exactly(0.0));
        }
        Err(e) => {
            eprintln!("the ride: {e:?}");
            report.missing("ride_dead_in_hole", Bound::AtLeast(2.0), &format!("{e:#}"));
        }
    }
}

/// Nothing that an agent sent was refused on the way.
fn at_work(report: &mut Report, collector: &Collector) {
    match collector.query("SELECT count(*) FROM dead_letter") {
        Ok(letters) => report.figure("dead_letters", letters as f64, Bound::Exactly(0.0)),
        Err(e) => report.missing("dead_letters", Bound::Exactly(0.0), &format!("{e:#}")),
    }
}
