//! `make faults`: breaks everything that can break under a real chain and accounts for every sample.
//!
//! In: `--short` (the form inside `make test`), `--seed N` (default: drawn), names of rounds to run only those. Out:
//! progress on stderr, the report's one JSON line on stdout, an exit code. Refuses to know: the rounds.

use phusong_tests::faults::command::{Extent, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    let (mut short, mut seed, mut only) = (false, None, Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match (word.as_str(), word.starts_with('-')) {
            ("--short", _) => short = true,
            ("--seed", _) => seed = words.next().and_then(|number| number.parse().ok()),
            (_, true) => {
                eprintln!("{word} is not known: faults [--short] [--seed N] [ROUND ..]");
                return ExitCode::from(2);
            }
            (_, false) => only.push(word),
        }
    }
    // 53 bits: a JSON reader shows every digit of it.
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1 << 53));
    eprintln!("seed {seed}");
    run(Extent { short, seed }, &only)
}
