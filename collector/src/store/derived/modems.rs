//! The modems of one place while its rows are read: what they say, and whose SIM they hold when they do not.
//!
//! In: rows ascending, and the last words before them. Out: looks and facts. Refuses to know: windows. A modem whose SIM
//! is gone names no network any more: what happens to it is filed under the last one that it had.

use super::ground::PlaceHeard;
use super::radio::{How, Modem, is_modems_own, said};
use super::translate::Row;
use phusong_coverage::Policies;
use phusong_coverage::observation::{Fact, FactKind, NetworkId, SampleId};
use phusong_coverage::radio::{Change, Look, Said};
use std::collections::{BTreeMap, BTreeSet};

pub struct Modems {
    /// The last network of each.
    networks: BTreeMap<u32, NetworkId>,
    looks: BTreeMap<NetworkId, Vec<Look>>,
    /// Networks of which a modem itself spoke; on others what stands beside measurements is no radio.
    spoken: BTreeSet<NetworkId>,
}

impl Modems {
    pub fn new(before: &[Fact]) -> Self {
        let mut modems = Modems { networks: BTreeMap::new(), looks: BTreeMap::new(), spoken: BTreeSet::new() };
        for fact in before {
            if let FactKind::Modem { network, device, change } = fact.what {
                modems.networks.insert(device, network);
                modems.spoken.insert(network);
                let said = Said { change, ..Said::default() };
                modems.looks.entry(network).or_default().push(Look { at_ms: fact.at_ms, id: fact.id, device, said });
            }
        }
        modems
    }

    /// The network of what came by this modem.
    pub fn network(&self, device: u32, named: NetworkId) -> NetworkId {
        if named != NetworkId::NONE {
            return named;
        }
        self.networks.get(&device).copied().unwrap_or(NetworkId::NONE)
    }

    pub fn take(
        &mut self,
        row: &Row,
        network: NetworkId,
        modem: &Modem,
        how: How<'_>,
        policies: &Policies,
        heard: &mut PlaceHeard,
    ) {
        let Some(said) = said(&row.outcome, modem, how, policies.at(row.at_ms)) else { return };
        let (at_ms, id, device) = (row.at_ms, SampleId { epoch: row.epoch.0, seq: row.seq }, modem.device);
        if is_modems_own(&row.outcome) {
            self.spoken.insert(network);
        }
        if said.change != Change::default() {
            self.networks.insert(device, network);
            let what = FactKind::Modem { network, device, change: said.change };
            heard.facts.push(Fact { at_ms, id, what });
        }
        self.looks.entry(network).or_default().push(Look { at_ms, id, device, said });
    }

    pub fn finish(self, looks: &mut BTreeMap<NetworkId, Vec<Look>>) {
        let spoken = self.spoken;
        looks.extend(self.looks.into_iter().filter(|(network, _)| spoken.contains(network)));
    }
}
