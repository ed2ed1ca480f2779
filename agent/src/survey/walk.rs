//! The survey's task: answers asks, takes the points that are due, goes on after a restart.
//!
//! In: asks, the fix, the picture of the modems, the configuration. Out: samples in the spool, lines in the survey's
//! file, whether a survey runs for everybody whom that concerns. Refuses to know: how anything is measured. Limits: one
//! survey at a time; it looks every [`LOOK`] while one runs, and does nothing else.

use super::journal::{Journal, path, read};
use super::kept::Kept;
use super::point::{Began, Line, Marked, VERSION};
use super::refusal::{Facts, long, refusals, without_fix};
use super::round::Round;
use super::{Answer, Ask, Inputs, Refusal, Request, Status, echo};
use crate::device::position::Fix;
use crate::device::{clock, load};
use crate::positions::gps_time_ms;
use crate::record::append;
use crate::spool::Urgency;
use phusong_protocol::{Environment, Mark, PositionReading, Reading, Setup, SetupRef};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A quarter of the shortest time between two points.
const LOOK: Duration = Duration::from_millis(250);

/// The survey that runs.
pub(super) struct Running {
    pub journal: Journal,
    pub kept: Kept,
    pub status: Status,
    pub round: Round,
    /// Where we were before the agent was started again.
    was_at: Option<Fix>,
}

pub struct Surveys {
    inputs: Inputs,
    running: Option<Running>,
}

/// Answers until nobody can ask any more.
pub async fn run(inputs: Inputs, mut requests: mpsc::Receiver<Request>) {
    let mut surveys = Surveys { inputs, running: None };
    surveys.resume().await;
    // Whoever asks often must not put it off.
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                Some(Request { ask, answer }) => {
                    let said = surveys.obey(ask).await;
                    // Whoever asked may be gone.
                    let _ = answer.send(said);
                }
                None => break,
            },
            _ = look.tick(), if surveys.running.is_some() => surveys.look().await,
        }
    }
    // The agent ends, the survey does not.
    if let Some(running) = &mut surveys.running {
        running.round.end(&surveys.inputs).await;
        note_error(running.journal.sync());
    }
}

impl Surveys {
    async fn obey(&mut self, ask: Ask) -> Answer {
        let refused = match ask {
            Ask::Start { name, note } => self.start(name, note).await,
            Ask::Mark { mark, note } => self.mark(mark, note).await,
            Ask::Stop => return self.stop().await,
            Ask::Status => Vec::new(),
        };
        let survey = self.running.as_ref().map(|running| running.status.clone());
        Answer { refused, survey }
    }

    fn fix(&self) -> Option<Fix> {
        *self.inputs.fix.borrow()
    }

    /// The true time, where the kernel or the receiver knows it.
    fn at_ms(&self) -> Option<i64> {
        let now = clock::mono_ms();
        if self.inputs.stamper.clock.borrow().synced_at_mono_ms.is_some() {
            return Some(clock::wall_ms());
        }
        let fix = self.fix().filter(|fix| fix.holds(now))?;
        Some(gps_time_ms(&fix)?.saturating_add_unsigned(fix.age_ms(now)))
    }

    fn facts(&self, name: &str, note: Option<&str>) -> Facts {
        let config = self.inputs.config.borrow();
        let picture = self.inputs.modems.picture.borrow();
        let has_modem = !config.modems.is_empty() || !picture.modems.is_empty();
        Facts {
            name: name.to_owned(),
            note: note.map(str::to_owned),
            name_taken: super::is_name(name) && path(&config.data_dir, name).exists(),
            running: self.running.as_ref().map(|running| running.kept.name.clone()),
            has_receiver: config.position.is_mobile(),
            fix_age_ms: self.fix().map(|fix| fix.age_ms(clock::mono_ms())),
            has_time: self.at_ms().is_some(),
            has_setup: config.setup.is_some(),
            free_bytes: load::disk_free_bytes(&config.data_dir),
            scans: picture.modems.values().any(|state| state.scanning),
            can_measure: has_modem || (!config.uplinks.is_empty() && echo::target(&config).is_some()),
        }
    }

