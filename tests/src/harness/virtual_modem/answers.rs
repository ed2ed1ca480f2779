//! What 27.007 answers, from the state alone.

use super::engine::Modem;
use super::state::{Bearer, Cell, Family, Rat, SimCard, State};

/// A registration command and its unsolicited line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Domain {
    Creg,
    Cgreg,
    Cereg,
    C5greg,
}

const DOMAINS: [(&str, Domain); 4] =
    [("+CREG", Domain::Creg), ("+CGREG", Domain::Cgreg), ("+CEREG", Domain::Cereg), ("+C5GREG", Domain::C5greg)];

/// The last line of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Error,
    /// `+CME ERROR`, 27.007 section 9.2.
    Cme(u16),
    Connect,
    NoCarrier,
}

impl Outcome {
    pub fn text(&self, cmee: u8) -> String {
        match self {
            Outcome::Ok => "OK".into(),
            Outcome::Connect => "CONNECT 150000000".into(),
            Outcome::NoCarrier => "NO CARRIER".into(),
            Outcome::Cme(code) if cmee > 0 => format!("+CME ERROR: {code}"),
            Outcome::Cme(_) | Outcome::Error => "ERROR".into(),
        }
    }
}

type Answer = (Vec<String>, Outcome);

fn ok(line: impl Into<String>) -> Answer {
    (vec![line.into()], Outcome::Ok)
}

fn plain() -> Answer {
    (vec![], Outcome::Ok)
}

fn fails(outcome: Outcome) -> Answer {
    (vec![], outcome)
}

/// `command` as it was said, `upper` in capitals.
pub fn answer(modem: &mut Modem, air: &State, upper: &str, command: &str) -> Answer {
    let identity = identity(modem, upper);
    let sim = sim(modem, upper);
    let (name, argument) = upper.find(['=', '?']).map_or((upper, ""), |at| upper.split_at(at));
    if let Some(answer) = identity.or(sim) {
        return answer;
    }
    if let Some((_, domain)) = DOMAINS.iter().find(|(command, _)| *command == name) {
        return registering(modem, air, *domain, argument);
    }
    match (name, argument) {
        ("+CFUN", _) => cfun(modem, argument),
        ("+CSQ", "") => ok(csq(air)),
        ("+CSQ", "=?") => ok("+CSQ: (0-31,99),(99)"),
        ("+CESQ", "") => ok(cesq(modem.family, air)),
        ("+CESQ", "=?") => ok("+CESQ: (0-63,99),(99),(0-96,255),(0-49,255),(0-34,255),(0-97,255)"),
        ("+COPS", _) => cops(modem, air, argument),
        ("+WS46", "?") => ok("+WS46: 25"),
        ("+WS46", "=?") => ok("+WS46: (12,22,25,28,29)"),
        ("+CGATT", "?") => ok(format!("+CGATT: {}", u8::from(air.attached()))),
        ("+CEER", "") => ok(ceer(air)),
        ("+CPAS", "") => ok(format!("+CPAS: {}", if modem.session.active.is_some() { 4 } else { 0 })),
        ("+CMEE", _) => {
            modem.session.cmee = argument.trim_start_matches('=').parse().unwrap_or(modem.session.cmee);
            plain()
        }
        ("+CGDCONT" | "+CGACT" | "+CGPADDR" | "+CGCONTRDP" | "+CGDATA", _) => contexts(modem, air, name, command),
        _ => basic(modem, air, upper),
    }
}

fn basic(modem: &mut Modem, air: &State, upper: &str) -> Answer {
    match upper {
        "E0" => modem.session.echo = false,
        "E1" | "E" => modem.session.echo = true,
        "H" | "H0" => modem.session.active = None,
        dial if dial.starts_with("D*99") => return dialled(modem, air, 1),
        one if one.starts_with(['V', 'Z', 'X', 'S', 'Q', '&']) => {}
        _ => return fails(Outcome::Error),
    }
    plain()
}

