//! What `check`, `config check` and a start found on the device itself.
//!
//! In: a [`Finding`]. Out: both languages. Refuses to know: how it was found. Limits: the set.

use super::Said;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    ConfigGood { file: String, targets: usize, uplinks: usize, brokers: usize },
    ConfigBad { problems: usize },
    ConfigNeeded { file: String },
    StartFailed { why: String },
    PasswordFileOpen { file: String },
    PasswordUnreadable { why: String },
    TimeSynced { err_ms: u32 },
    TimeNotSynced,
    SocketRaw { family: &'static str },
    SocketDatagram { family: &'static str },
    SocketNone { family: &'static str, why: String },
    SpoolGood { waiting: u64, used: String, bound: String },
    SpoolBad { why: String },
    AgentRuns,
    AgentSilent { why: String },
    AllGood,
    Warned { warnings: usize },
    Faults { faults: usize },
}

impl Said for Finding {
    fn both(&self) -> (String, String) {
        let plain = |vi: &str, en: &str| (vi.to_owned(), en.to_owned());
        match self {
            Finding::ConfigGood { file, targets, uplinks, brokers } => (
                format!("{file} đúng: {targets} đích, {uplinks} đường ra, {brokers} máy chủ MQTT"),
                format!("{file} is in order: {targets} targets, {uplinks} uplinks, {brokers} brokers"),
            ),
            Finding::ConfigBad { problems } => {
                (format!("cấu hình có {problems} lỗi:"), format!("the configuration has {problems} problems:"))
            }
            Finding::ConfigNeeded { file } => (format!("không có tệp {file}"), format!("there is no {file}")),
            Finding::StartFailed { why } => {
                (format!("không khởi động được: {why}"), format!("the agent cannot start: {why}"))
            }
            Finding::PasswordFileOpen { file } => (
                format!("{file}: người dùng khác trên máy này đọc được mật khẩu"),
                format!("{file}: others on this device can read the password"),
            ),
            Finding::PasswordUnreadable { why } => (
                format!("không đọc được mật khẩu của máy chủ MQTT: {why}"),
                format!("the broker's password cannot be read: {why}"),
            ),
            Finding::TimeSynced { err_ms } => (
                format!("đồng hồ đã đồng bộ, sai không quá {err_ms} ms"),
                format!("the clock is in sync, within {err_ms} ms"),
            ),
            Finding::TimeNotSynced => plain(
                "đồng hồ chưa đồng bộ: thời điểm của mẫu sẽ được tính sau, theo đồng hồ từ lúc khởi động máy",
                "the clock is not in sync: samples will be timed later, by their boot clock",
            ),
            Finding::SocketRaw { family } => {
                (format!("{family}: dùng được socket ICMP thô (raw)"), format!("{family}: raw ICMP socket"))
            }
            Finding::SocketDatagram { family } => (
                format!("{family}: socket ICMP không đặc quyền; lời từ chối của bộ định tuyến sẽ giống như im lặng"),
                format!("{family}: unprivileged ICMP socket; what routers refuse looks like silence"),
            ),
            Finding::SocketNone { family, why } => {
                (format!("{family}: không mở được socket ICMP: {why}"), format!("{family}: no ICMP socket: {why}"))
            }
            Finding::SpoolGood { waiting, used, bound } => (
                format!("bộ nhớ tạm ghi được: {waiting} mẫu đang chờ, đã dùng {used} trên {bound}"),
                format!("the spool takes samples: {waiting} wait, {used} of {bound} used"),
            ),
            Finding::SpoolBad { why } => {
                (format!("không dùng được bộ nhớ tạm: {why}"), format!("the spool cannot be used: {why}"))
            }
            Finding::AgentRuns => plain(
                "chương trình đo đang chạy; nhờ nó gửi thử một mẫu",
                "an agent is running over this spool; it is asked to send a sample",
            ),
            Finding::AgentSilent { why } => (
                format!("chương trình đo đang giữ bộ nhớ tạm nhưng không trả lời: {why}"),
                format!("an agent holds the spool but does not answer: {why}"),
            ),
            Finding::AllGood => plain("mọi thứ đều ổn", "everything is in order"),
            Finding::Warned { warnings } => {
                (format!("hoạt động được; có {warnings} cảnh báo"), format!("it works; warnings: {warnings}"))
            }
            Finding::Faults { faults } => {
                (format!("có {faults} lỗi; xem cách xử lý ở trên"), format!("faults: {faults}; see above what to do"))
            }
        }
    }
}
