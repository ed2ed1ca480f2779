//! What `check` found on the way from the device to the collector.
//!
//! In: a [`Reach`]. Out: both languages. Refuses to know: how it was found. Limits: the set.

use super::{Round, Said};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    LinkUp {
        interface: String,
        addresses: String,
    },
    LinkDown {
        interface: String,
    },
    LinkWithoutAddress {
        interface: String,
    },
    LinkMissing {
        interface: String,
    },
    NoUplink,
    NoProvider {
        interface: String,
    },
    Target {
        name: String,
        uplink: String,
        result: Round,
    },
    /// A bandwidth test that runs nowhere.
    Idle {
        name: String,
    },
    NoTargetAnswers,
    BrokerGood {
        url: String,
    },
    BrokerBad {
        url: String,
        why: String,
    },
    Acked {
        ms: u64,
    },
    NotAcked {
        seconds: u64,
        why: String,
    },
}

impl Said for Reach {
    fn both(&self) -> (String, String) {
        let plain = |vi: &str, en: &str| (vi.to_owned(), en.to_owned());
        match self {
            Reach::LinkUp { interface, addresses } => {
                (format!("{interface} đang hoạt động: {addresses}"), format!("{interface} is up: {addresses}"))
            }
            Reach::LinkDown { interface } => {
                (format!("{interface} không có tín hiệu đường truyền"), format!("{interface} has no carrier"))
            }
            Reach::LinkWithoutAddress { interface } => (
                format!("{interface} đang hoạt động nhưng chưa có địa chỉ"),
                format!("{interface} is up but has no address"),
            ),
            Reach::LinkMissing { interface } => {
                (format!("không có giao diện mạng {interface}"), format!("there is no interface {interface}"))
            }
            Reach::NoUplink => plain(
                "chưa có [[uplink]]: mẫu đo không gắn với mạng nào và không được xếp loại",
                "no [[uplink]]: samples carry no network and are not graded",
            ),
            Reach::NoProvider { interface } => (
                format!("{interface}: đường cố định thiếu provider nên không được xếp loại"),
                format!("{interface}: a fixed uplink without provider is not graded"),
            ),
            Reach::Target { name, uplink, result } => {
                let (vi, en) = result.both();
                (format!("{name} ({uplink}): {vi}"), format!("{name} ({uplink}): {en}"))
            }
            Reach::Idle { name } => (
                format!(
                    "{name}: đo tốc độ cần một [[uplink]] không dùng SIM, hoặc on_cellular = true; hiện không chạy"
                ),
                format!(
                    "{name}: a bandwidth test needs an [[uplink]] without a SIM, or on_cellular = true; it never runs"
                ),
            ),
            Reach::NoTargetAnswers => plain("không đích nào trả lời", "no target answers at all"),
            Reach::BrokerGood { url } => {
                (format!("{url}: đã kết nối và đăng nhập được"), format!("{url}: connected and logged in"))
            }
            Reach::BrokerBad { url, why } => {
                (format!("{url}: không dùng được: {why}"), format!("{url}: cannot be used: {why}"))
            }
            Reach::Acked { ms } => (
                format!("bộ thu đã xác nhận một mẫu sau {ms} ms"),
                format!("the collector acknowledged a sample after {ms} ms"),
            ),
            Reach::NotAcked { seconds, why } => (
                format!("bộ thu không xác nhận trong {seconds} giây: {why}"),
                format!("no acknowledgement of the collector within {seconds} s: {why}"),
            ),
        }
    }
}