fn identity(modem: &Modem, upper: &str) -> Option<Answer> {
    let (maker, model, revision) = match modem.family {
        Family::Generic => ("Phusong", "VM-1", "1.0"),
        Family::Quectel => ("Quectel", "RM520N-GL", "RM520NGLAAR03A03M4G"),
        Family::QuectelLte => ("Quectel", "EG25", "EG25GGBR07A08M2G"),
        Family::Simcom => ("SIMCOM INCORPORATED", "SIMCOM_SIM8200EA-M2", "LE20B02SIM8200M44A-M2"),
        Family::Huawei => ("huawei", "E3372", "22.328.00.00.00"),
    };
    let text = match upper {
        "+CGMI" | "+GMI" => maker.to_owned(),
        "+CGMM" | "+GMM" => model.to_owned(),
        "+CGMR" | "+GMR" if modem.family == Family::Simcom => format!("+CGMR: {revision}"),
        "+CGMR" | "+GMR" => revision.to_owned(),
        "+CGSN" | "+GSN" => imei(modem.number),
        "I" => return Some((vec![maker.into(), model.into(), format!("Revision: {revision}")], Outcome::Ok)),
        "+GCAP" => "+GCAP: +CGSM".into(),
        _ => return None,
    };
    Some(ok(text))
}

/// 15 digits, the last by Luhn (TS 23.003 annex B).
pub fn imei(number: u16) -> String {
    let body = format!("358000{number:08}");
    let digits = body.bytes().enumerate().map(|(at, digit)| {
        let value = u32::from(digit - b'0') * if at % 2 == 1 { 2 } else { 1 };
        value / 10 + value % 10
    });
    format!("{body}{}", (10 - digits.sum::<u32>() % 10) % 10)
}

fn sim(modem: &Modem, upper: &str) -> Option<Answer> {
    let asks_the_card = ["+CIMI", "+CRSM=", "+CSIM=", "+CCID", "+ICCID", "+QCCID", "+CNUM", "+CPIN?", "+CLCK="];
    if !asks_the_card.iter().any(|head| upper.starts_with(head)) || upper.ends_with("=?") {
        return None;
    }
    let refused = match modem.state.sim {
        SimCard::Ready => None,
        SimCard::Absent => Some(10),
        SimCard::Failure => Some(13),
        SimCard::Busy => Some(14),
        SimCard::Pin if upper == "+CPIN?" => return Some(ok("+CPIN: SIM PIN")),
        SimCard::Puk if upper == "+CPIN?" => return Some(ok("+CPIN: SIM PUK")),
        SimCard::Pin => Some(11),
        SimCard::Puk => Some(12),
    };
    if let Some(code) = refused {
        return Some(fails(Outcome::Cme(code)));
    }
    let number = modem.number;
    Some(match upper {
        "+CPIN?" => ok("+CPIN: READY"),
        "+CIMI" => ok(format!("45204{number:010}")),
        "+CCID" | "+ICCID" | "+QCCID" => ok(format!("{}: 898404{number:014}", upper)),
        "+CNUM" => plain(),
        // EF_ICCID in swapped digits, EF_AD with two digits of MNC, EF_SPN.
        "+CRSM=176,12258,0,0,10" => ok(format!("+CRSM: 144,0,\"{}\"", swapped(&format!("898404{number:014}")))),
        "+CRSM=176,28589,0,0,4" => ok("+CRSM: 144,0,\"00000002\""),
        "+CRSM=176,28486,0,0,17" => ok("+CRSM: 144,0,\"015669657474656CFFFFFFFFFFFFFFFFFF\""),
        _ if upper.starts_with("+CRSM=") => ok("+CRSM: 106,130,\"\""),
        "+CLCK=\"SC\",2" => ok("+CLCK: 0"),
        _ => fails(Outcome::Error),
    })
}

fn swapped(digits: &str) -> String {
    digits.as_bytes().chunks(2).flat_map(|pair| pair.iter().rev().map(|digit| char::from(*digit))).collect()
}

fn cfun(modem: &mut Modem, argument: &str) -> Answer {
    match argument {
        "?" => ok(format!("+CFUN: {}", modem.session.cfun)),
        "=?" => ok("+CFUN: (0,1,4),(0,1)"),
        _ => {
            let level = argument.trim_start_matches('=').split(',').next().and_then(|level| level.trim().parse().ok());
            let Some(level) = level.filter(|level| [0, 1, 4].contains(level)) else {
                return fails(Outcome::Cme(50));
            };
            modem.session.cfun = level;
            plain()
        }
    }
}

fn registering(modem: &mut Modem, air: &State, domain: Domain, argument: &str) -> Answer {
    let five = matches!(modem.family, Family::Quectel | Family::Simcom);
    if domain == Domain::C5greg && !five
        || domain == Domain::Cereg
            && air.cell.as_ref().is_some_and(|c| c.rat == Rat::Gsm)
            && modem.family == Family::Huawei
    {
        return fails(Outcome::Error);
    }
    let n = modem.session.notify.get(&domain).copied().unwrap_or(0);
    match argument {
        "?" => ok(registration(domain, air, n, true)),
        "=?" => ok(format!("{}: (0-3)", name_of(domain))),
        _ => match argument.trim_start_matches('=').trim().parse() {
            Ok(n) if n <= 3 => {
                modem.session.notify.insert(domain, n);
                plain()
            }
            _ => fails(Outcome::Cme(50)),
        },
    }
}

