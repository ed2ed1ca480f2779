//! What one serving cell gives to aim by: a level and a quality, each with the name that its technology has for it.
//!
//! In: the latest word of one modem. Out: [`Leg`]s, one a serving cell, each with the [`Pin`] that says which cell it
//! is. Refuses to know: history, screens. Limits: a quality on an unknown scale is no quality, its number stands apart;
//! what the modem did not say is absent.

use crate::device::modem::ModemState;
use phusong_protocol::{RadioCell, Technology};

/// Which cell a value belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pin {
    pub technology: Option<Technology>,
    pub pci: Option<u16>,
    pub arfcn: Option<u32>,
    pub band: Option<String>,
    pub cell_id: Option<u64>,
}

/// What a level is a level of: numbers of different kinds are never compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelKind {
    Rsrp,
    SsRsrp,
    Rscp,
    Rssi,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QualityKind {
    Sinr,
    SsSinr,
    EcIo,
}

/// The two legs of an NSA attachment are followed apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Slot {
    #[default]
    Anchor,
    Nr,
}

/// One serving cell now.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    pub pin: Pin,
    pub level: Option<(LevelKind, f32)>,
    pub quality: Option<(QualityKind, f32)>,
    /// The modem's own number, where nobody knows its scale.
    pub quality_raw: Option<f32>,
    /// "452-04" of the network that the cell belongs to.
    pub plmn: Option<String>,
}

impl LevelKind {
    pub const fn name(self) -> &'static str {
        match self {
            LevelKind::Rsrp => "RSRP",
            LevelKind::SsRsrp => "SS-RSRP",
            LevelKind::Rscp => "RSCP",
            LevelKind::Rssi => "RSSI",
        }
    }

    /// What a technology is aimed by.
    pub const fn of(technology: Option<Technology>) -> Self {
        match technology {
            Some(Technology::Nr | Technology::NrNsa | Technology::NrSa) => LevelKind::SsRsrp,
            Some(Technology::Umts) => LevelKind::Rscp,
            Some(Technology::Gsm) => LevelKind::Rssi,
            _ => LevelKind::Rsrp,
        }
    }
}

impl QualityKind {
    pub const fn name(self) -> &'static str {
        match self {
            QualityKind::Sinr => "SINR",
            QualityKind::SsSinr => "SS-SINR",
            QualityKind::EcIo => "Ec/Io",
        }
    }

    pub const fn of(technology: Option<Technology>) -> Self {
        match LevelKind::of(technology) {
            LevelKind::SsRsrp => QualityKind::SsSinr,
            LevelKind::Rscp => QualityKind::EcIo,
            LevelKind::Rsrp | LevelKind::Rssi => QualityKind::Sinr,
        }
    }
}

/// As a technician calls it.
pub const fn technology_name(technology: Option<Technology>) -> &'static str {
    match technology {
        Some(Technology::Gsm) => "2G GSM",
        Some(Technology::Umts) => "3G UMTS",
        Some(Technology::Lte) => "4G LTE",
        Some(Technology::NrNsa) => "5G NSA",
        Some(Technology::NrSa) => "5G SA",
        Some(Technology::Nr) => "5G NR",
        _ => "—",
    }
}

impl Pin {
    fn of(cell: &RadioCell) -> Self {
        Pin {
            technology: cell.technology,
            pci: cell.pci,
            arfcn: cell.arfcn,
            band: cell.band.clone(),
            cell_id: cell.cell_id,
        }
    }

    /// Whether both say who they are, and in nothing that both say they differ.
    pub fn is_same(&self, other: &Pin) -> bool {
        let compared = [
            agree(self.pci, other.pci),
            agree(self.arfcn, other.arfcn),
            agree(self.band.as_deref(), other.band.as_deref()),
            agree(self.cell_id, other.cell_id),
        ];
        let nameless = self.is_nameless() && other.is_nameless();
        agree(self.technology, other.technology) != Some(false)
            && !compared.contains(&Some(false))
            && (nameless || compared.contains(&Some(true)))
    }

