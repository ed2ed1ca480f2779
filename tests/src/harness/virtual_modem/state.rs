//! What a virtual modem stands in: its SIM, its registration, the cells around it.
//!
//! Everything that the modem answers follows from one [`State`], so that its replies agree with each other.

use std::time::Duration;

/// Whose commands it speaks, with the names that it gives itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// 27.007 alone, LTE; NR fields in `+CESQ` only while it has an NR leg.
    Generic,
    /// RM520N-GL: `+QENG` with 5G.
    Quectel,
    /// EG25-G: `+QENG` of 18 fields.
    QuectelLte,
    /// SIM8200EA: `+CPSI`, levels of LTE in tenths.
    Simcom,
    /// E3372: `^HCSQ`, `^SYSINFOEX`.
    Huawei,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rat {
    Gsm,
    Umts,
    Lte,
    NrSa,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimCard {
    Ready,
    Absent,
    Pin,
    Puk,
    Failure,
    Busy,
}

/// A cell; whole dB and dBm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub rat: Rat,
    pub mcc: String,
    pub mnc: String,
    pub tac: u32,
    pub id: u64,
    pub pci: u16,
    pub arfcn: u32,
    pub band: u16,
    /// RSRP; RSCP of UMTS, RxLev of GSM.
    pub level_dbm: i32,
    /// RSRQ; Ec/Io of UMTS.
    pub quality_db: i32,
    pub sinr_db: i32,
}

/// The NR half of an NSA attachment: signal, and no identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NrLeg {
    pub pci: u16,
    pub arfcn: u32,
    pub band: u16,
    pub rsrp_dbm: i32,
    pub rsrq_db: i32,
    pub sinr_db: i32,
}

/// What `AT+COPS=?` finds. `availability`: 1 available, 2 current, 3 forbidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    pub availability: u8,
    pub name: &'static str,
    pub plmn: &'static str,
    pub act: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// An address of RFC 5737 for whoever asks.
    Granted,
    /// ESM cause.
    Refused(u16),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub sim: SimCard,
    /// `<stat>` of 27.007; where `cell` is there and this is none of 1, 5, 6, 7, it camps in limited service.
    pub stat: u8,
    /// EMM cause of the last refusal.
    pub cause: Option<u16>,
    pub cell: Option<Cell>,
    pub leg: Option<NrLeg>,
    pub neighbours: Vec<Cell>,
    pub bearer: Bearer,
    pub operators: Vec<Operator>,
    /// How long `AT+COPS=?` takes.
    pub scan: Duration,
}

impl Cell {
    /// Of 452-04 on band 3.
    pub fn lte(level_dbm: i32, quality_db: i32, sinr_db: i32) -> Self {
        Cell {
            rat: Rat::Lte,
            mcc: "452".into(),
            mnc: "04".into(),
            tac: 0x1F00,
            id: 0x079_D903,
            pci: 295,
            arfcn: 1350,
            band: 3,
            level_dbm,
            quality_db,
            sinr_db,
        }
    }

    /// Of 452-04 on n78.
    pub fn nr_sa(level_dbm: i32, quality_db: i32, sinr_db: i32) -> Self {
        let lte = Self::lte(level_dbm, quality_db, sinr_db);
        Cell { rat: Rat::NrSa, id: 0x1_8666_712F, pci: 335, arfcn: 640_704, band: 78, ..lte }
    }

    #[must_use]
    pub fn of(mut self, mcc: &str, mnc: &str) -> Self {
        (self.mcc, self.mnc) = (mcc.into(), mnc.into());
        self
    }

    /// Of a carrier of 20 MHz: RSRQ = N x RSRP / RSSI with 100 resource blocks (TS 36.214 5.1.3).
    pub fn rssi_dbm(&self) -> i32 {
        match self.rat {
            Rat::Gsm => self.level_dbm,
            Rat::Umts => self.level_dbm - self.quality_db,
            Rat::Lte | Rat::NrSa => self.level_dbm + 20 - self.quality_db,
        }
    }
}

