//! What the page and the plain lines say alike, in words.
//!
//! In: a [`Screen`] and the time. Out: short texts in a language. Refuses to know: where they stand. Limits: none is longer
//! than its facts.

use super::leg::technology_name;
use super::screen::{Acceptance, Screen};
use super::standing::Standing;
use super::still::{HOLD_MS, Hold};
use super::track::Shown;
use crate::control::AcceptStep;
use crate::text::aim::{self, AimText};
use crate::text::{Language, Said};

/// Which cell the values are of.
pub fn identity(screen: &Screen, now_ms: u64, language: Language) -> String {
    let slot = screen.shown_slot(now_ms);
    let Some((_, leg)) = screen.track(slot).and_then(|track| track.latest()) else { return "—".to_owned() };
    let mut words = vec![technology_name(leg.pin.technology).to_owned()];
    words.extend(leg.pin.band.clone());
    words.extend(leg.pin.pci.map(|pci| format!("PCI {pci}")));
    words.extend(leg.pin.arfcn.map(|arfcn| format!("ARFCN {arfcn}")));
    if leg.pin.is_nameless() {
        words.push(AimText::Nameless.say(language));
    }
    words.extend(leg.pin.cell_id.map(|id| AimText::CellId { id }.say(language)));
    words.extend(leg.plmn.clone());
    words.join(" ")
}

/// Why nothing is shown, else how the modem stands with its network; and whether that is trouble.
pub fn standing(screen: &Screen, language: Language) -> (String, bool) {
    let trouble = match (&screen.lost, screen.missing()) {
        (Some(why), _) => AimText::Lost { why: why.clone() },
        (None, Some(name)) => AimText::Missing { modem: name.0.clone() },
        (None, None) if screen.modem().is_none() => AimText::NoModem,
        (None, None) => {
            let standing = Standing::of(screen.state());
            return (standing.say(language), standing.is_trouble());
        }
    };
    (trouble.say(language), true)
}

pub fn hold(screen: &Screen, now_ms: u64) -> AimText {
    match screen.hold(now_ms) {
        Hold::Nothing | Hold::Moving => match screen.not_stored() {
            Some(why) => AimText::NotStored { why: why.to_owned() },
            None => AimText::HoldStill,
        },
        Hold::Holding { ms } => AimText::Holding { s: (ms / 1_000).min(HOLD_MS / 1_000), of_s: HOLD_MS / 1_000 },
        Hold::Asked => AimText::Storing,
        Hold::Stored { at_ms, dbm } => {
            let span = aim::span(now_ms.saturating_sub(at_ms));
            AimText::Stored { level: aim::dbm(Some(dbm)), span }
        }
    }
}

/// How old a value is, or why it is none.
pub fn age(shown: &Shown, span: String) -> AimText {
    match (shown.stale, shown.is_old()) {
        (true, _) => AimText::Repeated,
        (false, true) => AimText::Old { span },
        (false, false) => AimText::Age { span },
    }
}

/// Nothing where nobody asked for it; the second only with a result.
pub fn acceptance(acceptance: &Acceptance) -> [Option<AimText>; 2] {
    let one = |text| [Some(text), None];
    match acceptance {
        Acceptance::No => [None, None],
        Acceptance::Running(None | Some(AcceptStep::Done(_))) => one(AimText::AcceptBegins),
        Acceptance::Running(Some(AcceptStep::Pinging { sent, received, of })) => {
            one(AimText::AcceptPing { sent: *sent, of: *of, lost: sent.saturating_sub(*received) })
        }
        Acceptance::Running(Some(AcceptStep::Testing { target })) => {
            one(AimText::AcceptTest { target: target.clone() })
        }
        Acceptance::Done(done) => [Some(AimText::AcceptEchoes(done.clone())), Some(AimText::AcceptSpeed(done.clone()))],
        Acceptance::Failed(why) => one(AimText::AcceptFailed { why: why.clone() }),
    }
}

/// Everything in one line, for a terminal that is no page.
pub fn line(screen: &Screen, now_ms: u64, language: Language) -> String {
    let (standing, is_trouble) = standing(screen, language);
    let slot = screen.shown_slot(now_ms);
    let mut parts = Vec::with_capacity(8);
    if is_trouble {
        parts.push(standing);
    }
    if !is_trouble && screen.no_flow.is_some() {
        parts.push(AimText::NoFlow.say(language));
    }
    if screen.track(slot).is_some() {
        parts.push(identity(screen, now_ms, language));
    }
    let (level, quality) = (screen.level(slot, now_ms), screen.quality(slot, now_ms));
    let leg = screen.track(slot).and_then(|track| track.latest()).map(|(_, leg)| leg);
    if let Some((kind, _)) = leg.and_then(|leg| leg.quality) {
        parts.push(format!("{} {}", kind.name(), aim::db(quality.fresh())));
    }
    if let Some((kind, _)) = leg.and_then(|leg| leg.level) {
        parts.push(format!("{} {}", kind.name(), aim::dbm(level.fresh())));
        parts.push(AimText::Median { value: aim::dbm(level.median) }.say(language));
        parts.push(AimText::Best { value: aim::dbm(level.best.map(|best| best.value)) }.say(language));
        let span = aim::span(level.age_ms);
        parts.push(age(&level, span).say(language));
    }
    if let Some(suspect) = super::branches::suspect(screen.branches_dbm()) {
        parts.push(AimText::CheckCable { branch: suspect.branch, below_db: suspect.below_db }.say(language));
    }
    if !matches!(screen.hold(now_ms), Hold::Nothing | Hold::Moving) {
        parts.push(hold(screen, now_ms).say(language));
    }
    parts.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Seen;
    use crate::device::modem::picture::Known;
    use crate::device::modem::{ModemKey, ModemState, Picture, Signal};
    use phusong_protocol::{RadioCell, Technology};

    #[test]
    fn a_plain_line_says_what_the_page_says_and_never_an_old_value_as_one_of_now() {
        let mut screen = Screen::new(None);
        assert!(line(&screen, 0, Language::En).starts_with("no modem seen yet"));
        let cell = RadioCell {
            technology: Some(Technology::NrSa),
            pci: Some(500),
            arfcn: Some(633_984),
            band: Some("n78".into()),
            rsrp_dbm: Some(-95.0),
            sinr_db: Some(12.0),
            ..RadioCell::default()
        };
        let value = Signal { cells: vec![cell], rrc: None, raw: Some("+QRSRP: -95,-106,-32768,-32768,NR5G".into()) };
        let state =
            ModemState { present: true, signal: Some(Known { at_mono_ms: 1_000, value }), ..ModemState::default() };
        let picture = Picture { modems: [(ModemKey("m".into()), state)].into(), left_out: 0 };
        screen.hear(&Seen { now_mono_ms: 1_000, picture, ..Seen::default() });
        let cell = "5G SA n78 PCI 500 ARFCN 633984";
        let cable = "CHECK THIS CABLE: branch 2 (-11 dB)";
        assert_eq!(
            line(&screen, 2_000, Language::En),
            format!("{cell} | SS-SINR 12 dB | SS-RSRP -95 dBm | 10 s -95 dBm | best -95 dBm | age 1 s | {cable}")
        );
        assert_eq!(
            line(&screen, 20_000, Language::En),
            format!("{cell} | SS-SINR — | SS-RSRP — | 10 s — | best -95 dBm | OLD 19 s | {cable}")
        );
    }
}
