//! Draws what happens, and writes down the truth of it.
//!
//! In: plan and probes. Out: a [`Script`] for each probe, the [`TruthEvent`]s, the moves. Refuses to know: samples.
//! Limits: things that happen to one probe lie at least [`APART_MS`] apart; what finds no room after [`TRIES`] tries
//! does not happen.

use crate::fleet::{self, Member, Move};
use crate::plan::{HOUR_MS, MINUTE_MS, Plan};
use crate::scene::Scene;
use crate::script::{self, Fault, Script, Spell, Stop};
use crate::targets;
use crate::truth::{Cause, Evidence, TruthEvent, TruthKind};
use fastrand::Rng;

mod stage;
mod stops;

const APART_MS: i64 = 20 * MINUTE_MS;
const TRIES: usize = 60;
/// Nothing happens this soon after the begin, and everything is over this long before the end.
const QUIET_MS: i64 = 2 * HOUR_MS;

/// What was drawn.
pub struct Drawn {
    pub scripts: Vec<Script>,
    pub truth: Vec<TruthEvent>,
    pub moves: Vec<Move>,
}

struct Draw<'a> {
    plan: &'a Plan,
    members: &'a [Member],
    rng: Rng,
    scripts: Vec<Script>,
    stops: Vec<Vec<Stop>>,
    /// Of each probe, what is taken.
    busy: Vec<Vec<(i64, i64)>>,
    truth: Vec<TruthEvent>,
    moves: Vec<Move>,
}

pub fn draw(plan: &Plan, members: &[Member]) -> Drawn {
    let mut draw = Draw {
        plan,
        members,
        rng: Rng::with_seed(plan.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD4A3),
        scripts: vec![Script::default(); members.len()],
        stops: vec![Vec::new(); members.len()],
        busy: vec![Vec::new(); members.len()],
        truth: Vec::new(),
        moves: Vec::new(),
    };
    // What the scene needs is taken before anything else looks for room.
    if let Some(scene) = Scene::of(plan) {
        draw.stage(&scene);
    }
    let rates = plan.rates;
    let (hamlets, probes) = (plan.hamlets as f64, members.len() as f64);
    draw.times(rates.remote, Draw::dead_target);
    draw.times(rates.delay, |draw| draw.delay((0..members.len()).collect()));
    draw.times(rates.moves, Draw::moved);
    draw.times(rates.power_per_hamlet * hamlets, Draw::power_cut);
    draw.times(rates.backhaul_per_hamlet * hamlets, Draw::backhaul_cut);
    draw.times(rates.gateway_per_hamlet * hamlets, Draw::dead_gateway);
    draw.times(rates.delay_per_hamlet * hamlets, |draw| {
        let first = draw.hamlet() * 2;
        draw.delay(vec![first, first + 1]);
    });
    draw.times(rates.crash_per_probe * probes, Draw::crash);
    draw.times(rates.restart_per_probe * probes, Draw::restart);
    draw.finish()
}

/// Log-uniform, so that short and long are equally common by their order of magnitude.
fn log_uniform(rng: &mut Rng, least_ms: i64, most_ms: i64) -> i64 {
    let (least, most) = ((least_ms as f64).ln(), (most_ms as f64).ln());
    (least + (most - least) * rng.f64()).exp() as i64
}