fn name_of(domain: Domain) -> &'static str {
    DOMAINS.iter().find(|(_, one)| *one == domain).map_or("", |(name, _)| name)
}

/// One registration line; `asked`: with `<n>`, as the reply to a question.
pub fn registration(domain: Domain, air: &State, n: u8, asked: bool) -> String {
    let serves = |rat: Rat| match domain {
        Domain::Creg => rat != Rat::NrSa,
        Domain::Cgreg => matches!(rat, Rat::Gsm | Rat::Umts),
        Domain::Cereg => rat == Rat::Lte,
        Domain::C5greg => rat == Rat::NrSa,
    };
    let ours = air.cell.as_ref().is_none_or(|cell| serves(cell.rat));
    let stat = if ours { air.stat } else { 0 };
    let head = if asked { format!("{}: {n},{stat}", name_of(domain)) } else { format!("{}: {stat}", name_of(domain)) };
    match (air.home_cell(), air.cause) {
        (Some(cell), _) if ours && n >= 2 => {
            format!("{head},\"{:04X}\",\"{:X}\",{}", cell.tac, cell.id, act(cell.rat))
        }
        (_, Some(cause)) if ours && n == 3 && stat == 3 => format!("{head},,,,0,{cause}"),
        _ => head,
    }
}

fn act(rat: Rat) -> u8 {
    match rat {
        Rat::Gsm => 0,
        Rat::Umts => 2,
        Rat::Lte => 7,
        Rat::NrSa => 11,
    }
}

fn csq(air: &State) -> String {
    match &air.cell {
        Some(cell) if cell.rat != Rat::NrSa => format!("+CSQ: {},99", ((cell.rssi_dbm() + 113) / 2).clamp(0, 31)),
        _ => "+CSQ: 99,99".into(),
    }
}

/// Indexes of the bins whose lower bounds are the state's values.
fn cesq(family: Family, air: &State) -> String {
    let level = |cell: &Cell, offset: i32, top: i32| (cell.level_dbm + offset).clamp(0, top);
    let mut fields = [99, 99, 255, 255, 255, 255];
    let mut nr = [255, 255, 255];
    if let Some(cell) = &air.cell {
        match cell.rat {
            Rat::Gsm => fields[0] = level(cell, 111, 63),
            Rat::Umts => {
                fields[2] = level(cell, 121, 96);
                fields[3] = (cell.quality_db * 2 + 49).clamp(0, 49);
            }
            Rat::Lte => {
                fields[4] = ((cell.quality_db + 20) * 2).clamp(0, 34);
                fields[5] = level(cell, 141, 97);
            }
            Rat::NrSa => nr = nr_bins(cell.level_dbm, cell.quality_db, cell.sinr_db),
        }
    }
    if let Some(leg) = &air.leg {
        nr = nr_bins(leg.rsrp_dbm, leg.rsrq_db, leg.sinr_db);
    }
    let nine = nr != [255; 3] || matches!(family, Family::Quectel | Family::Simcom);
    let all = fields.iter().chain(nr.iter().filter(|_| nine));
    format!("+CESQ: {}", all.map(ToString::to_string).collect::<Vec<_>>().join(","))
}

fn nr_bins(rsrp_dbm: i32, rsrq_db: i32, sinr_db: i32) -> [i32; 3] {
    [(rsrq_db * 2 + 87).clamp(0, 126), (rsrp_dbm + 157).clamp(0, 126), (sinr_db * 2 + 47).clamp(0, 127)]
}

fn cops(modem: &mut Modem, air: &State, argument: &str) -> Answer {
    match argument {
        "=?" => {
            let one = |o: &super::state::Operator| {
                format!("({},\"{}\",\"{}\",\"{}\",{})", o.availability, o.name, o.name, o.plmn, o.act)
            };
            let list: Vec<String> = air.operators.iter().map(one).collect();
            ok(format!("+COPS: {},,(0-4),(0-2)", list.join(",")))
        }
        "?" => ok(match air.home_cell() {
            None => "+COPS: 0".into(),
            Some(cell) => {
                let plmn = format!("{}{}", cell.mcc, cell.mnc);
                let known = air.operators.iter().find(|operator| operator.plmn == plmn);
                let name =
                    if modem.session.format == 2 { plmn.as_str() } else { known.map_or(plmn.as_str(), |o| o.name) };
                format!("+COPS: 0,{},\"{name}\",{}", modem.session.format, act(cell.rat))
            }
        }),
        _ => {
            if let Some(format) = argument.strip_prefix("=3,").and_then(|format| format.trim().parse().ok()) {
                modem.session.format = format;
            }
            plain()
        }
    }
}

