//! `phusong-simulator`: a simulated commune over a real broker, or as files.
//!
//! In: the command line. Out: publishes or files, progress on standard error. Refuses to know: how a world is made.

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use phusong_simulator::{DAY_MS, Delivery, Login, Plan, World, publish, write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// 2026-01-01 00:00 UTC: where a written world begins unless told otherwise.
const WRITTEN_START_MS: i64 = 1_767_225_600_000;

/// A commune with known truth: what its probes would say on the wire, and what really happened.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Publish to a real broker; event time ends now. Register the probes first (`write` says which).
    Run(RunArgs),
    /// Write areas.geojson, registrations.json, deliveries.bin and truth.json.
    Write(WriteArgs),
}

#[derive(Args)]
struct WorldArgs {
    /// The same seed makes the same world.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long it lasts.
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// How many of the 18 hamlets, two probes each.
    #[arg(long, default_value_t = 18)]
    hamlets: usize,
    /// Send nothing by which a cause could be told.
    #[arg(long)]
    strip_evidence: bool,
}

#[derive(Args)]
struct RunArgs {
    /// mqtt://host:port
    #[arg(long)]
    broker: String,
    /// User name; with {probe} in it each probe has a connection of its own, else one user publishes for all.
    #[arg(long, default_value = "{probe}")]
    user_template: String,
    /// Password; {probe} stands for the probe's name where the user name has it.
    #[arg(long, default_value = "")]
    password_template: String,
    /// How much faster than life; 0 is as fast as the broker takes it.
    #[arg(long, default_value_t = 0.0)]
    speed_up: f64,
    #[command(flatten)]
    world: WorldArgs,
}

#[derive(Args)]
struct WriteArgs {
    #[arg(long)]
    out: PathBuf,
    /// Begin, milliseconds since 1970 UTC.
    #[arg(long, default_value_t = WRITTEN_START_MS)]
    start_ms: i64,
    #[command(flatten)]
    world: WorldArgs,
}

impl WorldArgs {
    fn plan(&self, start_ms: i64) -> Plan {
        let plan = Plan::new(self.seed, start_ms, self.days);
        Plan { hamlets: self.hamlets, strip_evidence: self.strip_evidence, ..plan }
    }
}

/// Says on standard error which day is under way.
struct Progress {
    began: Instant,
    start_ms: i64,
    days: u32,
    day: i64,
    deliveries: u64,
}

impl Progress {
    fn new(world: &World) -> Self {
        let plan = world.plan();
        Progress { began: Instant::now(), start_ms: plan.start_ms, days: plan.days, day: -1, deliveries: 0 }
    }

    fn see(&mut self, delivery: &Delivery) {
        let day = (delivery.received_ms - self.start_ms) / DAY_MS;
        if day > self.day && day < i64::from(self.days) {
            self.day = day;
            let (days, deliveries, seconds) = (self.days, self.deliveries, self.began.elapsed().as_secs_f64());
            eprintln!("day {} of {days}: {deliveries} deliveries in {seconds:.1} s", day + 1);
        }
        self.deliveries += 1;
    }
}

fn main() -> ExitCode {
    match command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Result<()> {
    match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Write(args) => {
            let world = World::new(args.world.plan(args.start_ms))?;
            let mut progress = Progress::new(&world);
            let written = write(&world, &args.out, |delivery| progress.see(delivery))?;
            let (out, truth) = (args.out.display(), world.truth().len());
            println!("{out}: {} deliveries, {} bytes; {truth} true events", written.deliveries, written.bytes);
            Ok(())
        }
    }
}

fn run(args: &RunArgs) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock lies before 1970")?;
    let start_ms = now.as_millis() as i64 - i64::from(args.world.days) * DAY_MS;
    let world = World::new(args.world.plan(start_ms))?;
    let login = Login {
        broker: args.broker.clone(),
        user: args.user_template.clone(),
        password: args.password_template.clone(),
    };
    let mut progress = Progress::new(&world);
    let see = |delivery: &Delivery| progress.see(delivery);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let registrations = world.registrations();
    let published = runtime.block_on(publish(&login, &registrations, world.deliveries(), args.speed_up, see))?;
    println!("{}: {} messages, {} bytes", args.broker, published.messages, published.bytes);
    Ok(())
}