impl Draw<'_> {
    fn times(&mut self, in_30_days: f64, mut happen: impl FnMut(&mut Self)) {
        let expected = in_30_days * f64::from(self.plan.days) / 30.0;
        let count = expected as usize + usize::from(self.rng.f64() < expected.fract());
        (0..count).for_each(|_| happen(self));
    }

    fn hamlet(&mut self) -> usize {
        self.rng.usize(0..self.plan.hamlets)
    }

    fn probe(&mut self) -> usize {
        self.rng.usize(0..self.members.len())
    }

    /// Finds and takes a time at which nothing else happens to these probes.
    fn room(&mut self, probes: &[usize], lasts_ms: i64) -> Option<i64> {
        let (first, last) = (self.plan.start_ms + QUIET_MS, self.plan.end_ms() - QUIET_MS - lasts_ms);
        if last <= first {
            return None;
        }
        for _ in 0..TRIES {
            let from = self.rng.i64(first..last);
            let clash = |(a, b): &(i64, i64)| from - APART_MS < *b && *a < from + lasts_ms + APART_MS;
            if probes.iter().all(|probe| !self.busy[*probe].iter().any(clash)) {
                probes.iter().for_each(|probe| self.busy[*probe].push((from, from + lasts_ms)));
                return Some(from);
            }
        }
        None
    }

    fn tell(&mut self, probe: usize, what: (TruthKind, Cause), span: (i64, i64), evidence: &[Evidence]) {
        let member = &self.members[probe];
        if member.absent {
            return;
        }
        let network = matches!(what.0, TruthKind::Gap | TruthKind::Weak).then(|| member.network());
        self.truth.push(TruthEvent {
            kind: what.0,
            cause: what.1,
            probe: member.probe.clone(),
            hamlet: member.code(),
            network,
            host: None,
            from_ms: span.0,
            to_ms: span.1,
            mains_input: member.mains_input,
            clock_uncertain: false,
            evidence: evidence.to_vec(),
        });
    }

    fn spell(&mut self, probe: usize, span: (i64, i64), fault: Fault) {
        self.scripts[probe].spells.push(Spell { from_ms: span.0, to_ms: span.1, fault });
        if !matches!(fault, Fault::Host(_) | Fault::Crowded) {
            self.scripts[probe].undelivered.push(span);
        }
    }

    /// One of the targets answers nobody in the commune.
    fn dead_target(&mut self) {
        let all: Vec<usize> = (0..self.members.len()).collect();
        let lasts_ms = log_uniform(&mut self.rng, HOUR_MS, 5 * HOUR_MS);
        let Some(from) = self.room(&all, lasts_ms) else { return };
        let host = self.rng.usize(targets::BEYOND_GATEWAY);
        for probe in all {
            let span = (from, from + lasts_ms);
            self.spell(probe, span, Fault::Host(host));
            self.tell(probe, (TruthKind::Remote, Cause::Remote), span, &[Evidence::OthersAnswer]);
            if !self.members[probe].absent {
                self.truth.last_mut().expect("just told").host = Some(targets::host(host).to_owned());
            }
        }
    }

    /// Three hours in which nothing reaches the broker although everything answers.
    fn delay(&mut self, probes: Vec<usize>) {
        let lasts_ms = 3 * HOUR_MS + self.rng.i64(-15 * MINUTE_MS..15 * MINUTE_MS);
        let Some(from) = self.room(&probes, lasts_ms) else { return };
        for probe in probes {
            let span = (from, from + lasts_ms);
            self.scripts[probe].undelivered.push(span);
            self.tell(probe, (TruthKind::Delay, Cause::Delivery), span, &[Evidence::LateArrival]);
        }
    }

    /// One provider serves one hamlet no more.
    fn backhaul_cut(&mut self) {
        let probe = self.probe();
        let lasts_ms = log_uniform(&mut self.rng, 4 * MINUTE_MS, 8 * HOUR_MS);
        let Some(from) = self.room(&[probe], lasts_ms) else { return };
        let (span, unreachable) = ((from, from + lasts_ms), self.rng.u8(0..3) == 0);
        self.spell(probe, span, Fault::Backhaul { unreachable });
        let evidence = [self.reach(probe), Evidence::LateArrival];
        self.tell(probe, (TruthKind::Gap, Cause::Backhaul), span, &evidence);
    }

    /// What shows that a probe's own side works: behind a modem no first hop answers, its link stays up.
    fn reach(&self, probe: usize) -> Evidence {
        if self.members[probe].sim.is_some() { Evidence::LinkUp } else { Evidence::GatewayAnswers }
    }

    /// The local gateway is silent, or the modem dead.
    fn dead_gateway(&mut self) {
        let probe = self.probe();
        let lasts_ms = log_uniform(&mut self.rng, 5 * MINUTE_MS, 5 * HOUR_MS);
        let Some(from) = self.room(&[probe], lasts_ms) else { return };
        // A dead modem takes its interface with it.
        let modem = self.members[probe].sim.is_some();
        let (span, carrier) = ((from, from + lasts_ms), self.rng.bool() && !modem);
        self.spell(probe, span, Fault::Gateway { carrier });
        let mut evidence = vec![Evidence::LateArrival];
        if !modem {
            evidence.insert(0, Evidence::GatewaySilent);
        }
        evidence.extend((!carrier).then_some(Evidence::CarrierLost));
        self.tell(probe, (TruthKind::Blind, Cause::Device), span, &evidence);
    }

    fn finish(mut self) -> Drawn {
        let (start_ms, end_ms) = (self.plan.start_ms, self.plan.end_ms());
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        self.rng.shuffle(&mut order);
        let timeless = &order[..self.plan.rates.timeless_probes.min(order.len())];
        for (probe, stops) in self.stops.drain(..).enumerate() {
            let script = &mut self.scripts[probe];
            script.runs = script::runs(start_ms, end_ms, stops, timeless.contains(&probe), &mut self.rng);
            script.sort();
        }
        for event in &mut self.truth {
            let probe = self.members.iter().position(|m| m.probe == event.probe).expect("told of a member");
            let runs = &self.scripts[probe].runs;
            // What ends with a start ends when the agent runs again, not when the power is back.
            let ran = [Evidence::GatewaySilent, Evidence::CarrierLost];
            let starts = event.kind == TruthKind::Blind && !event.evidence.iter().any(|of| ran.contains(of));
            let next = runs.iter().find(|run| run.begins_ms >= event.to_ms);
            if let Some(run) = next.filter(|_| starts) {
                event.to_ms = run.begins_ms;
            }
            let touches = |run: &script::Run| run.begins_ms <= event.to_ms && event.from_ms <= run.ends_ms;
            event.clock_uncertain = runs.iter().any(|run| touches(run) && run.synced_ms.is_none());
            if self.plan.strip_evidence {
                event.evidence.clear();
            }
        }
        self.truth.sort_by(|a, b| (a.from_ms, &a.probe).cmp(&(b.from_ms, &b.probe)));
        self.moves.sort_by_key(|one| one.at_ms);
        Drawn { scripts: self.scripts, truth: self.truth, moves: self.moves }
    }

    fn carried(&mut self, probe: usize, at_ms: i64) {
        let one = fleet::elsewhere(&self.members[probe], at_ms, &mut self.rng);
        self.moves.push(one);
    }
}
