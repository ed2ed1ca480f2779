//! The numbers and words by which the domain's enums stand in rows. They never change their meaning.

use phusong_coverage::cause::{CauseKind, Confidence, Proof};
use phusong_coverage::grade::{Grade, Reason, Service};
use phusong_coverage::interruption::Kind;
use phusong_coverage::observation::SampleId;
use phusong_protocol::Technology;

pub const GRADES: [(i64, Grade); 4] = [(0, Grade::Unknown), (1, Grade::Dead), (2, Grade::Weak), (3, Grade::Good)];

pub const REASONS: [(i64, Reason, &str); 16] = [
    (0, Reason::NotMeasured, "not_measured"),
    (1, Reason::TooLittle, "too_little"),
    (2, Reason::OwnSide, "own_side"),
    (3, Reason::Portal, "portal"),
    (4, Reason::NoAnswer, "no_answer"),
    (5, Reason::NoSignal, "no_signal"),
    (6, Reason::Loss, "loss"),
    (7, Reason::Slow, "slow"),
    (8, Reason::Served, "served"),
    (9, Reason::Signal, "signal"),
    (10, Reason::WeakSignal, "weak_signal"),
    (11, Reason::Edge, "edge"),
    (12, Reason::Sim, "sim"),
    (13, Reason::Denied, "denied"),
    (14, Reason::Bearer, "bearer"),
    (15, Reason::Modem, "modem"),
];

const SERVICES: [(i64, Service); 3] = [(0, Service::Untested), (1, Service::Ok), (2, Service::Fail)];

pub const KINDS: [(i64, Kind, &str); 3] =
    [(1, Kind::Gap, "gap"), (2, Kind::Blind, "blind"), (3, Kind::Remote, "remote")];

pub const CAUSES: [(CauseKind, &str); 10] = [
    (CauseKind::NoCoverage, "no_coverage"),
    (CauseKind::SiteDown, "site_down"),
    (CauseKind::Backhaul, "backhaul"),
    (CauseKind::Remote, "remote"),
    (CauseKind::Power, "power"),
    (CauseKind::Device, "device"),
    (CauseKind::Sim, "sim"),
    (CauseKind::Bearer, "bearer"),
    (CauseKind::Plan, "plan"),
    (CauseKind::Unknown, "unknown"),
];

pub const CONFIDENCES: [(Confidence, &str); 4] = [
    (Confidence::None, "none"),
    (Confidence::Guess, "guess"),
    (Confidence::Likely, "likely"),
    (Confidence::Certain, "certain"),
];

pub const PROOFS: [(Proof, &str); 21] = [
    (Proof::Nothing, "nothing"),
    (Proof::GatewayAnswered, "gateway_answered"),
    (Proof::LinkUp, "link_up"),
    (Proof::MainsInput, "mains_input"),
    (Proof::StoppedTogether, "stopped_together"),
    (Proof::UncleanReboot, "unclean_reboot"),
    (Proof::AgentRestarted, "agent_restarted"),
    (Proof::OrderlyStop, "orderly_stop"),
    (Proof::Undervoltage, "undervoltage"),
    (Proof::OwnSide, "own_side"),
    (Proof::OthersAnswered, "others_answered"),
    (Proof::NoService, "no_service"),
    (Proof::OthersServed, "others_served"),
    (Proof::LowLevel, "low_level"),
    (Proof::CellGone, "cell_gone"),
    (Proof::Registered, "registered"),
    (Proof::BearerUp, "bearer_up"),
    (Proof::SimState, "sim_state"),
    (Proof::BearerRefused, "bearer_refused"),
    (Proof::Portal, "portal"),
    (Proof::ModemGone, "modem_gone"),
];

