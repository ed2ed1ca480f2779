//! The modem itself, without a port: command lines in, replies and unsolicited lines out.

use super::answers::{self, Domain, Outcome};
use super::state::{Family, SimCard, State};
use super::vendor;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Lines of the log that are kept.
const LOG: usize = 20_000;

/// What a power-up forgets.
#[derive(Debug, Clone)]
pub struct Session {
    pub echo: bool,
    pub cmee: u8,
    pub cfun: u8,
    /// Of `+COPS=3,<format>`.
    pub format: u8,
    /// `<n>` of each registration command.
    pub notify: BTreeMap<Domain, u8>,
    /// Number, type and APN of each context.
    pub contexts: BTreeMap<u8, (String, String)>,
    /// The context that is up.
    pub active: Option<u8>,
}

impl Session {
    fn new() -> Self {
        let contexts = BTreeMap::from([(1, ("IP".into(), "v-internet".into()))]);
        Session { echo: true, cmee: 0, cfun: 1, format: 0, notify: BTreeMap::new(), contexts, active: None }
    }
}

/// Bytes for the host, and how long the modem thinks before.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub text: String,
    pub after: Duration,
}

pub struct Modem {
    pub family: Family,
    pub state: State,
    pub session: Session,
    /// Tells two modems apart: the last digits of IMEI and IMSI.
    pub number: u16,
    /// It hears and does not answer.
    pub mute: bool,
    log: VecDeque<String>,
}

impl Modem {
    pub fn new(family: Family, state: State, number: u16) -> Self {
        Modem { family, state, session: Session::new(), number, mute: false, log: VecDeque::new() }
    }

    pub fn power_up(&mut self) {
        self.session = Session::new();
    }

    /// `>` what the host said, `<` what the modem said.
    pub fn log(&self) -> Vec<String> {
        self.log.iter().cloned().collect()
    }

