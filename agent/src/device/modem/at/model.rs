//! Which commands a modem is asked: by its maker, and by its model where they differ.
//!
//! In: what the modem calls itself. Out: commands that read, never one that sets, but for reports of changes. Refuses to
//! know: what they answer. Limits: a maker that is not named here is asked what TS 27.007 has.

use phusong_protocol::Technology;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Quectel,
    Simcom,
    Huawei,
    Other,
}

impl Family {
    pub fn of(manufacturer: Option<&str>, model: Option<&str>) -> Self {
        let maker = manufacturer.unwrap_or("").to_ascii_lowercase();
        let model = model.unwrap_or("").to_ascii_uppercase();
        let quectel = ["RM5", "RG5", "RG6", "EC2", "EG2", "EG9", "EP06", "EM06", "EM12", "EG06", "EG12", "EG18", "BG9"];
        if maker.contains("quectel") || quectel.iter().any(|start| model.starts_with(start)) {
            Family::Quectel
        } else if maker.contains("simcom") || model.contains("SIM7") || model.contains("SIM8") || model.contains("A76")
        {
            Family::Simcom
        } else if maker.contains("huawei") || ["ME909", "ME906", "MU709"].iter().any(|start| model.starts_with(start)) {
            Family::Huawei
        } else {
            Family::Other
        }
    }

    /// The serving cell or cells; their answers are one reading.
    pub fn serving(self) -> &'static [&'static str] {
        match self {
            Family::Quectel => &["AT+QENG=\"servingcell\""],
            Family::Simcom => &["AT+CPSI?"],
            Family::Huawei => &["AT^HCSQ?", "AT^SYSINFOEX"],
            Family::Other => &[],
        }
    }

    /// What its readings can show. What TS 27.007 has shows 5G only where the modem's own reply has places for it.
    pub fn shows(self) -> Vec<Technology> {
        let with_nr = matches!(self, Family::Quectel | Family::Simcom | Family::Huawei).then_some(Technology::Nr);
        [Technology::Gsm, Technology::Umts, Technology::Lte].into_iter().chain(with_nr).collect()
    }

    /// The level of each receiving branch of the serving cell.
    pub fn branches(self) -> Option<&'static str> {
        (self == Family::Quectel).then_some("AT+QRSRP")
    }

    pub fn neighbours(self) -> &'static [&'static str] {
        match self {
            Family::Quectel => &["AT+QENG=\"neighbourcell\"", "AT+QCAINFO"],
            Family::Simcom | Family::Huawei | Family::Other => &[],
        }
    }

    /// Makes it say by itself when the SIM comes or goes.
    pub fn sim_reports(self) -> Option<&'static str> {
        (self == Family::Quectel).then_some("AT+QSIMSTAT=1")
    }

    /// What its settings allow.
    pub fn settings(self) -> &'static [&'static str] {
        match self {
            Family::Quectel => &[
                "AT+QNWPREFCFG=\"mode_pref\"",
                "AT+QNWPREFCFG=\"nr5g_disable_mode\"",
                "AT+QNWPREFCFG=\"lte_band\"",
                "AT+QNWPREFCFG=\"nsa_nr5g_band\"",
                "AT+QNWPREFCFG=\"nr5g_band\"",
            ],
            Family::Simcom | Family::Huawei | Family::Other => &[],
        }
    }

    /// Scans in the order of preference; the vendor's have levels and disturb less.
    pub fn scans(self, model: Option<&str>) -> &'static [&'static str] {
        let model = model.unwrap_or("").to_ascii_uppercase();
        match self {
            Family::Quectel if model.starts_with("RM5") || model.starts_with("RG") => &["AT+QSCAN=3,1", "AT+COPS=?"],
            Family::Quectel if model.starts_with("EC2") || model.starts_with("EG") => &["AT+QOPS", "AT+COPS=?"],
            _ => &["AT+COPS=?"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modem_is_known_by_its_maker_or_by_its_model_alone() {
        let cases = [
            (Some("Quectel"), Some("RM520N-GL"), Family::Quectel),
            (None, Some("EC25"), Family::Quectel),
            (Some("SIMCOM INCORPORATED"), Some("SIMCOM_SIM7600G-H"), Family::Simcom),
            (Some("huawei"), Some("ME909s-120"), Family::Huawei),
            (Some("Fibocom"), Some("L850-GL"), Family::Other),
            (None, None, Family::Other),
        ];
        for (maker, model, family) in cases {
            assert_eq!(Family::of(maker, model), family, "{maker:?} {model:?}");
        }
    }

    #[test]
    fn nothing_that_is_asked_sets_the_modem() {
        for family in [Family::Quectel, Family::Simcom, Family::Huawei, Family::Other] {
            let all = [family.serving(), family.neighbours(), family.settings()].concat();
            let reads = |command: &&str| {
                let behind = command.split_once('=').map(|(_, behind)| behind);
                command.ends_with('?') || behind.is_none_or(|word| word.matches(',').count() == 0)
            };
            assert!(all.iter().all(reads), "{all:?}");
        }
    }
}
