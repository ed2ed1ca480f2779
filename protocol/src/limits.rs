//! Every bound of the wire, each with its reason. The same numbers are published in the JSON Schema and `docs/wire.md`.

/// Largest batch payload. Mosquitto and RMQTT take it by default, and one lost batch costs a SIM at most this much.
pub const BATCH_BYTES: usize = 64 * 1024;
/// Samples in one batch: keeps one transaction and one ack small.
pub const BATCH_SAMPLES: usize = 1_000;
/// Decompressed body: 1,000 samples at the largest sample would be more, but no honest batch is (bombs are).
pub const BODY_BYTES: usize = 1024 * 1024;
/// One sample, encoded alone: a summary with a full sketch and 256 replaced ranges stays below it.
pub const SAMPLE_BYTES: usize = 16 * 1024;
/// Every string of a sample, in bytes.
pub const STRING_BYTES: usize = 128;
/// Raw modem lines kept beside a reading: QENG's longest line is about 200 bytes, EN-DC has three.
pub const RAW_BYTES: usize = 1024;
/// Round-trip times in one latency reading.
pub const ECHOES: usize = 100;
/// Ranges in one `drop`, in one summary's `replaces`, or in one ack entry.
pub const RANGES: usize = 256;
/// Cells in one neighbour list or entries in one scan.
pub const CELLS: usize = 64;
/// Tags of one target.
pub const TAGS: usize = 8;
/// Buckets of a latency sketch: 1 % relative error over three decades needs about 115.
pub const SKETCH_BUCKETS: usize = 128;
/// Oldest event time that is accepted. A probe that was off for longer has nothing that still matters.
pub const AGE_MS: i64 = 400 * 86_400_000;
/// How far ahead of the collector's clock an event may lie before its time counts as uncertain.
pub const FUTURE_SKEW_MS: i64 = 5 * 60_000;
/// Error given to a foreign record that says its clock was synced.
pub const FOREIGN_ERR_MS: u32 = 5_000;
/// Identifier of a site or probe.
pub const ID_BYTES: usize = 32;
/// Entries of one ack message: keeps it below 64 KiB.
pub const ACK_ENTRIES: usize = 64;