    /// The modem says nothing of the cell's identity.
    pub fn is_nameless(&self) -> bool {
        self.pci.is_none() && self.arfcn.is_none() && self.band.is_none() && self.cell_id.is_none()
    }

    /// Takes over what it did not know yet.
    pub fn learn(&mut self, other: &Pin) {
        self.technology = self.technology.or(other.technology);
        self.pci = self.pci.or(other.pci);
        self.arfcn = self.arfcn.or(other.arfcn);
        self.cell_id = self.cell_id.or(other.cell_id);
        if self.band.is_none() {
            self.band.clone_from(&other.band);
        }
    }
}

/// Whether two values are the same; nothing where one of them is unknown.
fn agree<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<bool> {
    Some(one? == other?)
}

/// The serving cells, each with its slot; of each slot the first.
pub fn legs(state: &ModemState) -> Vec<(Slot, Leg)> {
    let Some(signal) = &state.signal else { return Vec::new() };
    let mut found: Vec<(Slot, Leg)> = Vec::with_capacity(2);
    for cell in signal.value.cells.iter().filter(|cell| cell.serving != Some(false)) {
        let slot = if cell.technology == Some(Technology::NrNsa) { Slot::Nr } else { Slot::Anchor };
        if found.iter().all(|(taken, _)| *taken != slot) {
            found.push((slot, leg(cell)));
        }
    }
    if let Some((_, anchor)) = found.iter_mut().find(|(slot, _)| *slot == Slot::Anchor) {
        name_by_registration(anchor, state);
    }
    found
}

fn leg(cell: &RadioCell) -> Leg {
    let kind = LevelKind::of(cell.technology);
    let own = match kind {
        LevelKind::Rsrp | LevelKind::SsRsrp => cell.rsrp_dbm,
        LevelKind::Rscp => cell.rscp_dbm,
        LevelKind::Rssi => cell.rssi_dbm,
    };
    let level = own.map(|dbm| (kind, dbm)).or(cell.rssi_dbm.map(|dbm| (LevelKind::Rssi, dbm)));
    let kind = QualityKind::of(cell.technology);
    let quality = if kind == QualityKind::EcIo { cell.ecio_db } else { cell.sinr_db };
    let plmn = cell.mcc.as_ref().zip(cell.mnc.as_ref()).map(|(mcc, mnc)| format!("{mcc}-{mnc}"));
    Leg { pin: Pin::of(cell), level, quality: quality.map(|db| (kind, db)), quality_raw: cell.sinr_raw, plmn }
}

