//! The parsers of Phủ Sóng, each with what must hold for any input at all.
//!
//! In: bytes. Out: nothing, or a panic that says what broke. Refuses to know: who makes the bytes; `bin/fuzz.rs` has
//! libFuzzer do it, `bin/replay.rs` reads a corpus. Limits: none of its own. A new parser is a row in [`TARGETS`].

mod modem;
mod position;
mod sources;

/// One parser.
pub struct Target {
    pub name: &'static str,
    /// Panics where something that must hold does not.
    pub run: fn(&[u8]),
    /// What its first inputs are made of: files or directories in the repository.
    pub seeds: &'static [&'static str],
    /// Where the code of the parser is: its branches are counted.
    pub sources: &'static [&'static str],
}

const MODEM_SEEDS: &[&str] = &["agent/tests/modem_fixtures"];
const DECODER: &str = "agent/src/device/modem/decode.rs";

pub const TARGETS: &[Target] = &[
    Target {
        name: "modem_indexes",
        run: modem::indexes,
        seeds: MODEM_SEEDS,
        sources: &["agent/src/device/modem/decode/indexes.rs"],
    },
    Target {
        name: "modem_registration",
        run: modem::registration,
        seeds: MODEM_SEEDS,
        sources: &["agent/src/device/modem/decode/registration.rs"],
    },
    Target {
        name: "modem_operators",
        run: modem::operators,
        seeds: MODEM_SEEDS,
        sources: &["agent/src/device/modem/decode/operators.rs"],
    },
    Target {
        name: "modem_quectel",
        run: modem::quectel,
        seeds: MODEM_SEEDS,
        sources: &[
            "agent/src/device/modem/decode/quectel.rs",
            "agent/src/device/modem/decode/neighbours.rs",
            "agent/src/device/modem/decode/carriers.rs",
            "agent/src/device/modem/decode/scale.rs",
        ],
    },
    Target {
        name: "modem_simcom",
        run: modem::simcom,
        seeds: MODEM_SEEDS,
        sources: &["agent/src/device/modem/decode/simcom.rs", "agent/src/device/modem/decode/scale.rs"],
    },
    Target {
        name: "modem_huawei",
        run: modem::huawei,
        seeds: MODEM_SEEDS,
        sources: &["agent/src/device/modem/decode/huawei.rs"],
    },
    Target {
        name: "modem_reply",
        run: modem::reply,
        seeds: MODEM_SEEDS,
        sources: &[DECODER, "agent/src/device/modem/decode/line.rs", "agent/src/device/modem/decode/values.rs"],
    },
    Target {
        name: "at_lines",
        run: sources::at_lines,
        seeds: MODEM_SEEDS,
        sources: &["agent/src/device/modem/at/lines.rs"],
    },
    Target {
        name: "at_reply",
        run: sources::at_reply,
        seeds: MODEM_SEEDS,
        sources: &["agent/src/device/modem/at/reply.rs"],
    },
    Target {
        name: "program_json",
        run: sources::program_json,
        seeds: &["agent/tests/modem_words"],
        sources: &["agent/src/device/modem/command/words.rs"],
    },
    Target {
        name: "gpsd_lines",
        run: position::gpsd,
        seeds: &["agent/tests/gpsd_lines"],
        sources: &["agent/src/device/gpsd.rs", "agent/src/device/gpsd/time.rs"],
    },
];

/// The parser of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// The table as JSON, for the runner.
pub fn list() -> String {
    let row = |t: &Target| serde_json::json!({"name": t.name, "seeds": t.seeds, "sources": t.sources});
    serde_json::Value::from(TARGETS.iter().map(row).collect::<Vec<_>>()).to_string()
}
