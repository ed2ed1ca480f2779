//! What a line of a modem is: the answer to a command, its end, an echo, or news that nobody asked for.
//!
//! In: a line and the command that waits. Out: [`Heard`]. Refuses to know: what the line means. Limits: news that look
//! like the answer count as the answer; those of registration are heard in both.

/// Why a modem did not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// `ERROR` and what stands for it.
    Plain,
    /// `+CME ERROR`: a number of TS 27.007 9.2, absent where it is a text that we do not know.
    Cme(Option<u16>),
    /// `+CMS ERROR`.
    Cms,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Echo,
    /// A line of the answer.
    Part,
    Done,
    Refused(Refusal),
    News,
}

/// Commands whose answer has no name before it.
const PLAIN: [&str; 5] = ["+CGMI", "+CGMM", "+CGMR", "+CIMI", "I"];

/// Words of their own that modems say unasked.
const WORDS: [&str; 12] = [
    "RDY",
    "APP RDY",
    "RING",
    "NO CARRIER",
    "BUSY",
    "NO ANSWER",
    "Call Ready",
    "SMS Ready",
    "SMS DONE",
    "PB DONE",
    "POWERED DOWN",
    "NORMAL POWER DOWN",
];

/// Texts of verbose errors (`+CMEE=2`) that decide something.
const TEXTS: [(&str, u16); 10] = [
    ("operation not allowed", 3),
    ("operation not supported", 4),
    ("sim not inserted", 10),
    ("sim pin required", 11),
    ("sim puk required", 12),
    ("sim failure", 13),
    ("sim busy", 14),
    ("sim wrong", 15),
    ("no network service", 30),
    ("unknown", 100),
];

impl Refusal {
    /// Whether it says that the modem does not know the command, not that it cannot do it now.
    pub fn is_for_good(&self) -> bool {
        // Not allowed and not supported, index and text errors, incorrect parameters, unknown.
        matches!(self, Refusal::Plain | Refusal::Cme(Some(3 | 4 | 20..=27 | 50 | 58 | 100)))
    }
}

/// `+CEREG` of `AT+CEREG?`; empty for commands that answer `OK` alone.
pub fn name(command: &str) -> &str {
    let rest = command.strip_prefix("AT").unwrap_or(command);
    let end = rest.find(['=', '?']).unwrap_or(rest.len());
    &rest[..end]
}

pub fn sort(line: &str, asked: Option<&str>) -> Heard {
    let Some(asked) = asked else { return Heard::News };
    if line == asked || (asked.len() > 4 && line.ends_with(asked)) {
        return Heard::Echo;
    }
    if let Some(end) = end(line) {
        return end;
    }
    let name = name(asked);
    if names(line, name) {
        return Heard::Part;
    }
    // A list of operators goes on in further lines.
    if line.starts_with('(') && name == "+COPS" {
        return Heard::Part;
    }
    let named = line.starts_with(['+', '^', '*', '%', '$']);
    if PLAIN.contains(&name) && !named && !WORDS.iter().any(|word| line.eq_ignore_ascii_case(word)) {
        return Heard::Part;
    }
    Heard::News
}

fn end(line: &str) -> Option<Heard> {
    let refused = |refusal| Some(Heard::Refused(refusal));
    match line {
        "OK" => return Some(Heard::Done),
        "ERROR" | "COMMAND NOT SUPPORT" | "TOO MANY PARAMETERS" | "NOT SUPPORT" => return refused(Refusal::Plain),
        _ => {}
    }
    if let Some(code) = line.strip_prefix("+CME ERROR:") {
        return refused(Refusal::Cme(cme(code.trim())));
    }
    line.starts_with("+CMS ERROR:").then_some(Heard::Refused(Refusal::Cms))
}

fn cme(code: &str) -> Option<u16> {
    let known = || TEXTS.iter().find(|(text, _)| code.eq_ignore_ascii_case(text)).map(|(_, number)| *number);
    code.parse().ok().or_else(known)
}

/// Whether `line` is `name: ..`.
pub fn names(line: &str, name: &str) -> bool {
    let starts = !name.is_empty() && line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    starts && line.get(name.len()..).is_some_and(|rest| rest.trim_start().starts_with(':'))
}

/// What stands behind the name.
pub fn value(line: &str) -> &str {
    let named = line.starts_with(['+', '^']);
    line.split_once(':').filter(|_| named).map_or(line, |(_, value)| value).trim()
}

/// The fields of a value, split at commas outside quotes, without their quotes.
pub fn fields(line: &str) -> Vec<&str> {
    let value = value(line);
    let (mut fields, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                fields.push(bare(&value[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(bare(&value[start..]));
    fields
}

fn bare(field: &str) -> &str {
    field.trim().trim_matches('"').trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_what_the_command_before_it_makes_of_it() {
        let cme = |code| Heard::Refused(Refusal::Cme(code));
        let cases = [
            ("AT+CEREG?", "AT+CEREG?", Heard::Echo),
            ("AT+CEREG?", "+CEREG: 3,1", Heard::Part),
            ("AT+CEREG?", "+CREG: 2", Heard::News),
            ("AT+CEREG?", "OK", Heard::Done),
            ("AT+CEREG?", "ERROR", Heard::Refused(Refusal::Plain)),
            ("AT+CEREG?", "+CME ERROR: 100", cme(Some(100))),
            ("AT+CPIN?", "+CME ERROR: SIM not inserted", cme(Some(10))),
            ("AT+CPIN?", "+CME ERROR: ?!", cme(None)),
            ("AT+CIMI", "452040123456789", Heard::Part),
            ("AT+CIMI", "+CREG: 2", Heard::News),
            ("AT+CGMM", "RDY", Heard::News),
            ("AT+CGMM", "RM520N-GL", Heard::Part),
            ("AT+CGMM", "+CGMM: SIM7600G", Heard::Part),
            ("AT+COPS=?", "(1,\"AT&T\",,\"310410\",0)", Heard::Part),
            ("AT+QENG=\"servingcell\"", "+QENG:\"servingcell\",\"SEARCH\"", Heard::Part),
            ("AT^HCSQ?", "^HCSQ: \"LTE\",30,19,66,0", Heard::Part),
            ("AT^HCSQ?", "^RSSI: 20", Heard::News),
            ("ATE0", "ATE0", Heard::Echo),
        ];
        for (asked, line, heard) in cases {
            assert_eq!(sort(line, Some(asked)), heard, "{asked} {line}");
        }
        assert_eq!(sort("OK", None), Heard::News);
    }

    #[test]
    fn fields_keep_commas_within_quotes() {
        assert_eq!(fields("+CGDCONT: 1,\"IP\",\"v-internet\",,0"), ["1", "IP", "v-internet", "", "0"]);
        assert_eq!(fields("+COPS: 0,0,\"T-Mobile USA, In\",7"), ["0", "0", "T-Mobile USA, In", "7"]);
    }

    proptest! {
        #[test]
        fn nothing_that_a_port_says_makes_the_sorting_panic(line in "\\PC{0,60}", asked in "AT[+^]?[A-Z0-9]{0,6}[=?]?") {
            let _ = (sort(&line, Some(&asked)), fields(&line), value(&line), names(&line, name(&asked)));
        }
    }
}