/// Many modems give signal without identity, and the identity with their registration.
fn name_by_registration(leg: &mut Leg, state: &ModemState) {
    let Some(registration) = &state.registration else { return };
    if let Some(cell) = &registration.value.cell {
        let known = Pin::of(cell);
        let technology = known.technology.or(registration.value.technology);
        let contradicts = agree(leg.pin.technology, technology) == Some(false)
            || agree(leg.pin.pci, known.pci) == Some(false)
            || agree(leg.pin.cell_id, known.cell_id) == Some(false);
        if !contradicts {
            leg.pin.learn(&Pin { technology, ..known });
        }
    }
    if leg.plmn.is_none() {
        leg.plmn.clone_from(&registration.value.plmn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::modem::picture::Known;
    use crate::device::modem::{Registered, Signal};
    use phusong_protocol::RegistrationStat;

    fn lte(pci: u16) -> RadioCell {
        RadioCell {
            technology: Some(Technology::Lte),
            pci: Some(pci),
            arfcn: Some(1650),
            band: Some("B3".into()),
            rsrp_dbm: Some(-101.0),
            rssi_dbm: Some(-70.0),
            sinr_db: Some(11.0),
            ..RadioCell::default()
        }
    }

    fn state(cells: Vec<RadioCell>) -> ModemState {
        let signal = Known { at_mono_ms: 1, value: Signal { cells, rrc: None, raw: None } };
        ModemState { present: true, signal: Some(signal), ..ModemState::default() }
    }

    #[test]
    fn both_legs_of_an_nsa_attachment_are_kept_apart_under_their_own_names() {
        let nr = RadioCell {
            technology: Some(Technology::NrNsa),
            rsrp_dbm: Some(-95.0),
            sinr_db: Some(12.0),
            ..RadioCell::default()
        };
        let other = RadioCell { serving: Some(false), ..lte(9) };
        let found = legs(&state(vec![lte(1), nr, other]));
        let told: Vec<_> = found.iter().map(|(slot, leg)| (*slot, leg.level, leg.quality)).collect();
        let anchor = (Slot::Anchor, Some((LevelKind::Rsrp, -101.0)), Some((QualityKind::Sinr, 11.0)));
        let second = (Slot::Nr, Some((LevelKind::SsRsrp, -95.0)), Some((QualityKind::SsSinr, 12.0)));
        assert_eq!(told, [anchor, second]);
    }

    #[test]
    fn a_modem_that_gives_only_rssi_is_aimed_by_rssi_and_says_so() {
        let cell = RadioCell { rsrp_dbm: None, sinr_db: None, ..lte(1) };
        let found = legs(&state(vec![cell]));
        assert_eq!(found[0].1.level, Some((LevelKind::Rssi, -70.0)));
        assert_eq!(found[0].1.quality, None);
        let umts = RadioCell {
            technology: Some(Technology::Umts),
            rscp_dbm: Some(-90.0),
            ecio_db: Some(-8.0),
            ..RadioCell::default()
        };
        let found = legs(&state(vec![umts]));
        assert_eq!(found[0].1.level, Some((LevelKind::Rscp, -90.0)));
        assert_eq!(found[0].1.quality, Some((QualityKind::EcIo, -8.0)));
    }

    #[test]
    fn a_cell_is_the_same_while_nothing_that_is_known_of_both_differs() {
        let full = Pin::of(&lte(1));
        let only_pci = Pin { pci: Some(1), ..Pin::default() };
        let nameless = Pin { technology: Some(Technology::Lte), ..Pin::default() };
        assert!(full.is_same(&only_pci) && only_pci.is_same(&full));
        assert!(nameless.is_same(&nameless));
        assert!(!full.is_same(&Pin::of(&lte(2))), "another PCI");
        assert!(!full.is_same(&Pin { arfcn: Some(300), ..full.clone() }), "another channel");
        assert!(!full.is_same(&nameless), "nobody says that it is this one");
        assert!(!full.is_same(&Pin { technology: Some(Technology::NrSa), ..full.clone() }));
        let mut learned = only_pci;
        learned.learn(&full);
        assert_eq!(learned, full);
    }

    #[test]
    fn where_the_signal_has_no_identity_the_registration_gives_it() {
        let mut state = state(vec![RadioCell { pci: None, arfcn: None, band: None, ..lte(1) }]);
        let value = Registered {
            stat: RegistrationStat::Home,
            service: None,
            plmn: Some("452-04".into()),
            technology: Some(Technology::Lte),
            cell: Some(RadioCell { cell_id: Some(77), ..RadioCell::default() }),
            reject_cause: None,
            raw: None,
        };
        state.registration = Some(Known { at_mono_ms: 1, value });
        let (_, leg) = legs(&state).remove(0);
        assert_eq!((leg.pin.cell_id, leg.plmn.as_deref()), (Some(77), Some("452-04")));
        if let Some(known) = &mut state.registration {
            known.value.technology = Some(Technology::Gsm);
        }
        assert_eq!(legs(&state)[0].1.pin.cell_id, None, "of another technology, so of another cell");
    }
}
