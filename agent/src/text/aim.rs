//! What `aim` says, on the page and in its plain lines: short enough for forty columns.
//!
//! In: an [`AimText`] or a [`Standing`], values with or without a number. Out: both languages; numbers with their units,
//! "—" for what is absent. Refuses to know: where it stands on the screen. Limits: the set.

use super::{Said, speed};
use crate::aim::standing::Standing;
use crate::control::Accepted;
use phusong_protocol::SimState;

#[derive(Debug, Clone, PartialEq)]
pub enum AimText {
    About,
    AboutModem,
    AboutPlain,
    AboutAccept,
    Title,
    HelpKey,
    Keys,
    KeysShort,
    NoModem,
    Missing { modem: String },
    Lost { why: String },
    TooSmall,
    Starting,
    StartFailed { why: String },
    NoPage,
    Nameless,
    CellId { id: u64 },
    Median { value: String },
    Best { value: String },
    Ago { span: String },
    Age { span: String },
    Old { span: String },
    Repeated,
    Raw { value: String },
    Ping { value: String },
    NoFlow,
    Branches { values: String },
    CheckCable { branch: usize, below_db: f32 },
    Rows,
    Neighbours { age: Option<String>, old: bool },
    HoldStill,
    Holding { s: u64, of_s: u64 },
    Storing,
    NotStored { why: String },
    Stored { level: String, span: String },
    AcceptBegins,
    AcceptPing { sent: u32, of: u32, lost: u32 },
    AcceptTest { target: String },
    AcceptEchoes(Accepted),
    AcceptSpeed(Accepted),
    AcceptFailed { why: String },
}

/// The help of the page, each line of at most forty columns.
#[cfg(feature = "full")]
pub const HELP: [(&str, &str); 15] = [
    ("a    nghiệm thu: 60 s ping, đo tốc độ", "a    accept: 60 s of ping, speed test"),
    ("Tab  chân sóng kia (4G / 5G)", "Tab  the other leg (4G / 5G)"),
    ("m    modem khác", "m    another modem"),
    ("l    danh sách / chữ số lớn", "l    lists / large digits"),
    ("i    đảo màu đen trắng", "i    black and white swapped"),
    ("q    thoát", "q    quit"),
    ("", ""),
    ("Xoay chậm, nhìn SINR rồi mới đến RSRP.", "Turn slowly: SINR first, then RSRP."),
    ("10 s: trung vị của 10 giây vừa qua", "10 s: median of the last 10 seconds"),
    ("nhất, ◆: tốt nhất ở đúng ô này", "best, ◆: the best of this very cell"),
    ("Giữ yên 10 s: một mẫu được lưu.", "Hold still 10 s: a sample is kept."),
    ("Đổi ô: một dòng mới, tính lại từ đầu.", "Another cell: a new row, a new count."),
    ("Gạch ngang: số cũ, không dùng được.", "Struck out: old, do not go by it."),
    ("Nhánh lệch quá 10 dB: xem dây, đầu nối.", "A branch off by 10 dB: see its cable."),
    ("Phím bất kỳ: trở lại.", "Any key: back."),
];

pub(super) fn plain(vi: &str, en: &str) -> (String, String) {
    (vi.to_owned(), en.to_owned())
}

/// A number with its unit, whole where it is whole.
fn with_unit(value: Option<f32>, unit: &str) -> String {
    match value {
        None => "—".to_owned(),
        Some(value) => format!("{} {unit}", number(value)),
    }
}

/// One digit behind the point, where it says something.
pub fn number(value: f32) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

pub fn dbm(value: Option<f32>) -> String {
    with_unit(value, "dBm")
}

pub fn db(value: Option<f32>) -> String {
    with_unit(value, "dB")
}

/// A span of time: "45 s", "12:05", "1:02:03".
pub fn span(ms: u64) -> String {
    let s = ms / 1_000;
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{}:{:02}", s / 60, s % 60),
        _ => format!("{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60),
    }
}

