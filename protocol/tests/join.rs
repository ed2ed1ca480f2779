//! The code that is pasted into a new probe: it comes back as it was, and no damage to it passes.

use phusong_protocol::{JoinCode, JoinError, Secret};
use proptest::prelude::*;

fn code() -> JoinCode {
    JoinCode {
        hosts: vec!["192.0.2.7".into(), "phusong.thanh-dinh.example.vn".into()],
        port: 8883,
        ca_sha256: Some([0xA5; 32]),
        tls: true,
        site: "thanh-dinh".parse().expect("a good name"),
        probe: "na-chen-1".parse().expect("a good name"),
        secret: Secret::new("abcdefghijkmnpqrstuvwxyz"),
        one_time: true,
        expires_ms: Some(1_795_086_400_000),
    }
}

fn refused(text: &str) -> JoinError {
    text.parse::<JoinCode>().expect_err(text)
}

prop_compose! {
    fn codes()(
        hosts in prop::collection::vec("[a-z0-9.:-]{1,40}", 1..=8),
        port in 1u16..,
        ca_sha256 in prop::option::of(prop::array::uniform32(any::<u8>())),
        tls in any::<bool>(),
        site in "[a-z0-9-]{1,32}",
        probe in "[a-z0-9-]{1,32}",
        secret in "[ -~ạ-ỹ]{1,40}",
        one_time in any::<bool>(),
        expires_ms in prop::option::of(any::<i64>()),
    ) -> JoinCode {
        JoinCode {
            hosts,
            port,
            tls: tls || ca_sha256.is_some(),
            ca_sha256,
            site: site.parse().expect("drawn so"),
            probe: probe.parse().expect("drawn so"),
            secret: Secret::new(secret),
            one_time,
            expires_ms,
        }
    }
}

proptest! {
    #[test]
    fn a_code_comes_back_as_it_was_also_when_a_messenger_has_wrapped_it(code in codes(), width in 1usize..80) {
        let line = code.to_string();
        prop_assert!(line.is_ascii() && !line.contains(char::is_whitespace));
        prop_assert_eq!(line.parse::<JoinCode>(), Ok(code.clone()));
        let chunks: Vec<&str> = line.as_bytes().chunks(width).map(|c| std::str::from_utf8(c).expect("ASCII")).collect();
        prop_assert_eq!(format!("  {}\r\n", chunks.join(" \n\t")).parse::<JoinCode>(), Ok(code));
    }

    #[test]
    fn whatever_is_pasted_is_refused_and_nothing_panics(text in "\\PC{0,200}", tail in "[A-Za-z0-9_-]{0,300}") {
        prop_assert!(text.parse::<JoinCode>().is_err());
        let like_one = format!("phusong1:{tail}");
        prop_assert!(like_one.parse::<JoinCode>().is_err());
    }
}

#[test]
fn no_damaged_letter_and_no_missing_end_passes() {
    let line = code().to_string();
    for at in 0..line.len() {
        for other in ['A', 'b', '7', '-', '_', '!', 'ộ', ' '] {
            if line[at..].starts_with(other) {
                continue;
            }
            let damaged = format!("{}{other}{}", &line[..at], &line[at + 1..]);
            assert!(damaged.parse::<JoinCode>().is_err(), "{damaged}");
        }
        assert_eq!(refused(&line[..at]), if at == 0 { JoinError::Empty } else { JoinError::Incomplete }, "{at}");
    }
    for more in ["A", "AA", "AAA", "AAAA"] {
        assert_eq!(refused(&format!("{line}{more}")), JoinError::Mistyped);
    }
}

#[test]
fn what_is_wrong_is_said() {
    let line = code().to_string();
    let cases = [
        ("", JoinError::Empty),
        (" \n", JoinError::Empty),
        ("phu", JoinError::Incomplete),
        ("phusong1:", JoinError::Incomplete),
        ("phusong2:AAAA", JoinError::Version { version: 2 }),
        ("hello", JoinError::Start),
        ("phusongx:AAAA", JoinError::Start),
        ("phusong1:AA+A", JoinError::Letter { at: 12, found: '+' }),
    ];
    for (text, error) in cases {
        assert_eq!(refused(text), error, "{text}");
    }
    assert_eq!(refused(&line.replacen("5", "6", 1)), JoinError::Mistyped);
    let long = format!("{line}{}", "A".repeat(3_000));
    assert_eq!(refused(&long), JoinError::TooLong { chars: line.len() + 3_000 });
    assert!(matches!(refused(&" ".repeat(1_000_000)), JoinError::TooLong { .. }));
}

#[test]
fn a_code_with_content_that_no_probe_can_use_is_refused_by_field() {
    let base = code();
    let wrong = [
        ("hosts", JoinCode { hosts: Vec::new(), ..base.clone() }),
        ("hosts", JoinCode { hosts: vec!["a".into(); 9], ..base.clone() }),
        ("hosts", JoinCode { hosts: vec!["a b".into()], ..base.clone() }),
        ("hosts", JoinCode { hosts: vec!["x".repeat(254)], ..base.clone() }),
        ("port", JoinCode { port: 0, ..base.clone() }),
        ("fingerprint", JoinCode { tls: false, ..base.clone() }),
        ("secret", JoinCode { secret: Secret::new(""), ..base.clone() }),
        ("secret", JoinCode { secret: Secret::new("a\nb"), ..base.clone() }),
        ("secret", JoinCode { secret: Secret::new("x".repeat(129)), ..base.clone() }),
    ];
    for (expected, code) in wrong {
        let Err(JoinError::Content { field, rule }) = code.check() else { panic!("{expected} was taken") };
        assert_eq!(field, expected);
        assert_eq!(refused(&code.to_string()), JoinError::Content { field, rule });
    }
}

#[test]
fn the_secret_is_not_shown_by_debug() {
    let shown = format!("{:?}", code());
    assert!(shown.contains("na-chen-1") && !shown.contains("abcdef"), "{shown}");
}

#[test]
fn an_ordinary_code_fits_in_a_qr_code_that_a_terminal_shows() {
    // Version 11 of 40 with low correction takes 321 bytes and is 61 modules wide.
    assert!(code().to_string().len() <= 321, "{}", code().to_string().len());
}
