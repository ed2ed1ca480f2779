//! Reply lines of modems against what they mean, as they are and mutated by rule.
//!
//! `modem_fixtures/*.txt`: `reply | object`, or a list of objects, each without `raw`; `# model NAME` holds for the file.

use phusong_agent::device::modem::decode::{Decoded, Kind, Reject, Service, decode};
use serde_json::{Map, Value};
use std::path::PathBuf;

struct Fixture {
    file: String,
    model: Option<String>,
    reply: String,
    expected: Vec<Value>,
}

fn fixtures() -> Vec<Fixture> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/modem_fixtures");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&dir).expect("the directory of the fixtures") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let model = text.lines().find_map(|line| line.strip_prefix("# model ")).map(str::to_owned);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (reply, expected) = line.split_once(" | ").unwrap_or_else(|| panic!("{}: {line}", path.display()));
            let expected = match serde_json::from_str(expected).unwrap_or_else(|e| panic!("{line}: {e}")) {
                Value::Array(many) => many,
                one => vec![one],
            };
            let file = path.file_stem().expect("a name").to_string_lossy().into_owned();
            all.push(Fixture { file, model: model.clone(), reply: reply.to_owned(), expected });
        }
    }
    assert!(all.len() > 150, "{}", all.len());
    all
}

fn objects(reply: &str, model: Option<&str>) -> Vec<Map<String, Value>> {
    let as_map = |one: Decoded| match serde_json::to_value(&one).expect("a plain struct") {
        Value::Object(map) => map,
        other => panic!("{other}"),
    };
    decode(reply, model).into_iter().map(as_map).collect()
}

fn without_raw(mut objects: Vec<Map<String, Value>>) -> Vec<Value> {
    objects.iter_mut().for_each(|one| {
        let raw = one.remove("raw");
        assert!(raw.as_ref().and_then(Value::as_str).is_some_and(|raw| !raw.is_empty()), "{one:?}");
    });
    objects.into_iter().map(Value::Object).collect()
}

/// Numbers are f32 here and were read as f64 there.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-4,
        _ => match (a, b) {
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
            }
            (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
            _ => a == b,
        },
    }
}

fn check(reply: &str, fixture: &Fixture) {
    let got = Value::Array(without_raw(objects(reply, fixture.model.as_deref())));
    let expected = Value::Array(fixture.expected.clone());
    assert!(same(&got, &expected), "{}: {reply:?}\n     got {got}\nexpected {expected}", fixture.file);
}

#[test]
fn every_line_that_modems_print_means_what_it_means() {
    fixtures().iter().for_each(|fixture| check(&fixture.reply, fixture));
}

#[test]
fn every_object_keeps_its_line() {
    let reply = "\r\n+CEREG: 1, 1F00, 79D903 ,7\r\n\r\n+QENG: \"NR5G-NSA\",\r\n";
    let raws: Vec<String> = decode(reply, None).into_iter().map(|one| one.raw).collect();
    assert_eq!(raws, ["+CEREG: 1, 1F00, 79D903 ,7", "+QENG: \"NR5G-NSA\","]);
}

#[test]
fn limited_service_is_seen_whatever_word_the_modem_has_for_it() {
    let cases = [
        (
            "+CPSI: LTE-LIMITED,Online,460-01,0x18DB,8718111,313,EUTRAN-BAND3,1650,5,5,-147,-958,-612,30",
            Service::Limited,
        ),
        ("+CPSI: GSM-LIMITED,Online,460-00,0x182d,12401,27 EGSM 900,-64,2110,42-42", Service::Limited),
        (
            "+QENG: \"servingcell\",\"LIMSRV\",\"eMTC\",\"FDD\",240,42,C511706,6,9435,28,2,2,8,-82,-5,-63,16,57",
            Service::Limited,
        ),
        ("^SYSINFOEX:1,3,0,1,,6,\"LTE\",101,\"LTE\"", Service::Limited),
        ("^SYSINFOEX:3,3,0,1,,6,\"LTE\",101,\"LTE\"", Service::Limited),
        ("^SYSINFOEX:4,0,0,1,,6,\"LTE\",101,\"LTE\"", Service::None),
        ("+QNWINFO: \"NONE\"", Service::None),
        ("+QCSQ: \"NOSERVICE\"", Service::None),
        ("^MONSC: NONE", Service::None),
    ];
    for (line, service) in cases {
        assert_eq!(decode(line, None).first().and_then(|one| one.service), Some(service), "{line}");
    }
}