impl Said for AimText {
    fn both(&self) -> (String, String) {
        match self {
            AimText::AcceptBegins
            | AimText::AcceptPing { .. }
            | AimText::AcceptTest { .. }
            | AimText::AcceptEchoes(_)
            | AimText::AcceptSpeed(_)
            | AimText::AcceptFailed { .. } => acceptance(self),
            AimText::About | AimText::AboutModem | AimText::AboutPlain | AimText::AboutAccept => about(self),
            AimText::HoldStill
            | AimText::Holding { .. }
            | AimText::Storing
            | AimText::NotStored { .. }
            | AimText::Stored { .. } => hold(self),
            AimText::NoModem
            | AimText::Missing { .. }
            | AimText::Lost { .. }
            | AimText::TooSmall
            | AimText::Starting
            | AimText::StartFailed { .. }
            | AimText::NoPage => trouble(self),
            _ => shown(self),
        }
    }
}

fn about(text: &AimText) -> (String, String) {
    match text {
        AimText::About => plain(
            "Ngắm ăng-ten: SINR và RSRP từng giây, tốt nhất, ô phục vụ; không cần bộ thu",
            "Aim an antenna: SINR and RSRP each second, the best, the serving cell; needs no collector",
        ),
        AimText::AboutModem => {
            plain("Tên modem; không có thì lấy modem đầu tiên", "Name of the modem; without it the first one")
        }
        AimText::AboutPlain => {
            plain("Mỗi giây một dòng chữ thay cho trang màn hình", "One line a second instead of the page")
        }
        _ => plain(
            "Nghiệm thu ngay, in kết quả rồi thoát: 60 s ping và một lần đo tốc độ",
            "Take the record of commissioning at once and end: 60 s of ping and one speed test",
        ),
    }
}

fn trouble(text: &AimText) -> (String, String) {
    match text {
        AimText::NoModem => plain("chưa thấy modem nào: xem dây, [[modem]]", "no modem seen yet: cable, [[modem]]?"),
        AimText::Missing { modem } => (format!("chưa thấy modem {modem}"), format!("modem {modem} is not seen yet")),
        AimText::Lost { why } => (format!("mất chương trình đo: {why}"), format!("the agent is lost: {why}")),
        AimText::TooSmall => plain("màn hình quá nhỏ: cần 40x20", "too small: 40x20 is needed"),
        AimText::Starting => plain(
            "chưa có chương trình đo nào chạy; tự chạy một chương trình đến khi thoát ...",
            "no agent runs; one is run until this ends ..",
        ),
        AimText::StartFailed { why } => {
            (format!("không chạy được chương trình đo: {why}"), format!("the agent cannot be run: {why}"))
        }
        _ => plain(
            "bản này không có trang màn hình; mỗi giây in một dòng, Ctrl-C để thoát",
            "this build has no page; it prints one line a second until Ctrl-C",
        ),
    }
}

fn shown(text: &AimText) -> (String, String) {
    match text {
        AimText::Title => plain("NGẮM ĂNG-TEN", "AIM"),
        AimText::HelpKey => plain("? trợ giúp", "? help"),
        AimText::Keys => plain(
            "a nghiệm thu  Tab chân kia  m modem  i đảo màu  ? trợ giúp  q thoát",
            "a accept  Tab other leg  m modem  i invert  ? help  q quit",
        ),
        AimText::KeysShort => plain("a nghiệm thu  l bảng  ? giúp  q thoát", "a accept  l lists  ? help  q quit"),
        AimText::Nameless => plain("modem không nói ô nào", "the modem names no cell"),
        AimText::CellId { id } => (format!("ô {id}"), format!("cell {id}")),
        AimText::Median { value } => (format!("10 s {value}"), format!("10 s {value}")),
        AimText::Best { value } => (format!("nhất {value}"), format!("best {value}")),
        AimText::Ago { span } => (format!("  {span} trước"), format!("  {span} ago")),
        AimText::Age { span } => (format!("tuổi {span}"), format!("age {span}")),
        AimText::Old { span } => (format!("CŨ {span}"), format!("OLD {span}")),
        AimText::Repeated => plain("MODEM LẶP SỐ CŨ", "NUMBERS REPEATED"),
        AimText::Raw { value } => (format!("số thô {value}"), format!("raw {value}")),
        AimText::Ping { value } => (format!("ping {value}"), format!("ping {value}")),
        AimText::NoFlow => plain("KHÔNG CÓ DỮ LIỆU CHẠY", "NO DATA FLOWS"),
        AimText::Branches { values } => (format!("nhánh {values} dBm"), format!("branches {values} dBm")),
        AimText::CheckCable { branch, below_db } => (
            format!("KIỂM TRA CÁP NÀY: nhánh {branch} (-{} dB)", number(*below_db)),
            format!("CHECK THIS CABLE: branch {branch} (-{} dB)", number(*below_db)),
        ),
        AimText::Rows => plain("Ô đã phục vụ    trước tốt nhất", "Serving cells     ago best"),
        AimText::Neighbours { age: None, .. } => plain("Lân cận: —", "Neighbours: —"),
        AimText::Neighbours { age: Some(age), old: true } => {
            (format!("Lân cận CŨ {age}"), format!("Neighbours OLD {age}"))
        }
        AimText::Neighbours { age: Some(age), .. } => {
            (format!("Lân cận (tuổi {age})"), format!("Neighbours (age {age})"))
        }
        _ => plain("—", "—"),
    }
}

