//! libFuzzer on one parser: `PHUSONG_FUZZ` names it, or is `list`; the arguments are libFuzzer's own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

/// Before the first input.
fn begin() {
    let name = std::env::var("PHUSONG_FUZZ").expect("PHUSONG_FUZZ names a parser");
    if name == "list" {
        println!("{}", phusong_fuzz::list());
        std::process::exit(0);
    }
    RUN.get_or_init(|| phusong_fuzz::target(&name).expect("a parser of the table").run);
}

fuzz_target!(init: begin(), |data: &[u8]| (RUN.get().expect("it has begun"))(data));
