//! What one attempt came to, for a person.
//!
//! In: a [`Round`]. Out: both languages. Refuses to know: tables. Limits: the set.

use super::Said;
use phusong_protocol::FailureKind;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Round {
    HeadTarget,
    HeadUplink,
    HeadAddress,
    HeadResult,
    DefaultRoute,
    Nothing,
    Echoes {
        received: usize,
        sent: u16,
        min: String,
        median: String,
        max: String,
    },
    Connected {
        time: String,
    },
    Answered {
        time: String,
        rcode: u16,
        answers: u16,
        truncated: bool,
    },
    /// Of the phases: name, connection, TLS, first byte.
    Fetched {
        status: u16,
        time: String,
        phases: [String; 4],
        bytes: String,
    },
    /// A bandwidth test; a verdict says "at least".
    Transferred {
        down: Option<String>,
        up: Option<String>,
        bytes: String,
        seconds: String,
        verdict: bool,
    },
    Failed {
        kind: FailureKind,
        detail: Option<String>,
    },
}

impl Said for Round {
    fn both(&self) -> (String, String) {
        let plain = |vi: &str, en: &str| (vi.to_owned(), en.to_owned());
        match self {
            Round::HeadTarget => plain("ĐÍCH", "TARGET"),
            Round::HeadUplink => plain("ĐƯỜNG RA", "UPLINK"),
            Round::HeadAddress => plain("ĐỊA CHỈ", "ADDRESS"),
            Round::HeadResult => plain("KẾT QUẢ", "RESULT"),
            Round::DefaultRoute => plain("mặc định", "default"),
            Round::Nothing => plain(
                "không có gì để đo: đường điểm-điểm không có cổng ra (gateway)",
                "nothing to measure: a point-to-point link has no gateway",
            ),
            Round::Echoes { received, sent, min, median, max } => (
                format!("{received}/{sent} phản hồi, {min} / {median} / {max} (nhỏ nhất / trung vị / lớn nhất)"),
                format!("{received}/{sent} echoes, {min} / {median} / {max} (min / median / max)"),
            ),
            Round::Connected { time } => (format!("kết nối được sau {time}"), format!("connected in {time}")),
            Round::Answered { time, rcode, answers, truncated } => {
                let code = rcode_name(*rcode);
                let (cut_vi, cut_en) = if *truncated { (", bị cắt bớt", ", truncated") } else { ("", "") };
                (
                    format!("máy chủ tên miền trả lời sau {time}: {code}, {answers} bản ghi{cut_vi}"),
                    format!("answered in {time}: {code}, {answers} records{cut_en}"),
                )
            }
            Round::Fetched { status, time, phases: [dns, connect, tls, first], bytes } => (
                format!(
                    "mã {status}, {bytes} sau {time} (tên miền {dns}, kết nối {connect}, TLS {tls}, byte đầu {first})"
                ),
                format!(
                    "status {status}, {bytes} in {time} (name {dns}, connect {connect}, TLS {tls}, first byte {first})"
                ),
            ),
            Round::Transferred { down, up, bytes, seconds, verdict } => {
                let say = |least: &str, down_word: &str, up_word: &str| {
                    let least = if *verdict { least } else { "" };
                    let part = |word: &str, speed: &Option<String>| {
                        speed.as_ref().map(|speed| format!("{word} {least}{speed}"))
                    };
                    [part(down_word, down), part(up_word, up)].into_iter().flatten().collect::<Vec<_>>().join(", ")
                };
                (
                    format!("{} (hết {bytes} trong {seconds} s)", say("ít nhất ", "tải xuống", "tải lên")),
                    format!("{} (took {bytes} in {seconds} s)", say("at least ", "down", "up")),
                )
            }
            Round::Failed { kind, detail } => {
                let (vi, en) = failure(*kind);
                let detail = detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default();
                (format!("{vi}{detail}"), format!("{en}{detail}"))
            }
        }
    }
}

/// As RFC 1035 and its followers call the codes that resolvers answer.
fn rcode_name(rcode: u16) -> String {
    match rcode {
        0 => "NOERROR".to_owned(),
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        other => format!("RCODE {other}"),
    }
}

fn failure(kind: FailureKind) -> (&'static str, &'static str) {
    match kind {
        FailureKind::Timeout => ("không trả lời kịp", "no answer in time"),
        FailureKind::Unreachable => ("không có đường tới", "unreachable"),
        FailureKind::Refused => ("bị từ chối kết nối", "refused"),
        FailureKind::Dns => ("không phân giải được tên", "the name does not resolve"),
        FailureKind::Tls => ("lỗi TLS", "TLS failed"),
        FailureKind::HttpStatus => ("lỗi HTTP", "HTTP error"),
        FailureKind::Portal => ("trang đăng nhập khác trả lời", "a portal answered"),
        FailureKind::DeviceMissing => ("không thấy thiết bị", "the device is not there"),
        FailureKind::Denied => ("không được phép", "not permitted"),
        FailureKind::Budget => ("đã hết hạn mức dữ liệu", "the data budget is spent"),
        FailureKind::Busy => ("thiết bị đang bận", "the device is busy"),
        FailureKind::Reset => ("kết nối bị cắt", "the connection was cut"),
        FailureKind::Malformed => ("câu trả lời sai giao thức", "a malformed answer"),
        FailureKind::LinkDown => ("đường truyền không hoạt động", "the link is down"),
    }
}
