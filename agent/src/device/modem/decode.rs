//! What a modem said, as objects: 27.007, Quectel, SIMCom and Huawei replies.
//!
//! In: one reply, of one line or several, and the modem's model where it is known. Out: one [`Decoded`] per technology
//! (of a scan one per operator), in the order of the reply, each with its own line. What is unknown, out of range or a
//! sentinel is left out; what is disputed is left out, too, and named in `doubtful`. Refuses to know: ports, time,
//! earlier replies; every line decodes by itself. Limits: 4 KiB a line, 1,024 objects a reply; never panics.

mod carriers;
mod huawei;
mod indexes;
mod line;
mod neighbours;
mod operators;
mod quectel;
mod registration;
mod scale;
mod simcom;
mod values;

use line::Line;
use phusong_protocol::{RadioCell, Rrc, Technology};
use serde::Serialize;

/// Longer lines are no reply of a modem: the longest scan has some 60 operators of 60 bytes.
pub const MAX_LINE: usize = 4096;
/// Objects of one reply.
pub const MAX_OBJECTS: usize = 1024;
/// So much of a line that was refused is shown.
const MAX_RAW_OF_REFUSED: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Signal,
    Registration,
    Operator,
    Neighbour,
}

/// The value is the boundary of an open bin: the truth lies beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Clipped {
    Below,
    Above,
}

/// What a reply says of the service itself, beside any level. A modem in limited service camps on any network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    None,
    Limited,
    Full,
}

/// Why a reply was refused by the network (`+CREG` and its sisters in mode 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reject {
    /// Whether `cause` is one of TS 24.008, 24.301 or 24.501; else it is the vendor's own.
    pub standard: bool,
    pub cause: u16,
}

/// One object of a reply. Absent is absent, never 0 or a sentinel.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Decoded {
    /// The line was not understood, or is an error itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub technology: Option<Technology>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mnc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tac: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lac: Option<u32>,
    /// The physical cell identity of LTE and NR, the primary scrambling code of UMTS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pci: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arfcn: Option<u32>,
    /// "B3", "n78".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rsrp_dbm: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rsrq_db: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sinr_db: Option<f32>,
    /// The modem's own number, on its own scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sinr_raw: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rssi_dbm: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rscp_dbm: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecio_db: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<bool>,
    /// TS 27.007 `<stat>`, 0 to 11.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stat: Option<u8>,
    /// TS 27.007 `<AcT>`, 0 to 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<u8>,
    /// Of an operator in a scan: 0 unknown, 1 available, 2 current, 3 forbidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability: Option<u8>,
    /// The modem's own word for its state; in a reply without values and without such a word, ours in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Where one value is clipped below and another above: below, the one that flatters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clipped: Option<Clipped>,
    /// Names of fields whose scale or meaning is disputed, whether they are there or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub doubtful: Vec<&'static str>,
    pub raw: String,

    /// Of an operator.
    #[serde(skip)]
    pub name: Option<String>,
    #[serde(skip)]
    pub reject: Option<Reject>,
    #[serde(skip)]
    pub service: Option<Service>,
    /// RSRP of each antenna branch in the modem's order; `None` for a branch that is not in use.
    #[serde(skip)]
    pub branches_dbm: Vec<Option<f32>>,
}

impl Decoded {
    fn new(kind: Kind, line: &Line) -> Self {
        Decoded { kind: Some(kind), raw: line.raw.to_owned(), ..Decoded::default() }
    }

    fn error(why: &str, line: &Line) -> Self {
        let raw: String = line.raw.chars().take(MAX_RAW_OF_REFUSED).collect();
        Decoded { error: Some(why.to_owned()), raw, ..Decoded::default() }
    }

    /// A reply without values: what stands instead of them.
    fn without_values(kind: Kind, state: &str, line: &Line) -> Self {
        Decoded { state: Some(state.to_owned()), ..Decoded::new(kind, line) }
    }