fn hold(text: &AimText) -> (String, String) {
    match text {
        AimText::Holding { s, of_s } => (format!("GIỮ YÊN {s}/{of_s} s"), format!("HOLD STILL {s}/{of_s} s")),
        AimText::Storing => plain("đang lưu mẫu ...", "keeping the sample .."),
        AimText::NotStored { why } => (format!("CHƯA lưu mẫu: {why}"), format!("NOT kept: {why}")),
        AimText::Stored { level, span } => {
            (format!("ĐÃ LƯU MẪU {level} ({span} trước)"), format!("SAMPLE KEPT {level} ({span} ago)"))
        }
        _ => plain("giữ yên 10 s để lưu một mẫu", "hold still for 10 s to keep a sample"),
    }
}

fn acceptance(text: &AimText) -> (String, String) {
    match text {
        AimText::AcceptPing { sent, of, lost } => {
            (format!("NGHIỆM THU ping {sent}/{of} mất {lost}"), format!("ACCEPT ping {sent}/{of} lost {lost}"))
        }
        AimText::AcceptTest { target } => {
            (format!("NGHIỆM THU đo tốc độ: {target}"), format!("ACCEPT speed test: {target}"))
        }
        AimText::AcceptEchoes(done) => {
            let lost = done.sent.saturating_sub(done.received);
            let (of, median) = (done.sent, millis(done.median_us));
            let p95 = millis(done.p95_us);
            (
                format!("ping mất {lost}/{of} giữa {median} p95 {p95}"),
                format!("ping lost {lost}/{of} median {median} p95 {p95}"),
            )
        }
        AimText::AcceptSpeed(done) => {
            if let Some(why) = &done.no_speed {
                return (format!("tốc độ: — ({why})"), format!("speed: — ({why})"));
            }
            // A test that stopped at its bound says that it is at least so fast.
            let least = if done.early == Some(true) { "≥" } else { "" };
            let of = |bps: Option<u64>| bps.map_or_else(|| "—".to_owned(), |bps| format!("{least}{}", speed(bps)));
            let (down, up) = (of(done.down_bps), of(done.up_bps));
            (format!("xuống {down} lên {up}"), format!("down {down} up {up}"))
        }
        AimText::AcceptFailed { why } => (format!("CHƯA nghiệm thu: {why}"), format!("NOT accepted: {why}")),
        _ => plain("NGHIỆM THU: bắt đầu ...", "ACCEPT: beginning .."),
    }
}

/// Echoes to the millisecond: more says nothing on a cellular link.
pub fn millis(us: Option<u32>) -> String {
    match us {
        None => "—".to_owned(),
        Some(..1_000) => "<1 ms".to_owned(),
        Some(us) => format!("{} ms", (us + 500) / 1_000),
    }
}