    async fn start(&mut self, name: String, note: Option<String>) -> Vec<Refusal> {
        let refused = refusals(&self.facts(&name, note.as_deref()));
        let (Some(at_ms), true) = (self.at_ms(), refused.is_empty()) else { return refused };
        let data_dir = self.inputs.config.borrow().data_dir.clone();
        let kept = Kept { name: name.clone(), started_ms: at_ms, indoor: false, holes: 0 };
        let began = Line::Began(Began { v: VERSION, name: name.clone(), at_ms, note });
        let opened = Journal::create(&data_dir, &name).and_then(|mut journal| {
            journal.append(&began, clock::mono_ms())?;
            journal.sync()?;
            kept.store(&data_dir)?;
            Ok(journal)
        });
        let journal = match opened {
            Ok(journal) => journal,
            Err(error) => return vec![Refusal::Disk { error: error.to_string() }],
        };
        let status = Status { name: name.clone(), started_wall_ms: at_ms, ..Status::default() };
        self.running = Some(Running { journal, kept, status, round: Round::default(), was_at: None });
        self.inputs.modems.surveying.send_replace(true);
        self.say_position(None, false).await;
        tracing::info!(survey = name, "a survey began");
        self.look().await;
        Vec::new()
    }

    /// Goes on where the start before this one ended.
    async fn resume(&mut self) {
        let data_dir = self.inputs.config.borrow().data_dir.clone();
        let Some(kept) = Kept::load(&data_dir) else { return };
        let walked = read(&path(&data_dir, &kept.name));
        let (walk, mut journal) = match walked.and_then(|w| Ok((w, Journal::resume(&data_dir, &kept.name)?))) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(survey = kept.name, %error, "the survey does not go on: its file cannot be written");
                return;
            }
        };
        let line = Line::Resumed { at_ms: self.at_ms().unwrap_or_else(clock::wall_ms) };
        note_error(journal.append(&line, clock::mono_ms()).and_then(|()| journal.sync()));
        let status = Status {
            name: kept.name.clone(),
            started_wall_ms: kept.started_ms,
            points: walk.points.len() as u64,
            marks: walk.marks.len() as u64,
            resumed: walk.resumed + 1,
            indoor: kept.indoor,
            holes: kept.holes,
            ..Status::default()
        };
        tracing::info!(survey = kept.name, points = status.points, "the survey goes on");
        let was_at = walk.last_place();
        self.running = Some(Running { journal, kept, status, round: Round::default(), was_at });
        self.inputs.modems.surveying.send_replace(true);
        self.put_setup(true);
    }

    async fn mark(&mut self, mark: Mark, note: Option<String>) -> Vec<Refusal> {
        let is_mobile = self.inputs.config.borrow().position.is_mobile();
        let fix = self.fix();
        let age_ms = fix.map(|fix| fix.age_ms(clock::mono_ms()));
        let refused: Vec<Refusal> = long(note.as_deref()).into_iter().chain(without_fix(is_mobile, age_ms)).collect();
        let at_ms = self.at_ms().unwrap_or_else(clock::wall_ms);
        let data_dir = self.inputs.config.borrow().data_dir.clone();
        let (Some(running), Some(fix)) = (self.running.as_mut(), fix.filter(|_| refused.is_empty())) else {
            return if self.running.is_none() { vec![Refusal::NotRunning] } else { refused };
        };
        // Indoors until the next mark, whichever it is; said twice, it is the end.
        let indoor = mark == Mark::Indoor && !running.kept.indoor;
        let mark = (mark != Mark::Indoor || indoor).then_some(mark);
        let changed = indoor != std::mem::replace(&mut running.kept.indoor, indoor);
        (running.status.indoor, running.status.marks) = (indoor, running.status.marks + 1);
        let marked = Marked { at_ms, lat: fix.lat, lon: fix.lon, accuracy_m: fix.accuracy_m, mark, note };
        let kept = running.kept.store(&data_dir);
        note_error(kept.and_then(|()| running.journal.append(&Line::Mark(marked), clock::mono_ms())));
        note_error(running.journal.sync());
        if changed {
            self.put_setup(indoor);
        }
        self.say_position(mark, changed).await;
        Vec::new()
    }

    async fn stop(&mut self) -> Answer {
        let Some(mut running) = self.running.take() else {
            return Answer { refused: vec![Refusal::NotRunning], survey: None };
        };
        running.round.end(&self.inputs).await;
        let at_ms = self.at_ms().unwrap_or_else(clock::wall_ms);
        note_error(running.journal.append(&Line::Stopped { at_ms }, clock::mono_ms()));
        note_error(running.journal.sync());
        note_error(Kept::forget(&self.inputs.config.borrow().data_dir));
        let was_indoor = std::mem::replace(&mut running.kept.indoor, false);
        let status = running.status.clone();
        self.running = Some(running);
        self.put_setup(false);
        self.say_position(None, was_indoor).await;
        self.running = None;
        self.inputs.modems.surveying.send_replace(false);
        // Everything is durable when the person hears that it is over. Counted in the status where it failed.
        let _ = self.inputs.spool.flush().await;
        tracing::info!(survey = status.name, points = status.points, "the survey is over");
        Answer { refused: Vec::new(), survey: Some(status) }
    }

    /// The set-up of what follows.
    fn setup(&self) -> Option<Setup> {
        let configured = self.inputs.config.borrow().wire_setup()?;
        let indoor = self.running.as_ref().is_some_and(|running| running.kept.indoor);
        Some(if indoor { Setup { environment: Environment::Indoor, ..configured } } else { configured })
    }

    /// Puts it in force where it differs from what is: `always`, or when a reload put the file's own there.
    fn put_setup(&self, always: bool) {
        let setup = self.setup().map(|setup| Arc::new(SetupRef { id: setup.id(), full: None }));
        self.inputs.setup.send_if_modified(|before| {
            let other = before.as_ref().map(|s| s.id) != setup.as_ref().map(|s| s.id);
            if other {
                *before = setup;
            }
            other || always
        });
    }

    /// A `position` sample: where the survey began, was marked and ended, with the set-up where that is new.
    async fn say_position(&self, mark: Option<Mark>, with_setup: bool) {
        let now = self.inputs.stamper.stamp();
        let Some(running) = &self.running else { return };
        // Indoors the receiver sees nothing; that it is over must be said all the same.
        let ends_indoor = with_setup && mark.is_none();
        let last = running.round.last_fix().or(running.was_at).filter(|_| ends_indoor);
        let Some(reading) = position(now.fix, last, mark, &running.kept.name) else { return };
        let mut sample =
            self.inputs.stamper.sample(now, phusong_protocol::Outcome::Reading(Reading::Position(reading)));
        if let Some(setup) = self.setup().filter(|_| with_setup) {
            sample.setup = Some(Arc::new(SetupRef { id: setup.id(), full: Some(setup) }));
        }
        append(&self.inputs.spool, sample, Urgency::Urgent).await;
    }

    /// What is due now.
    async fn look(&mut self) {
        if self.inputs.config.has_changed().unwrap_or(false) {
            self.inputs.config.mark_unchanged();
            self.put_setup(false);
        }
        let (fix, at_ms) = (self.fix(), self.at_ms());
        let Some(mut running) = self.running.take() else { return };
        running.look(&self.inputs, fix, at_ms).await;
        let full = running.status.points >= super::POINTS;
        self.running = Some(running);
        if full {
            tracing::warn!(bound = super::POINTS, "the survey has as many points as one can hold; it is ended");
            self.stop().await;
        }
    }
}