    /// The cell of this object, as it stands in a sample.
    pub fn cell(&self) -> RadioCell {
        RadioCell {
            technology: self.technology,
            mcc: self.mcc.clone(),
            mnc: self.mnc.clone(),
            cell_id: self.cell_id,
            tac: self.tac,
            lac: self.lac,
            pci: self.pci,
            arfcn: self.arfcn,
            band: self.band.clone(),
            rsrp_dbm: self.rsrp_dbm,
            rsrq_db: self.rsrq_db,
            sinr_db: self.sinr_db,
            sinr_raw: self.sinr_raw,
            rssi_dbm: self.rssi_dbm,
            rscp_dbm: self.rscp_dbm,
            ecio_db: self.ecio_db,
            srxlev_db: None,
            serving: self.serving,
            doubtful: self.doubtful.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    /// Whether the radio connection stood, where the state says so: SS-SINR means something only then.
    pub fn rrc(&self) -> Option<Rrc> {
        match self.state.as_deref()? {
            "NOCONN" => Some(Rrc::Idle),
            "CONNECT" => Some(Rrc::Connected),
            _ => None,
        }
    }

    /// Whether any level was read.
    pub fn has_level(&self) -> bool {
        let levels =
            [self.rsrp_dbm, self.rsrq_db, self.sinr_db, self.sinr_raw, self.rssi_dbm, self.rscp_dbm, self.ecio_db];
        levels.iter().any(Option::is_some)
    }

    fn doubt(&mut self, field: &'static str) {
        if !self.doubtful.contains(&field) {
            self.doubtful.push(field);
        }
    }

    fn clip(&mut self, clipped: Clipped) {
        if self.clipped != Some(Clipped::Below) {
            self.clipped = Some(clipped);
        }
    }
}

/// Decodes a reply: what stands between an AT command and its `OK`, or a single line of it.
///
/// Empty lines, `OK` and the echo of a command give nothing; every other line gives at least one object. Lines of one
/// reply that belong together are joined: the state line of an EN-DC reply, the carriers of an aggregation.
pub fn decode(reply: &str, model: Option<&str>) -> Vec<Decoded> {
    let mut all = Vec::new();
    for text in line::lines(reply) {
        if all.len() >= MAX_OBJECTS {
            break;
        }
        let line = match Line::of(text) {
            Ok(line) => line,
            Err(why) => {
                all.push(Decoded::error(why, &Line::refused(text)));
                continue;
            }
        };
        one(&line, model, &mut all);
    }
    all.truncate(MAX_OBJECTS);
    join(all)
}

/// One line that says something.
fn one(line: &Line, model: Option<&str>, all: &mut Vec<Decoded>) {
    let before = all.len();
    match line.name.to_ascii_uppercase().as_str() {
        "+CESQ" => indexes::cesq(line, all),
        "+CSQ" => indexes::csq(line, all),
        "+CREG" | "+CGREG" | "+CEREG" | "+C5GREG" => registration::registration(line, all),
        "+COPS" => operators::cops(line, all),
        "+QENG" => quectel::qeng(line, model, all),
        "+QCSQ" => quectel::qcsq(line, all),
        "+QCAINFO" => carriers::qcainfo(line, model, all),
        "+QRSRP" | "+QRSRQ" | "+QSINR" => carriers::branches(line, model, all),
        "+QNWINFO" => operators::qnwinfo(line, all),
        "+QSCAN" => operators::qscan(line, all),
        "+QOPS" => operators::qops(line, all),
        "+CPSI" => simcom::cpsi(line, model, all),
        "^HCSQ" => huawei::hcsq(line, all),
        "^SYSINFOEX" => huawei::sysinfoex(line, all),
        "^MONSC" => huawei::monsc(line, all),
        "ERROR" | "+CME ERROR" | "+CMS ERROR" => all.push(Decoded::error("the modem refused the command", line)),
        // A long scan goes on in further lines.
        "" if line.raw.starts_with('(') => operators::cops(line, all),
        _ => all.push(Decoded::error("not a reply that is known", line)),
    }
    if all.len() == before {
        all.push(Decoded::error("nothing of this reply makes sense", line));
    }
}

/// What the lines of one reply say about each other.
fn join(mut all: Vec<Decoded>) -> Vec<Decoded> {
    // Quectel, EN-DC: the first line has the state, the next ones the cells.
    let is_head = |one: &Decoded| quectel::is_state_line(&one.raw) && one.technology.is_none();
    let mut head: Option<(usize, Option<String>, Option<Service>)> = None;
    let mut told = Vec::new();
    for (at, one) in all.iter_mut().enumerate() {
        if is_head(one) {
            head = Some((at, one.state.clone(), one.service));
        } else if let Some((of, state, service)) = head.as_ref().filter(|_| quectel::belongs_to_state_line(&one.raw)) {
            // A leg that is not there keeps its own word.
            if one.service != Some(Service::None) {
                one.state = state.clone();
                one.service = *service;
            }
            told.push(*of);
        }
    }
    // A 5G carrier beside an LTE one is the other leg of one attachment.
    let primary_lte = all.iter().any(|one| quectel::is_primary(&one.raw) && one.technology == Some(Technology::Lte));
    for one in all.iter_mut().filter(|one| primary_lte && quectel::is_secondary(&one.raw)) {
        if one.technology == Some(Technology::Nr) {
            one.technology = Some(Technology::NrNsa);
        }
    }
    let mut at = 0;
    all.retain(|_| {
        at += 1;
        !told.contains(&(at - 1))
    });
    all
}