impl State {
    /// Registered at home, RSRP -85 dBm.
    pub fn good() -> Self {
        State {
            sim: SimCard::Ready,
            stat: 1,
            cause: None,
            cell: Some(Cell::lte(-85, -9, 14)),
            leg: None,
            neighbours: vec![
                Cell { pci: 221, ..Cell::lte(-96, -12, 4) },
                Cell { pci: 188, arfcn: 1575, ..Cell::lte(-108, -16, -2) },
            ],
            bearer: Bearer::Granted,
            operators: vec![
                Operator { availability: 2, name: "Viettel", plmn: "45204", act: 7 },
                Operator { availability: 1, name: "Vinaphone", plmn: "45202", act: 7 },
                Operator { availability: 3, name: "Mobifone", plmn: "45201", act: 2 },
            ],
            scan: Duration::from_millis(300),
        }
    }

    /// Registered at home with these values on the same LTE cell.
    pub fn level(rsrp_dbm: i32, rsrq_db: i32, sinr_db: i32) -> Self {
        State { cell: Some(Cell::lte(rsrp_dbm, rsrq_db, sinr_db)), ..Self::good() }
    }

    pub fn weak() -> Self {
        Self::level(-112, -13, 2)
    }

    /// Registered still, and hardly anything goes through.
    pub fn edge() -> Self {
        Self::level(-124, -18, -6)
    }

    /// Another cell of the same operator.
    pub fn moved() -> Self {
        let cell = Cell { id: 0x079_DA01, pci: 121, arfcn: 1575, ..Cell::lte(-101, -11, 5) };
        State { cell: Some(cell), ..Self::good() }
    }

    pub fn roaming() -> Self {
        State { stat: 5, cell: Some(Cell::lte(-93, -10, 8).of("457", "08")), ..Self::good() }
    }

    /// LTE with an NR leg.
    pub fn nsa() -> Self {
        let leg = NrLeg { pci: 920, arfcn: 648_768, band: 78, rsrp_dbm: -96, rsrq_db: -10, sinr_db: 18 };
        State { leg: Some(leg), ..Self::good() }
    }

    /// Standalone 5G; of Quectel and SIMCom.
    pub fn sa() -> Self {
        State { cell: Some(Cell::nr_sa(-87, -11, 15)), ..Self::good() }
    }

    /// Not registered, camped on another operator's cell: its level is no coverage of the SIM's operator.
    pub fn limited() -> Self {
        State { stat: 0, cell: Some(Cell::lte(-91, -9, 9).of("452", "02")), neighbours: vec![], ..Self::good() }
    }

    pub fn searching() -> Self {
        State { stat: 2, cell: None, neighbours: vec![], ..Self::good() }
    }

    /// Refused by the home network, with the cause of TS 24.301 9.9.3.9.
    pub fn denied(cause: u16) -> Self {
        State { stat: 3, cause: Some(cause), neighbours: vec![], ..Self::good() }
    }

    /// Registered in the network, refused a bearer with the cause of TS 24.301 9.9.4.4.
    pub fn bearer_refused(cause: u16) -> Self {
        State { bearer: Bearer::Refused(cause), ..Self::good() }
    }

    /// No SIM: camped for emergency calls alone.
    pub fn no_sim() -> Self {
        Self::sim(SimCard::Absent)
    }

    /// A SIM in this state, camped for emergency calls alone.
    pub fn sim(sim: SimCard) -> Self {
        State { sim, stat: 0, neighbours: vec![], ..Self::good() }
    }

    /// Whether it may be served: home, roaming, or SMS alone.
    pub fn registered(&self) -> bool {
        matches!(self.stat, 1 | 5..=7 | 9 | 10)
    }

    /// Whether data can flow.
    pub fn attached(&self) -> bool {
        matches!(self.stat, 1 | 5 | 9 | 10)
    }

    /// The cell that it is registered in; a cell that it merely camps on is none.
    pub fn home_cell(&self) -> Option<&Cell> {
        self.cell.as_ref().filter(|_| self.registered())
    }

    pub fn service(&self) -> Service {
        match (self.registered(), self.cell.is_some()) {
            (true, _) => Service::Full,
            (false, true) => Service::Limited,
            (false, false) => Service::None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    None,
    Limited,
    Full,
}
