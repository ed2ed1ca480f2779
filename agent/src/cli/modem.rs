//! `modem decode`: reply lines of a modem in, JSON Lines out.
//!
//! In: stdin, as a terminal or a log has it. Out: the objects of each line as soon as it is there, so that it can stand
//! in a pipe. Each line decodes by itself. Refuses to know: what the objects mean; configurations; ports. Limits: 4 KiB
//! a line; of a longer one its beginning is shown, with the error.

use super::Speaker;
use crate::device::modem::decode::{MAX_LINE, decode};
use crate::text::Finding;
use clap::Subcommand;
use std::io::{self, BufRead, BufWriter, Read, Write};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum ModemCommand {
    Decode {
        #[arg(long, value_name = "MODEL")]
        model: Option<String>,
    },
}

pub(super) fn command(said: &Speaker, command: ModemCommand) -> ExitCode {
    match command {
        ModemCommand::Decode { model } => {
            let mut to = BufWriter::new(io::stdout().lock());
            match lines(&mut io::stdin().lock(), &mut to, model.as_deref()) {
                Ok(()) => ExitCode::SUCCESS,
                // Who reads has enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
                Err(error) => said.fault(&Finding::StartFailed { why: error.to_string() }),
            }
        }
    }
}

fn lines(from: &mut impl BufRead, to: &mut impl Write, model: Option<&str>) -> io::Result<()> {
    // One byte more than a line may have, so that one that is too long is seen to be.
    const TAKEN: usize = MAX_LINE + 1;
    let mut line = Vec::with_capacity(TAKEN);
    loop {
        line.clear();
        if from.by_ref().take(TAKEN as u64).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.len() == TAKEN && line.last() != Some(&b'\n') {
            skip_line(from)?;
        }
        for one in decode(&String::from_utf8_lossy(&line), model) {
            serde_json::to_writer(&mut *to, &one)?;
            to.write_all(b"\n")?;
        }
        to.flush()?;
    }
}

/// Reads on to the end of the line and keeps none of it.
fn skip_line(from: &mut impl BufRead) -> io::Result<()> {
    loop {
        let seen = from.fill_buf()?;
        if seen.is_empty() {
            return Ok(());
        }
        let end = seen.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(seen.len(), |at| at + 1);
        from.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expected: &[&str]) {
        let mut out = Vec::new();
        lines(&mut &input[..], &mut out, None).expect("memory does not fail");
        let out = String::from_utf8(out).expect("JSON is UTF-8");
        let got: Vec<&str> = out.lines().collect();
        assert_eq!(got, expected, "{}", String::from_utf8_lossy(input));
    }

    #[test]
    fn a_log_of_a_port_becomes_an_object_a_line_in_its_order() {
        let input = b"AT+CESQ\r\r\n+CESQ: 99,99,255,255,20,80\r\n\r\nOK\r\n+CSQ: 99,99\r\n";
        check(
            input,
            &[
                r#"{"kind":"signal","technology":"lte","rsrp_dbm":-61.0,"rsrq_db":-10.0,"serving":true,"raw":"+CESQ: 99,99,255,255,20,80"}"#,
                r#"{"kind":"signal","state":"unknown","raw":"+CSQ: 99,99"}"#,
            ],
        );
    }

    #[test]
    fn what_is_no_text_or_no_reply_is_an_error_with_what_it_was() {
        let known = r#""error":"not a reply that is known""#;
        check(b"\xff\xfe\n", &[&format!("{{{known},\"raw\":\"\u{fffd}\u{fffd}\"}}")]);
        check(b"+WHAT: 1", &[&format!("{{{known},\"raw\":\"+WHAT: 1\"}}")]);
        check(b"", &[]);
    }

    #[test]
    fn a_line_without_an_end_is_refused_and_the_next_one_is_read() {
        let mut input = vec![b'x'; 3 * MAX_LINE];
        input.extend_from_slice(b"\n+CSQ: 20,99\n");
        let refused = format!(r#"{{"error":"longer than 4096 bytes","raw":"{}"}}"#, "x".repeat(256));
        check(&input, &[&refused, r#"{"kind":"signal","rssi_dbm":-73.0,"serving":true,"raw":"+CSQ: 20,99"}"#]);
    }
}
