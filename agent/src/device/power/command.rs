//! A program that knows about the mains: a UPS's own, or a script.
//!
//! In: the program and its arguments. Out: whether there is mains, or nothing. Refuses to know: how it knows. Limits:
//! [`WITHIN`], after which it is ended; 64 bytes of what it prints.

use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

const WITHIN: Duration = Duration::from_secs(5);
const PRINTED_BYTES: u64 = 64;

/// Runs it once. What it prints first, 1 or 0, decides; else its exit code, 0 or 1.
pub async fn ask(command: &[String]) -> Option<bool> {
    let (program, arguments) = command.split_first()?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .inspect_err(|error| tracing::warn!(program, %error, "the program of [power] does not run"))
        .ok()?;
    let mut out = child.stdout.take()?.take(PRINTED_BYTES);
    let ran = async {
        let mut printed = String::new();
        // What is no text prints nothing that counts.
        let _ = out.read_to_string(&mut printed).await;
        drop(out);
        (printed, child.wait().await.ok().and_then(|status| status.code()))
    };
    let Ok((printed, code)) = tokio::time::timeout(WITHIN, ran).await else {
        tracing::warn!(program, "the program of [power] took longer than {WITHIN:?}");
        return None;
    };
    match (printed.trim_start().chars().next(), code) {
        (Some('1'), Some(_)) => Some(true),
        (Some('0'), Some(_)) => Some(false),
        (_, Some(0)) => Some(true),
        (_, Some(1)) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_printed_decides_and_else_how_it_ended() {
        let check = async |script: &str, wanted: Option<bool>| {
            let command = ["sh", "-c", script].map(str::to_owned);
            assert_eq!(ask(&command).await, wanted, "{script}");
        };
        check("echo 1", Some(true)).await;
        check("echo 0", Some(false)).await;
        check("echo ' 0 V'; exit 3", Some(false)).await;
        check("exit 0", Some(true)).await;
        check("exit 1", Some(false)).await;
        check("exit 2", None).await;
        check("kill -9 $$", None).await;
        check("yes 0", Some(false)).await;
        assert_eq!(ask(&["/no/such/program".to_owned()]).await, None);
        assert_eq!(ask(&[]).await, None);
    }
}
