//! The latest status of each probe, whatever order several brokers deliver them in.
//!
//! In: status messages. Out: the one that holds. Rule of `wire.md`: a lower `(start, conn)` is ignored, unless its
//! epoch was never seen (a wiped disk). Limits: probes and remembered epochs are bounded.

use phusong_protocol::{Epoch, ProbeId, SiteId, Status};
use std::collections::{HashMap, VecDeque};

const PROBES: usize = 50_000;
/// Epochs remembered per probe: an agent that restarts hourly is recognised for most of a day.
const EPOCHS: usize = 16;

#[derive(Debug, Default)]
pub struct StatusBook {
    probes: HashMap<ProbeId, Known>,
}

/// What a probe said last.
#[derive(Debug, Clone)]
pub struct Known {
    pub site: SiteId,
    pub status: Status,
    pub heard_ms: i64,
    epochs: VecDeque<Epoch>,
}

impl StatusBook {
    /// True when this status is the one that holds now.
    pub fn hear(&mut self, site: SiteId, probe: ProbeId, status: Status, heard_ms: i64) -> bool {
        let Some(known) = self.probes.get_mut(&probe) else {
            if self.probes.len() < PROBES {
                let epochs = VecDeque::from([status.epoch]);
                self.probes.insert(probe, Known { site, status, heard_ms, epochs });
                return true;
            }
            return false;
        };
        let older = (status.start, status.conn) < (known.status.start, known.status.conn);
        let new_epoch = !known.epochs.contains(&status.epoch);
        if older && !new_epoch {
            return false;
        }
        if new_epoch {
            known.epochs.push_back(status.epoch);
            if known.epochs.len() > EPOCHS {
                known.epochs.pop_front();
            }
        }
        (known.site, known.status, known.heard_ms) = (site, status, heard_ms);
        true
    }

    pub fn get(&self, probe: &ProbeId) -> Option<&Known> {
        self.probes.get(probe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phusong_protocol::StatusState;

    fn status(state: StatusState, epoch: u64, start: u32, conn: u32) -> Status {
        let version = "0.1.0".into();
        Status { v: 1, state, epoch: Epoch(epoch), start, conn, config_revision: 0, config_note: None, version }
    }

    #[test]
    fn a_late_last_will_of_an_older_connection_does_not_make_a_probe_offline() {
        let mut book = StatusBook::default();
        let (site, probe): (SiteId, ProbeId) =
            ("thanh-dinh".parse().expect("valid"), "na-chen-1".parse().expect("valid"));
        let mut hear = |s| book.hear(site.clone(), probe.clone(), s, 0);
        assert!(hear(status(StatusState::Online, 1, 4, 1)));
        assert!(hear(status(StatusState::Online, 1, 4, 2)));
        assert!(!hear(status(StatusState::Offline, 1, 4, 1)));
        assert!(hear(status(StatusState::Offline, 1, 4, 2)));
        // A wiped disk counts its starts from 1 again, under an epoch never seen.
        assert!(hear(status(StatusState::Online, 2, 1, 1)));
        assert!(!hear(status(StatusState::Online, 1, 1, 0)));
        assert_eq!(book.get(&probe).map(|known| known.status.epoch), Some(Epoch(2)));
    }
}
