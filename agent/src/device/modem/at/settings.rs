//! What a modem's settings allow: technologies and bands.
//!
//! In: Quectel's `+QNWPREFCFG` lines. Out: technologies for which a mode and at least one band stand, and the bands.
//! Refuses to know: what the SIM's contract allows. Limits: [`BANDS`] bands; nothing where a line is missing.

use super::reply;
use phusong_protocol::Technology;

const BANDS: usize = 64;

#[derive(Debug, Default)]
pub struct Settings {
    /// "AUTO", "LTE:NR5G".
    modes: Option<String>,
    standalone_off: bool,
    other_off: bool,
    lte: Vec<String>,
    nsa: Vec<String>,
    sa: Vec<String>,
}

impl Settings {
    pub fn hear(&mut self, line: &str) {
        if !reply::names(line, "+QNWPREFCFG") {
            return;
        }
        let fields = reply::fields(line);
        let [key, value, ..] = fields[..] else { return };
        match key.to_ascii_lowercase().as_str() {
            "mode_pref" => self.modes = Some(value.to_ascii_uppercase()),
            "nr5g_disable_mode" => (self.standalone_off, self.other_off) = (value == "1", value == "2"),
            "lte_band" => self.lte = bands("B", value),
            "nsa_nr5g_band" => self.nsa = bands("n", value),
            "nr5g_band" => self.sa = bands("n", value),
            _ => {}
        }
    }

    pub fn able(&self) -> Vec<Technology> {
        let Some(modes) = &self.modes else { return Vec::new() };
        let on = |mode: &str| modes.split(':').any(|one| one == "AUTO" || one == mode);
        let lte = on("LTE") && !self.lte.is_empty();
        let all = [
            (on("WCDMA"), Technology::Umts),
            (lte, Technology::Lte),
            (lte && on("NR5G") && !self.nsa.is_empty() && !self.other_off, Technology::NrNsa),
            (on("NR5G") && !self.sa.is_empty() && !self.standalone_off, Technology::NrSa),
        ];
        all.into_iter().filter(|(able, _)| *able).map(|(_, technology)| technology).collect()
    }

    pub fn bands(&self) -> Vec<String> {
        let mut all: Vec<String> = self.lte.clone();
        for band in self.nsa.iter().chain(&self.sa) {
            if !all.contains(band) {
                all.push(band.clone());
            }
        }
        all.truncate(BANDS);
        all
    }
}

fn bands(letter: &str, list: &str) -> Vec<String> {
    let numbers = list.split(':').filter_map(|number| number.trim().parse::<u16>().ok());
    numbers.filter(|number| (1..=512).contains(number)).take(BANDS).map(|number| format!("{letter}{number}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Settings {
        let mut settings = Settings::default();
        lines.iter().for_each(|line| settings.hear(line));
        settings
    }

    #[test]
    fn a_technology_is_able_where_mode_and_bands_allow_it() {
        let all = [
            "+QNWPREFCFG: \"mode_pref\",AUTO",
            "+QNWPREFCFG: \"nr5g_disable_mode\",1",
            "+QNWPREFCFG: \"lte_band\",1:3:28",
            "+QNWPREFCFG: \"nsa_nr5g_band\",41:78",
            "+QNWPREFCFG: \"nr5g_band\",78:79",
        ];
        let settings = of(&all);
        assert_eq!(settings.able(), [Technology::Umts, Technology::Lte, Technology::NrNsa]);
        assert_eq!(settings.bands(), ["B1", "B3", "B28", "n41", "n78", "n79"]);
        let lte_only = of(&["+QNWPREFCFG: \"mode_pref\",LTE", all[2], all[3], all[4]]);
        assert_eq!(lte_only.able(), [Technology::Lte]);
        assert!(of(&all[1..]).able().is_empty());
        assert!(of(&["ERROR", "+QNWPREFCFG:", "+QNWPREFCFG: \"lte_band\",x:0:9999"]).bands().is_empty());
    }
}
