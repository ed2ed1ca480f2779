//! What `join` says, and what to do when it cannot go on.
//!
//! In: a [`JoinText`]. Out: both languages. Refuses to know: how any of it is done. Limits: the set.

use super::{Said, SetupText};
use phusong_protocol::JoinError;

#[derive(Debug, Clone, PartialEq)]
pub enum JoinText {
    Paste,
    Joining { probe: String, site: String },
    Again,
    Written { file: String },
    Received,
    StartService,
    StartByHand { file: String },
    BadCode(JoinError),
    BadSetup(SetupText),
    ConfigThere { file: String },
    AgentRuns { data_dir: String },
    Expired,
    Refused { host: String, one_time: bool },
    Clock { host: String },
    Fingerprint { host: String },
    Silent { host: String },
    NoWay { hosts: Vec<(String, String)> },
    NotWritten { why: String },
    NotGiven { data_dir: String, why: String },
    NotReceived,
}

impl Said for JoinText {
    fn both(&self) -> (String, String) {
        match self {
            JoinText::BadCode(error) => bad_code(error),
            JoinText::BadSetup(text) => text.both(),
            JoinText::NoWay { hosts } => no_way(hosts),
            JoinText::Expired
            | JoinText::Refused { .. }
            | JoinText::Clock { .. }
            | JoinText::Fingerprint { .. }
            | JoinText::Silent { .. } => refused(self),
            _ => told(self),
        }
    }
}

fn plain(vi: &str, en: &str) -> (String, String) {
    (vi.to_owned(), en.to_owned())
}

fn told(text: &JoinText) -> (String, String) {
    match text {
        JoinText::Paste => plain("dán mã vào đây rồi nhấn Enter:", "paste the code here, then press Enter:"),
        JoinText::Joining { probe, site } => {
            (format!("kết nối thiết bị {probe} của điểm {site} ..."), format!("joining as {probe} of site {site} .."))
        }
        JoinText::Again => plain(
            "mã này đã dùng trên thiết bị này rồi; kiểm tra lại với cấu hình đang có",
            "this device has joined with this code before; its configuration is checked again",
        ),
        JoinText::Written { file } => {
            (format!("đã ghi cấu hình: {file}"), format!("the configuration is written: {file}"))
        }
        JoinText::Received => {
            plain("Đã nhận: mẫu đầu tiên đã tới bộ thu.", "received: the first sample is with the collector.")
        }
        JoinText::StartService => plain(
            "Để đo liên tục: systemctl enable --now phusong-agent",
            "To measure from now on: systemctl enable --now phusong-agent",
        ),
        JoinText::StartByHand { file } => (
            format!("Để đo liên tục: phusong-agent --config {file} run"),
            format!("To measure from now on: phusong-agent --config {file} run"),
        ),
        JoinText::ConfigThere { file } => (
            format!(
                "đã có {file}; nếu muốn thay thiết bị này thành thiết bị của mã, thêm --replace (tệp cũ được giữ lại)"
            ),
            format!(
                "{file} is there already; to make this device the one of the code add --replace (the old \
                 file is kept)"
            ),
        ),
        JoinText::AgentRuns { data_dir } => (
            format!("một chương trình đo đang chạy trên {data_dir}; hãy dừng nó trước: systemctl stop phusong-agent"),
            format!("an agent runs over {data_dir}; stop it first: systemctl stop phusong-agent"),
        ),
        JoinText::NotWritten { why } => (
            format!("không ghi được cấu hình: {why}; hãy chạy bằng root rồi dùng lại mã này"),
            format!("the configuration cannot be written: {why}; run this as root, with the same code"),
        ),
        JoinText::NotGiven { data_dir, why } => (
            format!("không giao được {data_dir} cho dịch vụ: {why}; chạy: chown -R phusong-agent {data_dir}"),
            format!("{data_dir} cannot be given to the service: {why}; run: chown -R phusong-agent {data_dir}"),
        ),
        _ => plain(
            "CHƯA nhận: bộ thu chưa xác nhận mẫu nào. Làm theo chỉ dẫn ở các dòng [FAIL], rồi chạy lại đúng \
             lệnh này.",
            "NOT received: the collector acknowledged no sample. Follow the lines with [FAIL], then run the \
             same command again.",
        ),
    }
}