    pub fn note(&mut self, line: String) {
        if self.log.len() == LOG {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    /// What the radio is while it is switched on by `+CFUN`.
    pub fn air(&self) -> State {
        if self.session.cfun == 1 {
            self.state.clone()
        } else {
            State { stat: 0, cell: None, leg: None, neighbours: vec![], ..self.state.clone() }
        }
    }

    /// One line from the host, without its CR.
    pub fn hear(&mut self, line: &str) -> Option<Reply> {
        self.note(format!("> {line}"));
        if self.mute {
            return None;
        }
        let echo = if self.session.echo { format!("{line}\r") } else { String::new() };
        let line = line.trim();
        let body = line.get(..2).filter(|head| head.eq_ignore_ascii_case("AT")).and_then(|_| line.get(2..))?;
        let (mut said, mut after) = (Vec::new(), Duration::ZERO);
        let mut last = Outcome::Ok;
        for command in split(body) {
            if command.to_ascii_uppercase().starts_with("+COPS=?") {
                after = self.state.scan;
            }
            let (lines, outcome) = self.one(&command);
            said.extend(lines);
            last = outcome;
            if last != Outcome::Ok {
                break;
            }
        }
        said.push(last.text(self.session.cmee));
        let text: String = said.iter().map(|line| format!("\r\n{line}\r\n")).collect();
        said.into_iter().for_each(|line| self.note(format!("< {line}")));
        Some(Reply { text: echo + &text, after })
    }

    fn one(&mut self, command: &str) -> (Vec<String>, Outcome) {
        let upper = command.to_ascii_uppercase();
        // Quoted arguments keep their case: vendors compare them exactly.
        let air = self.air();
        let vendors = vendor::answer(self.family, &air, self.session.active.is_some(), command);
        match vendors {
            Some(lines) => (lines, Outcome::Ok),
            None => answers::answer(self, &air, &upper, command),
        }
    }

    /// Takes a new state; the unsolicited lines that the change makes it say.
    pub fn set(&mut self, state: State) -> Vec<String> {
        let before = self.air();
        let was_there = self.state.sim.clone();
        self.state = state;
        let mut lines = Vec::new();
        if self.session.active.is_some() && (!self.state.attached() || self.state.bearer != before.bearer) {
            self.session.active = None;
            lines.push("NO CARRIER".into());
        }
        lines.extend(self.sim_changed(&was_there));
        lines.extend(self.changes(&before));
        lines.iter().for_each(|line| self.log.push_back(format!("< {line}")));
        lines
    }

    fn sim_changed(&self, before: &SimCard) -> Option<String> {
        if *before == self.state.sim {
            return None;
        }
        let there = self.state.sim == SimCard::Ready;
        let line = match self.family {
            Family::Quectel | Family::QuectelLte if there => "+CPIN: READY",
            Family::Quectel | Family::QuectelLte => "+CPIN: NOT READY",
            Family::Simcom if there => "+SIMCARD: READY",
            Family::Simcom => "+SIMCARD: NOT AVAILABLE",
            Family::Huawei if there => "^SIMST:1",
            Family::Huawei => "^SIMST:255",
            Family::Generic => return None,
        };
        Some(line.into())
    }

    /// The unsolicited registration lines between `before` and now.
    pub fn changes(&self, before: &State) -> Vec<String> {
        let now = self.air();
        let line = |(domain, n): (&Domain, &u8)| {
            let new = answers::registration(*domain, &now, *n, false);
            (*n > 0 && new != answers::registration(*domain, before, *n, false)).then_some(new)
        };
        self.session.notify.iter().filter_map(line).collect()
    }
}

/// The commands of one line: basic ones follow each other, extended ones end at a semicolon outside quotes.
fn split(body: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = body.trim();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            ' ' | ';' => {
                rest = &rest[1..];
                continue;
            }
            'D' | 'd' => rest.len(),
            c if c.is_ascii_alphabetic() || c == '&' => {
                let head = if c == '&' { 2.min(rest.len()) } else { 1 };
                rest[head..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |at| head + at)
            }
            _ => {
                let mut quoted = false;
                let semicolon = rest.char_indices().find(|(_, c)| {
                    quoted ^= *c == '"';
                    *c == ';' && !quoted
                });
                semicolon.map_or(rest.len(), |(at, _)| at)
            }
        };
        found.push(rest[..end].trim().to_owned());
        rest = &rest[end..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(modem: &mut Modem, line: &str) -> Vec<String> {
        let reply = modem.hear(line).expect("it answers");
        reply.text.split("\r\n").filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    }

    fn modem(family: Family, state: State) -> Modem {
        let mut modem = Modem::new(family, state, 1);
        assert_eq!(ask(&mut modem, "ATZE0V1"), ["ATZE0V1\r", "OK"]);
        modem
    }

    #[test]
    fn its_replies_agree_with_its_state() {
        let cases: [(Family, State, &str, &[&str]); 15] = [
            (Family::Generic, State::level(-97, -10, 8), "AT+CESQ", &["+CESQ: 99,99,255,255,20,44", "OK"]),
            (Family::Generic, State::nsa(), "AT+CESQ", &["+CESQ: 99,99,255,255,22,56,67,61,83", "OK"]),
            (Family::Generic, State::searching(), "AT+CESQ", &["+CESQ: 99,99,255,255,255,255", "OK"]),
            (Family::Generic, State::limited(), "AT+CEREG?", &["+CEREG: 0,0", "OK"]),
            (Family::Generic, State::no_sim(), "AT+CMEE=1;+CPIN?", &["+CME ERROR: 10"]),
            (Family::Generic, State::good(), "AT+COPS=3,2;+COPS?", &["+COPS: 0,2,\"45204\",7", "OK"]),
            (Family::Generic, State::good(), "AT+CEREG=2;+CEREG?", &["+CEREG: 2,1,\"1F00\",\"79D903\",7", "OK"]),
            (Family::Generic, State::denied(13), "AT+CEREG=3;+CEREG?", &["+CEREG: 3,3,,,,0,13", "OK"]),
            (Family::Generic, State::bearer_refused(33), "AT+CMEE=1;+CGACT=1,1", &["+CME ERROR: 133"]),
            (Family::Generic, State::good(), "AT+QCAINFO", &["ERROR"]),
            (
                Family::Quectel,
                State::limited(),
                "AT+QENG=\"servingcell\"",
                &[
                    "+QENG: \"servingcell\",\"LIMSRV\",\"LTE\",\"FDD\",452,02,79D903,295,1350,3,5,5,1F00,-91,-9,-62,9,11,-,37",
                    "OK",
                ],
            ),
            (
                Family::QuectelLte,
                State::good(),
                "AT+QENG=\"servingcell\"",
                &[
                    "+QENG: \"servingcell\",\"NOCONN\",\"LTE\",\"FDD\",452,04,79D903,295,1350,3,5,5,1F00,-85,-9,-56,14,37",
                    "OK",
                ],
            ),
            (
                Family::Simcom,
                State::good(),
                "AT+CPSI?",
                &["+CPSI: LTE,Online,452-04,0x1F00,7985411,295,EUTRAN-BAND3,1350,5,5,-90,-850,-560,14", "OK"],
            ),
            (Family::Huawei, State::good(), "AT^HCSQ?", &["^HCSQ: \"LTE\",65,56,171,22", "OK"]),
            (Family::Huawei, State::searching(), "AT^HCSQ?", &["^HCSQ: \"NOSERVICE\"", "OK"]),
        ];
        for (family, state, asked, expected) in cases {
            assert_eq!(ask(&mut modem(family, state), asked), expected, "{family:?} {asked}");
        }
    }

    #[test]
    fn a_change_says_what_was_asked_for_and_nothing_else() {
        let mut modem = modem(Family::Generic, State::good());
        ask(&mut modem, "AT+CREG=1;+CEREG=2");
        assert_eq!(modem.set(State::searching()), ["+CREG: 2", "+CEREG: 2"]);
        assert_eq!(modem.set(State::searching()), [""; 0]);
        assert_eq!(modem.set(State::good()), ["+CREG: 1", "+CEREG: 1,\"1F00\",\"79D903\",7"]);
        assert_eq!(modem.set(State::moved()), ["+CEREG: 1,\"1F00\",\"79DA01\",7"]);
        ask(&mut modem, "ATD*99***1#");
        assert_eq!(modem.set(State::denied(15)), ["NO CARRIER", "+CREG: 3", "+CEREG: 3"]);
    }
}