/// Where we are; without a position of now where we were last, and nobody knows how near that is.
fn position(now: Option<Fix>, last: Option<Fix>, mark: Option<Mark>, survey: &str) -> Option<PositionReading> {
    let last = last.map(|fix| Fix { accuracy_m: None, altitude_m: None, ..fix });
    let fix = now.or(last)?;
    Some(PositionReading {
        lat: fix.lat,
        lon: fix.lon,
        accuracy_m: fix.accuracy_m,
        source: fix.source,
        altitude_m: fix.altitude_m,
        mark,
        survey: Some(survey.to_owned()),
    })
}

/// The samples are in the spool: a file that cannot be written costs the export alone.
pub(super) fn note_error(result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::error!(%error, "the file of the survey was not written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::journal::Walk;

    #[test]
    fn the_end_of_indoors_is_said_where_no_position_is_heard_any_more() {
        let mark = Marked { at_ms: 7, lat: 21.6, lon: 105.8, accuracy_m: Some(4.0), ..Marked::default() };
        let walk = Walk { marks: vec![mark], ..Walk::default() };
        let last = walk.last_place();
        let end = position(None, last, None, "a").expect("where it was marked");
        assert_eq!((end.lat, end.lon, end.mark, end.survey.as_deref()), (21.6, 105.8, None, Some("a")));
        assert_eq!(end.accuracy_m, None, "how near that is nobody knows");
        let here = last.map(|fix| Fix { lat: 22.0, accuracy_m: Some(3.0), ..fix });
        let now = position(here, last, None, "a").expect("where we are");
        assert_eq!((now.lat, now.accuracy_m), (22.0, Some(3.0)));
        assert_eq!(position(None, None, None, "a"), None);
    }
}