fn refused(text: &JoinText) -> (String, String) {
    match text {
        JoinText::Refused { host, one_time: true } => (
            format!(
                "{host} từ chối mã này: mã đã được dùng, đã quá 24 giờ, hoặc đã có mã mới hơn. \
                 Xin mã mới: phusong-collector probe join TÊN"
            ),
            format!(
                "{host} refuses this code: it was used, is older than 24 hours, or a newer one was made. \
                 Ask for a new one: phusong-collector probe join NAME"
            ),
        ),
        JoinText::Refused { host, .. } => (
            format!(
                "{host} từ chối mật khẩu trong mã. Xin mã mới: phusong-collector probe join TÊN; máy chủ \
                 MQTT đã đọc lại tệp mật khẩu chưa?"
            ),
            format!(
                "{host} refuses the password of the code. Ask for a new one: phusong-collector probe join \
                 NAME; has the broker read its password file again?"
            ),
        ),
        JoinText::Clock { host } => (
            format!(
                "chứng chỉ của {host} không khớp với đồng hồ của thiết bị này. Xem giờ bằng lệnh `date`; \
                 nếu sai thì đặt lại \
                 (date -s \"2026-11-22 10:00\") rồi dùng lại mã này. Nếu giờ đúng, bộ thu cần chứng chỉ mới"
            ),
            format!(
                "the certificate of {host} does not fit the clock of this device. Look at `date`; if it is \
                 wrong, set it \
                 (date -s \"2026-11-22 10:00\") and use the same code. If it is right, the collector needs \
                 a new certificate"
            ),
        ),
        JoinText::Fingerprint { host } => (
            format!(
                "{host} không phải là bộ thu của mã này (vân tay chứng chỉ khác); mã không được gửi đi. \
                 Kiểm tra mạng đang \
                 dùng; nếu bộ thu đã cài lại thì xin mã mới: phusong-collector probe join TÊN"
            ),
            format!(
                "{host} is not the collector of this code (another certificate); the code was not sent. \
                 Look which network \
                 this is; if the collector was installed anew, ask for a new code: phusong-collector probe join NAME"
            ),
        ),
        JoinText::Silent { host } => (
            format!("{host} nhận kết nối nhưng không trao mật khẩu; xem nhật ký của bộ thu, rồi dùng lại mã này"),
            format!(
                "{host} took the connection but handed no password over; see the collector's log, then use \
                 the same code"
            ),
        ),
        _ => plain(
            "mã này đã quá 24 giờ. Xin mã mới: phusong-collector probe join TÊN",
            "this code is older than 24 hours. Ask for a new one: phusong-collector probe join NAME",
        ),
    }
}

fn no_way(hosts: &[(String, String)]) -> (String, String) {
    let lines: String = hosts.iter().map(|(host, why)| format!("\n  {host}: {why}")).collect();
    (
        format!("không tới được bộ thu; xem dây, SIM, gói cước và tường lửa, rồi dùng lại mã này:{lines}"),
        format!(
            "the collector cannot be reached; look at cable, SIM, data plan and firewall, then use the same \
             code:{lines}"
        ),
    )
}

fn bad_code(error: &JoinError) -> (String, String) {
    let vi = match error {
        JoinError::Empty => "không có mã nào; dán mã mà `phusong-collector probe add` đã in ra".to_owned(),
        JoinError::TooLong { chars } => format!("mã dài {chars} ký tự, quá dài; chỉ dán một mã"),
        JoinError::Start => "mã phải bắt đầu bằng phusong1: ; hãy dán lại cả dòng".to_owned(),
        JoinError::Version { version } => format!("mã thuộc phiên bản {version}; hãy cập nhật phusong-agent"),
        JoinError::Letter { at, found } => {
            format!("ký tự thứ {at} của mã là {found:?}, không thể có trong mã; hãy dán lại")
        }
        JoinError::Incomplete => "mã bị thiếu phần cuối; hãy dán lại cả dòng".to_owned(),
        JoinError::Mistyped => "mã có ký tự sai, thừa hoặc thiếu; hãy dán lại, đừng gõ tay".to_owned(),
        JoinError::Content { field, .. } => format!("nội dung của mã không dùng được ({field}); xin mã mới"),
    };
    let right = match error {
        JoinError::Empty => "paste the one that `phusong-collector probe add` printed",
        JoinError::Version { .. } => "update phusong-agent",
        JoinError::Content { .. } => "ask for a new code",
        _ => "paste the whole line again",
    };
    (vi, format!("{error}; {right}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phusong_protocol::JoinCode;

    #[test]
    fn every_failure_says_what_to_do_in_both_languages() {
        let host = || "192.0.2.7".to_owned();
        let text = || "x".to_owned();
        let bad = |code: &str| JoinText::BadCode(code.parse::<JoinCode>().expect_err("no code"));
        let all = [
            (JoinText::Expired, "probe join"),
            (JoinText::Refused { host: host(), one_time: true }, "probe join"),
            (JoinText::Refused { host: host(), one_time: false }, "probe join"),
            (JoinText::Clock { host: host() }, "date -s"),
            (JoinText::Fingerprint { host: host() }, "probe join"),
            (JoinText::Silent { host: host() }, "192.0.2.7"),
            (JoinText::NoWay { hosts: vec![(host(), text())] }, "192.0.2.7: x"),
            (JoinText::ConfigThere { file: text() }, "--replace"),
            (JoinText::AgentRuns { data_dir: text() }, "systemctl stop"),
            (JoinText::NotWritten { why: text() }, "root"),
            (JoinText::NotReceived, "[FAIL]"),
            (bad(""), "probe add"),
            (bad("phusong2:AAAA"), "phusong-agent"),
            (bad("hello"), "phusong1:"),
        ];
        for (said, needle) in all {
            let (vi, en) = said.both();
            assert!(vi.contains(needle) && en.contains(needle), "{vi} / {en}");
            assert!(!vi.is_ascii() && en.is_ascii(), "{vi} / {en}");
        }
    }
}
