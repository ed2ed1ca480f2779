//! The kernel's id of this boot.
//!
//! In: `/proc/sys/kernel/random/boot_id`. Out: a [`BootId`]. Refuses to know: starts of the agent; the spool counts
//! them. Limits: none.

use anyhow::Context;
use phusong_protocol::BootId;

const FILE: &str = "/proc/sys/kernel/random/boot_id";

pub fn boot_id() -> anyhow::Result<BootId> {
    let text = std::fs::read_to_string(FILE).with_context(|| format!("{FILE}: the kernel's boot id cannot be read"))?;
    text.trim().parse().with_context(|| format!("{FILE}: {:?} is no boot id", text.trim()))
}