/// The wire's numbers and words; -1, `unknown`, stands for what nobody said.
const TECHNOLOGIES: [(i64, Technology, &str); 10] = [
    (0, Technology::Gsm, "gsm"),
    (1, Technology::Umts, "umts"),
    (2, Technology::Lte, "lte"),
    (3, Technology::NrNsa, "nr_nsa"),
    (4, Technology::NrSa, "nr_sa"),
    (5, Technology::Fiber, "fiber"),
    (6, Technology::Satellite, "satellite"),
    (7, Technology::Wifi, "wifi"),
    (8, Technology::Other, "other"),
    (9, Technology::Nr, "nr"),
];

pub fn technology(technology: Technology) -> i64 {
    TECHNOLOGIES.iter().find(|entry| entry.1 == technology).map_or(-1, |entry| entry.0)
}

pub fn technology_name(code: i64) -> &'static str {
    TECHNOLOGIES.iter().find(|entry| entry.0 == code).map_or("unknown", |entry| entry.2)
}

pub fn grade(grade: Grade) -> i64 {
    GRADES.iter().find(|entry| entry.1 == grade).map_or(0, |entry| entry.0)
}

pub fn grade_of(code: i64) -> Grade {
    GRADES.iter().find(|entry| entry.0 == code).map_or(Grade::Unknown, |entry| entry.1)
}

pub fn reason(reason: Reason) -> i64 {
    REASONS.iter().find(|entry| entry.1 == reason).map_or(0, |entry| entry.0)
}

pub fn reason_of(code: i64) -> Reason {
    REASONS.iter().find(|entry| entry.0 == code).map_or(Reason::NotMeasured, |entry| entry.1)
}

pub fn service(service: Service) -> i64 {
    SERVICES.iter().find(|entry| entry.1 == service).map_or(0, |entry| entry.0)
}

pub fn service_of(code: i64) -> Service {
    SERVICES.iter().find(|entry| entry.0 == code).map_or(Service::Untested, |entry| entry.1)
}

pub fn kind(kind: Kind) -> i64 {
    KINDS.iter().find(|entry| entry.1 == kind).map_or(0, |entry| entry.0)
}

pub fn kind_of(code: i64) -> Option<Kind> {
    KINDS.iter().find(|entry| entry.0 == code).map(|entry| entry.1)
}

pub fn kind_name(kind: Kind) -> &'static str {
    KINDS.iter().find(|entry| entry.1 == kind).map_or("", |entry| entry.2)
}

pub fn cause(cause: CauseKind) -> &'static str {
    CAUSES.iter().find(|entry| entry.0 == cause).map_or("unknown", |entry| entry.1)
}

pub fn cause_of(word: &str) -> CauseKind {
    CAUSES.iter().find(|entry| entry.1 == word).map_or(CauseKind::Unknown, |entry| entry.0)
}

pub fn confidence(confidence: Confidence) -> &'static str {
    CONFIDENCES.iter().find(|entry| entry.0 == confidence).map_or("none", |entry| entry.1)
}

pub fn confidence_of(word: &str) -> Confidence {
    CONFIDENCES.iter().find(|entry| entry.1 == word).map_or(Confidence::None, |entry| entry.0)
}

pub fn proof(proof: Proof) -> &'static str {
    PROOFS.iter().find(|entry| entry.0 == proof).map_or("nothing", |entry| entry.1)
}

pub fn proof_of(word: &str) -> Proof {
    PROOFS.iter().find(|entry| entry.1 == word).map_or(Proof::Nothing, |entry| entry.0)
}

/// Sample ids as 16 bytes each.
pub fn ids(ids: &[SampleId]) -> Vec<u8> {
    ids.iter().flat_map(|id| [id.epoch.to_be_bytes(), id.seq.to_be_bytes()].concat()).collect()
}

pub fn ids_of(bytes: &[u8]) -> Vec<SampleId> {
    let number = |bytes: &[u8]| bytes.iter().fold(0u64, |all, byte| all << 8 | u64::from(*byte));
    bytes.chunks_exact(16).map(|id| SampleId { epoch: number(&id[..8]), seq: number(&id[8..]) }).collect()
}
