//! `phusong-simulator`: a simulated commune over a real broker, or as files.
//!
//! In: the command line, SIGINT and SIGTERM. Out: publishes or files, progress on standard error. Refuses to know: how a world is made.

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use phusong_simulator::{
    Account, DAY_MS, Delivery, Login, Plan, Published, Rates, Said, World, accounts, follow, publish_as, write,
    write_setup, write_truth,
};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};

const HOUR_MS: i64 = 3_600_000;
/// How far a world reaches beyond its beginning in real time.
const AHEAD_DAYS: u32 = 30;
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
    /// Publish to a real broker; event time ends now, or goes on. Register the probes first (`setup` says which).
    Run(RunArgs),
    /// Write areas.geojson and registrations.json of what `run` with the same options would publish.
    Setup(SetupArgs),
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
    /// The second probe of each hamlet leaves by a SIM.
    #[arg(long)]
    cellular: bool,
    /// One hamlet dead, one weak, one blind, one without probes, one gap that is over, as of now (`write`: of its end).
    #[arg(long, requires = "cellular")]
    scene: bool,
}

#[derive(Args)]
struct NowArgs {
    /// After the past has been sent, go on in real time until ended.
    #[arg(long)]
    follow: bool,
    /// The past in hours, instead of --days.
    #[arg(long, requires = "follow", conflicts_with = "days")]
    hours: Option<u32>,
    #[command(flatten)]
    world: WorldArgs,
}

#[derive(Args)]
struct SetupArgs {
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    now: NowArgs,
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
    /// A CSV file `probe,username,password` instead of the templates: a connection for each probe.
    #[arg(long, conflicts_with_all = ["user_template", "password_template"])]
    passwords: Option<PathBuf>,
    /// Write what really happens to this file before anything is sent.
    #[arg(long)]
    truth: Option<PathBuf>,
    /// How much faster than life; 0 is as fast as the broker takes it.
    #[arg(long, default_value_t = 0.0, conflicts_with = "follow")]
    speed_up: f64,
    #[command(flatten)]
    now: NowArgs,
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
        let scene_ms = self.scene.then_some(plan.end_ms());
        let (hamlets, strip_evidence, cellular) = (self.hamlets, self.strip_evidence, self.cellular);
        Plan { hamlets, strip_evidence, cellular, scene_ms, ..plan }
    }
}

impl NowArgs {
    fn past_ms(&self) -> i64 {
        self.hours.map_or(i64::from(self.world.days) * DAY_MS, |hours| i64::from(hours) * HOUR_MS)
    }

    /// Of a world whose past ends now.
    fn plan(&self) -> Result<Plan> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock lies before 1970")?;
        let now_ms = now.as_millis() as i64;
        let plan = self.world.plan(now_ms - self.past_ms());
        if !self.follow {
            return Ok(plan);
        }
        let days = self.past_ms().div_euclid(DAY_MS) as u32 + AHEAD_DAYS;
        // Nobody would tell the registry that a probe was carried away.
        let rates = Rates { moves: 0.0, ..plan.rates };
        Ok(Plan { days, rates, scene_ms: plan.scene_ms.map(|_| now_ms), ..plan })
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
        Command::Setup(args) => {
            let world = World::new(args.now.plan()?)?;
            write_setup(&world, &args.out)?;
            println!("{}: {} probes", args.out.display(), world.registrations().len());
            Ok(())
        }
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
    let world = World::new(args.now.plan()?)?;
    let registrations = world.registrations();
    let login = || Login {
        broker: args.broker.clone(),
        user: args.user_template.clone(),
        password: args.password_template.clone(),
    };
    let accounts = match &args.passwords {
        Some(path) => accounts(path, &registrations)?,
        None => login().accounts(&registrations),
    };
    if let Some(path) = &args.truth {
        write_truth(&world, path)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let published = match args.now.follow {
        true => runtime.block_on(live(args, &world, &accounts))?,
        false => {
            let mut progress = Progress::new(&world);
            let see = |delivery: &Delivery| progress.see(delivery);
            runtime.block_on(publish_as(&args.broker, &accounts, world.deliveries(), args.speed_up, see))?
        }
    };
    println!("{}: {} messages, {} bytes", args.broker, published.messages, published.bytes);
    Ok(())
}

/// The past at once, then on and on; tells of each twentieth of the past.
async fn live(args: &RunArgs, world: &World, accounts: &[Account]) -> Result<Published> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let (began, start_ms, past_ms) = (Instant::now(), world.plan().start_ms, args.now.past_ms().max(1));
    let mut told = -1;
    let said = |said: Said| {
        let seconds = began.elapsed().as_secs_f64();
        match said {
            Said::Past { received_ms, messages } => {
                let part = ((received_ms - start_ms) * 20 / past_ms).min(20);
                if part > told {
                    told = part;
                    eprintln!("past: {} % sent, {messages} messages in {seconds:.1} s", part * 5);
                }
            }
            Said::CaughtUp { messages } => {
                eprintln!("past: all of it arrived, {messages} messages in {seconds:.1} s; from here on as in life");
            }
        }
    };
    Ok(follow(&args.broker, accounts, world.deliveries(), stop, said).await?)
}