impl Said for Standing {
    fn both(&self) -> (String, String) {
        let of = |plmn: &Option<String>| plmn.clone().unwrap_or_else(|| "—".to_owned());
        match self {
            Standing::Unknown => plain("chưa biết đã đăng ký mạng chưa", "registration not known yet"),
            Standing::Gone { why: Some(why) } => (format!("MẤT MODEM: {why}"), format!("MODEM GONE: {why}")),
            Standing::Gone { why: None } => plain("MẤT MODEM", "MODEM GONE"),
            Standing::Sim(SimState::Pin) => plain("SIM ĐÒI MÃ PIN", "SIM WANTS ITS PIN"),
            Standing::Sim(SimState::Puk) => plain("SIM BỊ KHÓA (PUK)", "SIM IS BLOCKED (PUK)"),
            Standing::Sim(SimState::Failure) => plain("SIM HỎNG", "SIM FAILS"),
            Standing::Sim(_) => plain("KHÔNG CÓ SIM", "NO SIM"),
            Standing::Home => plain("đã đăng ký", "registered"),
            Standing::Roaming { plmn } => (format!("chuyển vùng ở {}", of(plmn)), format!("roaming on {}", of(plmn))),
            Standing::Limited { plmn } => (
                format!("CHỈ GỌI KHẨN CẤP: sóng của {}", of(plmn)),
                format!("EMERGENCY CALLS ONLY: this is {}", of(plmn)),
            ),
            Standing::Searching => plain("ĐANG DÒ MẠNG", "SEARCHING"),
            Standing::NoService => plain("KHÔNG CÓ SÓNG", "NO SERVICE"),
            Standing::Denied { cause } => {
                let cause = cause.map_or_else(|| "—".to_owned(), |cause| cause.to_string());
                (format!("MẠNG TỪ CHỐI SIM (mã {cause})"), format!("THE NETWORK DENIES THE SIM (cause {cause})"))
            }
            Standing::SmsOnly => plain("CHỈ CÓ TIN NHẮN, không có dữ liệu", "SMS ONLY, no data"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units_and_what_is_absent_is_a_dash() {
        assert_eq!(
            (dbm(Some(-101.0)), dbm(Some(-101.26)), dbm(None)),
            ("-101 dBm".into(), "-101.3 dBm".into(), "—".into())
        );
        assert_eq!((db(Some(-0.04)), db(Some(12.5))), ("0 dB".into(), "12.5 dB".into()));
        let spans = [0, 59_999, 60_000, 3_599_999, 3_723_000].map(span);
        assert_eq!(spans, ["0 s", "59 s", "1:00", "59:59", "1:02:03"].map(str::to_owned));
        assert_eq!(
            (millis(Some(45_499)), millis(Some(50)), millis(None)),
            ("45 ms".into(), "<1 ms".into(), "—".into())
        );
    }

    #[test]
    fn every_line_of_the_help_fits_forty_columns_in_both_languages() {
        for (vi, en) in HELP {
            assert!(vi.chars().count() <= 40 && en.chars().count() <= 40, "{vi} / {en}");
            assert!(vi.is_empty() == en.is_empty(), "{vi} / {en}");
        }
        for text in [AimText::KeysShort, AimText::HoldStill, AimText::NoModem, AimText::TooSmall] {
            let (vi, en) = text.both();
            assert!(vi.chars().count() <= 40 && en.chars().count() <= 40, "{vi} / {en}");
        }
    }

    #[test]
    fn a_test_that_stopped_at_its_bound_says_at_least() {
        let done = Accepted { down_bps: Some(12_345_678), early: Some(true), ..Accepted::default() };
        assert_eq!(AimText::AcceptSpeed(done.clone()).both().1, "down ≥12.3 Mbit/s up —");
        let none = Accepted { no_speed: Some("no target".into()), ..done };
        assert_eq!(AimText::AcceptSpeed(none).both().1, "speed: — (no target)");
        let echoes = Accepted { sent: 60, received: 57, median_us: Some(45_000), ..Accepted::default() };
        assert_eq!(AimText::AcceptEchoes(echoes).both().1, "ping lost 3/60 median 45 ms p95 —");
    }
}