#[test]
fn a_denial_without_a_place_has_its_cause() {
    for line in ["+CEREG: 3,,,7,0,15", "+CEREG: 3,\"\",\"\",7,0,15", "+CEREG: 3,3,,,7,0,15", "+CEREG: 3,,,,0,15"] {
        let one = &decode(line, None)[0];
        assert_eq!((one.stat, one.reject), (Some(3), Some(Reject { standard: true, cause: 15 })), "{line}");
    }
}

#[test]
fn a_carrier_that_is_not_configured_serves_nobody_and_one_of_zeros_is_no_measurement() {
    let off = &decode("+QCAINFO: \"SCC\",275,50,\"LTE BAND 1\",0,17,-99,-12,-70,9", None)[0];
    assert_eq!((off.serving, off.pci), (Some(false), Some(17)));
    for line in
        ["+QCAINFO: \"SCC\",0,0,\"LTE BAND 0\",0,0,0,0,0,0", "+QCAINFO: \"SCC\",1300,75,\"NR5G BAND 3\",0,0,0,0,0"]
    {
        let none = &decode(line, None)[0];
        assert_eq!((none.kind, none.state.as_deref()), (Some(Kind::Signal), Some("no cell")), "{line}");
        assert!(!none.has_level() && none.pci.is_none() && none.serving.is_none(), "{line}");
    }
}

#[test]
fn a_wide_cell_refutes_gsm() {
    for line in
        ["+CREG: 2,1,\"2AFB\",\"2FAA03\",0", "+CGREG: 2,1,\"2AFB\",\"2FAA03\",3", "+CEREG: 2,1,\"2AFB\",\"2FAA\",0"]
    {
        let one = &decode(line, None)[0];
        assert!(one.technology.is_none() && one.act.is_some() && one.cell_id.is_some(), "{line}: {one:?}");
    }
}

/// The commas of a line that stand in no quotes.
fn commas(text: &str) -> Vec<usize> {
    let mut in_quotes = false;
    let outside = |(at, c): (usize, char)| {
        in_quotes ^= c == '"';
        (c == ',' && !in_quotes).then_some(at)
    };
    text.char_indices().filter_map(outside).collect()
}

/// Name with its colon, and the fields.
fn parts(reply: &str) -> Option<(&str, Vec<&str>)> {
    let colon = reply.find(':').filter(|_| reply.starts_with(['+', '^']))? + 1;
    let (name, rest) = reply.split_at(colon);
    let mut from = 0;
    let mut fields = Vec::new();
    for at in commas(rest) {
        fields.push(&rest[from..at]);
        from = at + 1;
    }
    fields.push(&rest[from..]);
    Some((name, fields))
}

/// What changes how a line looks and not what it says.
fn harmless(fixture: &Fixture) -> Vec<String> {
    let reply = &fixture.reply;
    let mut all = vec![
        format!("{reply}\r\n"),
        format!("\r\n{reply}\r\n\r\nOK\r\n"),
        format!("AT+WHAT?\r\r\n{reply}\r\n"),
        format!("  {reply}\t"),
        format!("\u{feff}{reply}\0"),
    ];
    let Some((name, fields)) = parts(reply).filter(|_| !reply.contains('⏎')) else { return all };
    let joined = |fields: Vec<String>, by: &str| fields.join(by);
    let trimmed = |text: &str| fields.iter().map(|field| field.trim().to_owned()).collect::<Vec<_>>().join(text);
    all.extend([
        format!("{name}{}", trimmed(",")),
        format!("{name} {}", trimmed(",")),
        format!("{name}   {}", trimmed(" , ")),
        format!("{name} {}", trimmed(",\t")),
        format!("{}{}", name.to_ascii_lowercase(), trimmed(",")),
    ]);
    let has_name_with_comma = fields.iter().any(|field| field.contains('"') && field.contains([',', '(']));
    if !has_name_with_comma {
        all.push(reply.replace('"', ""));
    }
    // Quotes tell an area from a state, so that they cannot be put anywhere there; groups have theirs inside.
    if !name.contains("REG") && !reply.contains('(') {
        let quoted = |field: &&str| format!("\"{}\"", field.trim().trim_matches('"'));
        all.push(format!("{name} {}", joined(fields.iter().map(quoted).collect(), ",")));
    }
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit()) && text.bytes().any(|b| b.is_ascii_digit());
    for lower in [true, false] {
        let other_case = |field: &&str| match is_hex(field.trim().trim_matches('"')) {
            true if lower => field.to_ascii_lowercase(),
            true => field.to_ascii_uppercase(),
            false => (*field).to_owned(),
        };
        all.push(format!("{name}{}", joined(fields.iter().map(other_case).collect(), ",")));
    }
    all
}