fn ceer(air: &State) -> String {
    match (&air.bearer, air.cause) {
        (_, Some(cause)) if air.stat == 3 => format!("+CEER: EMM cause {cause}"),
        (Bearer::Refused(cause), _) => format!("+CEER: ESM cause {cause}"),
        _ => "+CEER: No cause information available".into(),
    }
}

fn contexts(modem: &mut Modem, air: &State, name: &str, command: &str) -> Answer {
    let argument = command.get(name.len()..).unwrap_or_default();
    let active = modem.session.active;
    let all: Vec<u8> = modem.session.contexts.keys().copied().collect();
    let numbers: Vec<&str> = argument.trim_start_matches('=').split(',').map(str::trim).collect();
    match (name, argument) {
        ("+CGDCONT", "?") => {
            let line = |(cid, (kind, apn)): (&u8, &(String, String))| {
                format!("+CGDCONT: {cid},\"{kind}\",\"{apn}\",\"0.0.0.0\",0,0")
            };
            (modem.session.contexts.iter().map(line).collect(), Outcome::Ok)
        }
        ("+CGDCONT", "=?") => {
            let kind = |kind: &str| format!("+CGDCONT: (1-16),\"{kind}\",,,(0-2),(0-4)");
            (["IP", "IPV6", "IPV4V6"].map(kind).to_vec(), Outcome::Ok)
        }
        ("+CGDCONT", _) => {
            let Some(cid) = numbers.first().and_then(|cid| cid.parse().ok()) else { return fails(Outcome::Cme(50)) };
            let word = |at: usize| numbers.get(at).map(|word| word.trim_matches('"').to_owned());
            match (word(1), word(2)) {
                (Some(kind), apn) => drop(modem.session.contexts.insert(cid, (kind, apn.unwrap_or_default()))),
                (None, _) => drop(modem.session.contexts.remove(&cid)),
            }
            plain()
        }
        ("+CGACT", "?") => {
            let line = |cid: &u8| format!("+CGACT: {cid},{}", u8::from(active == Some(*cid)));
            (all.iter().map(line).collect(), Outcome::Ok)
        }
        ("+CGACT", "=?") => ok("+CGACT: (0,1)"),
        ("+CGACT", _) if numbers[0] == "1" => match dialled(modem, air, cid_of(numbers.get(1).copied())) {
            (lines, Outcome::Connect) => (lines, Outcome::Ok),
            refused => refused,
        },
        ("+CGACT", _) => {
            modem.session.active = None;
            plain()
        }
        ("+CGDATA", _) if argument != "=?" => dialled(modem, air, cid_of(numbers.get(1).copied())),
        ("+CGPADDR", _) if argument != "=?" => {
            ok(active.map_or_else(|| "+CGPADDR: 1".into(), |cid| format!("+CGPADDR: {cid},\"192.0.2.45\"")))
        }
        ("+CGCONTRDP", _) if argument != "=?" => match active {
            Some(cid) => {
                let apn = modem.session.contexts.get(&cid).map_or("", |(_, apn)| apn);
                ok(format!("+CGCONTRDP: {cid},5,\"{apn}\",\"192.0.2.45.255.255.255.0\",\"192.0.2.1\",\"192.0.2.53\""))
            }
            None => plain(),
        },
        _ => fails(Outcome::Error),
    }
}

fn cid_of(word: Option<&str>) -> u8 {
    word.and_then(|word| word.parse().ok()).unwrap_or(1)
}

/// Asks the network for a bearer. ESM causes become errors of 27.007 section 9.2.2: 100 more, and 149 for 29.
fn dialled(modem: &mut Modem, air: &State, cid: u8) -> Answer {
    match air.bearer {
        _ if !air.attached() => fails(Outcome::NoCarrier),
        Bearer::Granted => {
            modem.session.active = Some(cid);
            fails(Outcome::Connect)
        }
        Bearer::Refused(29) => fails(Outcome::Cme(149)),
        Bearer::Refused(cause) => fails(Outcome::Cme(cause + 100)),
    }
}
