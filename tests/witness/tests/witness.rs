//! The witness in a real process: this test program runs itself again with the library preloaded.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROLE: &str = "PHUSONG_WITNESS_TEST_ROLE";

fn library() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    let deps = program.parent().expect("a program lies in a directory");
    let name = "libphusong_witness.so";
    [deps.join(name), deps.with_file_name(name)]
        .into_iter()
        .find(|path| path.is_file())
        .expect("cargo builds the library before its tests")
}

/// CRC-32 of "seq, body" for the four records below, computed once with `python3 -c 'import zlib; ..'`.
fn record(seq: u64, body: &[u8]) -> Vec<u8> {
    let crc: u32 = match (seq, body) {
        (1, b"one") => 0x5616_896a,
        (2, b"two") => 0x2f05_2a13,
        (3, b"three") => 0x0907_1bc4,
        (4, b"four") => 0x3fd0_d9ce,
        other => panic!("no CRC is known for {other:?}"),
    };
    [&(body.len() as u32).to_be_bytes()[..], &crc.to_be_bytes(), &seq.to_be_bytes(), body].concat()
}

fn segment(spool: &Path, name: &str) -> File {
    let mut file = OpenOptions::new().create_new(true).append(true).open(spool.join(name)).expect("a new segment");
    file.write_all(b"PSG1\x01\x04\0\0\0\0\0\0\0\0\x0a\xbc").expect("header");
    file
}

/// What the preloaded process does: two synced records, a torn one, one never synced, and files that are no segments.
fn act(spool: &Path) {
    let mut file = segment(spool, "0000000000000001-evidence.seg");
    file.write_all(&record(1, b"one")).expect("write");
    file.sync_data().expect("fdatasync");
    let two = record(2, b"two");
    file.write_all(&two[..5]).expect("write");
    file.sync_data().expect("fdatasync");
    file.write_all(&two[5..]).expect("write");
    file.sync_all().expect("fsync");
    file.write_all(&record(3, b"three")).expect("write");
    let other = spool.join("elsewhere");
    fs::create_dir(&other).expect("directory");
    for (directory, name) in [(spool, "cursor.0"), (&other, "0000000000000002-evidence.seg")] {
        let mut file = segment(directory, name);
        file.write_all(&record(4, b"four")).expect("write");
        file.sync_data().expect("fdatasync");
    }
    // As a kill -9: nothing is flushed, closed or unwound.
    std::process::abort();
}

#[test]
fn exactly_the_records_whose_fdatasync_returned_are_in_the_log() {
    if let Some(spool) = std::env::var_os(ROLE) {
        act(Path::new(&spool));
    }
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("witness-{}", std::process::id()));
    let spool = root.join("spool");
    fs::create_dir_all(&spool).expect("directory");
    let log = root.join("witness.log");
    let program = std::env::current_exe().expect("a running program has a path");
    let ended = Command::new(program)
        .args(["--exact", "exactly_the_records_whose_fdatasync_returned_are_in_the_log", "--nocapture"])
        .env("LD_PRELOAD", library())
        .env("PHUSONG_WITNESS_DIR", &spool)
        .env("PHUSONG_WITNESS_LOG", &log)
        .env(ROLE, &spool)
        .output()
        .expect("this program can be started again");
    assert!(!ended.status.success(), "the process was to abort");
    let lines = fs::read_to_string(&log).expect("the witness wrote its log");
    let lines: Vec<&str> = lines.lines().filter(|line| !line.is_empty()).collect();
    let expected =
        ["0000000000000abc 0000000000000001 4 5616896a 6f6e65", "0000000000000abc 0000000000000002 4 2f052a13 74776f"];
    assert_eq!(lines, expected, "{}", String::from_utf8_lossy(&ended.stderr));
    fs::remove_dir_all(root).expect("clean up");
}