#[test]
fn line_ends_spaces_quotes_and_the_case_of_digits_change_nothing() {
    for fixture in fixtures() {
        harmless(&fixture).iter().for_each(|mutated| check(mutated, &fixture));
    }
}

/// What takes something away from a line: its end, or one of its fields.
fn harmful(fixture: &Fixture) -> Vec<String> {
    let reply = fixture.reply.trim_matches('⏎');
    let Some((name, fields)) = parts(reply).filter(|_| !reply.contains('⏎')) else { return Vec::new() };
    let mut all = Vec::new();
    // A registration of one field is a state that was not asked for, whatever it was before.
    let least = if name.contains("REG") { 2 } else { 0 };
    all.extend((least..fields.len()).map(|kept| format!("{name}{}", fields[..kept].join(","))));
    for at in 0..fields.len() {
        for instead in ["", "-", "-32768", "x", "\"\"", "99999999999", "\u{1F4F6}"] {
            let mut changed = fields.clone();
            // Within a group the parentheses stay.
            let (open, close) = (fields[at].trim().starts_with('('), fields[at].trim().ends_with(')'));
            let text = format!("{}{instead}{}", if open { "(" } else { "" }, if close { ")" } else { "" });
            changed[at] = &text;
            all.push(format!("{name}{}", changed.join(",")));
        }
    }
    all
}

/// What an object says beside what it is about. An area without its technology may be of either kind.
fn values(object: &Value) -> Vec<(&str, &Value)> {
    let about = ["error", "kind", "state", "clipped", "doubtful", "serving", "raw"];
    let fields = object.as_object().expect("an object").iter();
    let named = fields.map(|(key, value)| (if key == "lac" || key == "tac" { "area" } else { key.as_str() }, value));
    named.filter(|(key, _)| !about.contains(key)).collect()
}

#[test]
fn what_is_missing_is_left_out_and_what_remains_stays_what_it_was() {
    let mut remained = 0;
    for fixture in fixtures() {
        // What a cell has is what its best branch has: without the best one it is the next one's.
        let of_branches = ["+QRSRP", "+QRSRQ", "+QSINR"].iter().any(|name| fixture.reply.starts_with(name));
        for mutated in harmful(&fixture).iter().filter(|_| !of_branches) {
            let got = without_raw(objects(mutated, fixture.model.as_deref()));
            assert!(!got.is_empty(), "{mutated:?} gives nothing");
            for object in &got {
                let disputed = |of: &Value, key: &str| {
                    of["doubtful"].as_array().is_some_and(|names| names.iter().any(|name| name == key))
                };
                let fits = |of: &&Value| {
                    let known = values(of);
                    let is_known = |(key, value): (&str, &Value)| {
                        known.iter().any(|(k, v)| *k == key && same(v, value)) || disputed(of, key)
                    };
                    values(object).into_iter().all(is_known)
                };
                assert!(
                    fixture.expected.iter().any(|of| fits(&of)),
                    "{}: {mutated:?}\n     got {object}\noriginal {:?}",
                    fixture.reply,
                    fixture.expected
                );
                remained += values(object).len();
            }
        }
    }
    assert!(remained > 10_000, "{remained} values remained");
}

#[test]
fn a_line_cut_anywhere_claims_nothing_new() {
    for fixture in fixtures() {
        for (at, _) in fixture.reply.char_indices().skip(1) {
            let got = objects(&fixture.reply[..at], fixture.model.as_deref());
            got.iter().for_each(|one| assert!(one.contains_key("error") || one.contains_key("kind"), "{one:?}"));
        }
    }
}

#[test]
fn a_reply_without_end_has_a_bound() {
    let many = "+CSQ: 20,99\r\n".repeat(5000);
    assert_eq!(decode(&many, None).len(), phusong_agent::device::modem::decode::MAX_OBJECTS);
    let groups = format!("+COPS: {}", "(1,\"\",\"\",\"45204\",7),".repeat(150));
    assert_eq!(decode(&groups, None).len(), 150);
    let deep = format!("+COPS: {}", "(".repeat(4000));
    assert_eq!(decode(&deep, None).len(), 1);
}
