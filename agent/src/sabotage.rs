//! Faults of our own, so that the tests that look for loss can be seen to find it.
//!
//! In: `PHUSONG_SABOTAGE`, in debug builds only. Out: whether one guarantee is broken on purpose.
//! Refuses to know: everything else. Limits: a release build answers `false` and does not contain the words.

/// Whether a publish is taken for an acknowledgement: the very mistake the delivery contract forbids.
#[cfg(debug_assertions)]
pub fn forget_on_send() -> bool {
    std::env::var_os("PHUSONG_SABOTAGE").is_some_and(|value| value == "forget-on-send")
}

/// Whether a publish is taken for an acknowledgement: the very mistake the delivery contract forbids.
#[cfg(not(debug_assertions))]
pub fn forget_on_send() -> bool {
    false
}
