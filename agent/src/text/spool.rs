//! What the `spool` commands say.
//!
//! In: a [`SpoolText`]. Out: both languages. Refuses to know: files. Limits: the set.

use super::Said;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpoolText {
    Head { start: u32, used: String, bound: String, segments: u64 },
    Class { class: &'static str, waiting: u64, held: u64, used: String },
    Oldest { time: String },
    Counts { refused: u64, sync_failures: u64, dropped: u64, quarantined: u64, torn: u64 },
    Publishing { broker: String, acks: u64, in_flight: u64, last_error: String },
    Exported { file: String, batches: u64, samples: u64, used: String },
    Unreadable { samples: u64 },
    Acked { settled: u64, refused: u64 },
    Locked,
    Whole { files: u64, records: u64, used: String },
    Faults { faults: u64, records: u64 },
    Failed { why: String },
}

impl Said for SpoolText {
    fn both(&self) -> (String, String) {
        match self {
            SpoolText::Head { start, used, bound, segments } => (
                format!("lần khởi động {start}; {used} trên {bound}, {segments} tệp đoạn"),
                format!("start {start}; {used} of {bound} in {segments} segments"),
            ),
            SpoolText::Class { class, waiting, held, used } => (
                format!("  {class:<10} {waiting:>8} đang chờ {held:>8} đang giữ {used:>10}"),
                format!("  {class:<10} {waiting:>8} waiting {held:>8} held {used:>10}"),
            ),
            SpoolText::Oldest { time } => {
                (format!("mẫu chờ lâu nhất có từ {time}"), format!("the oldest waiting sample is of {time}"))
            }
            SpoolText::Counts { refused, sync_failures, dropped, quarantined, torn } => (
                format!(
                    "bị từ chối {refused}, ghi đĩa hỏng {sync_failures}, bỏ bớt {dropped}, \
                     để riêng {quarantined}, byte dở dang {torn}"
                ),
                format!(
                    "refused {refused}, failed syncs {sync_failures}, dropped {dropped}, \
                     set aside {quarantined}, torn bytes {torn}"
                ),
            ),
            SpoolText::Publishing { broker, acks, in_flight, last_error } => (
                format!(
                    "máy chủ MQTT {broker}, {acks} lần xác nhận, {in_flight} gói đang gửi, lỗi gần nhất: {last_error}"
                ),
                format!(
                    "broker {broker}, {acks} acknowledgements, {in_flight} batches in flight, last error: {last_error}"
                ),
            ),
            SpoolText::Exported { file, batches, samples, used } => (
                format!("{file}: {samples} mẫu trong {batches} gói, {used}"),
                format!("{file}: {samples} samples in {batches} batches, {used}"),
            ),
            SpoolText::Unreadable { samples } => (
                format!("{samples} mẫu trên đĩa không đọc được; xem `spool verify`"),
                format!("{samples} samples on disk cannot be read; see `spool verify`"),
            ),
            SpoolText::Acked { settled, refused } => (
                format!("{settled} mẫu đã xong; bộ thu không nhận được {refused} gói"),
                format!("{settled} samples are settled; the collector could not take {refused} payloads"),
            ),
            SpoolText::Locked => (
                "chương trình đo đang chạy; hãy dừng trước: systemctl stop phusong-agent".into(),
                "the agent is running; stop it first: systemctl stop phusong-agent".into(),
            ),
            SpoolText::Whole { files, records, used } => (
                format!("{records} bản ghi trong {files} tệp, {used}: đều nguyên vẹn"),
                format!("{records} records in {files} files, {used}: all whole"),
            ),
            SpoolText::Faults { faults, records } => (
                format!("{faults} chỗ hỏng bên cạnh {records} bản ghi nguyên vẹn:"),
                format!("{faults} faults beside {records} whole records:"),
            ),
            SpoolText::Failed { why } => {
                (format!("không đọc được bộ nhớ tạm: {why}"), format!("the spool cannot be read: {why}"))
            }
        }
    }
}
