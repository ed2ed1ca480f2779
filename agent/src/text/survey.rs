//! What `survey` says: how the walk goes, why it does not begin, and what to do about it.
//!
//! In: a [`SurveyText`]. Out: both languages. Refuses to know: how it is measured. Limits: the set.

use super::{Said, bytes, millis};
use crate::survey::{Refusal, Status};

#[derive(Debug, Clone, PartialEq)]
pub enum SurveyText {
    About,
    AboutStart,
    AboutMark,
    AboutStop,
    AboutStatus,
    AboutExport,
    AboutName,
    AboutNote,
    AboutKind,
    AboutFollow,
    AboutFile,
    AboutWhich,
    Started { name: String },
    Marked { mark: String, indoor: bool },
    Stopped(Status),
    Running(Status),
    NotRunning,
    EnteredHole,
    LeftHole,
    Refused(Refusal),
    NoAgent { why: String },
    UnknownForm { file: String },
    NoSurveys,
    NoSuchSurvey { name: String, known: String },
    Exported { file: String, points: u64, marks: u64 },
    Unreadable { lines: u64 },
    NotExported { file: String, why: String },
}

fn same(vi: &str, en: &str) -> (String, String) {
    (vi.into(), en.into())
}

impl Said for SurveyText {
    fn both(&self) -> (String, String) {
        match self {
            SurveyText::Started { name } => (
                format!("đã bắt đầu khảo sát {name}; hãy đi bộ, đánh dấu bằng `survey mark`, xong thì `survey stop`"),
                format!("survey {name} began; walk, mark places with `survey mark`, end with `survey stop`"),
            ),
            SurveyText::Marked { mark, indoor: true } => (
                format!("đã đánh dấu {mark}; từ đây số đo được coi là trong nhà, đến lần đánh dấu sau"),
                format!("marked {mark}; from here on readings count as indoors, until the next mark"),
            ),
            SurveyText::Marked { mark, indoor: false } => {
                (format!("đã đánh dấu {mark}; số đo là ngoài trời"), format!("marked {mark}; readings are outdoors"))
            }
            SurveyText::Stopped(status) => {
                let (vi, en) = counts(status);
                (format!("đã kết thúc khảo sát {}: {vi}", status.name), format!("survey {} is over: {en}", status.name))
            }
            SurveyText::Running(status) => running(status),
            SurveyText::NotRunning => same("không có khảo sát nào đang chạy", "no survey runs"),
            SurveyText::EnteredHole => same("VÀO VÙNG MẤT SÓNG", "ENTERED A HOLE"),
            SurveyText::LeftHole => same("ra khỏi vùng mất sóng", "left the hole"),
            SurveyText::Refused(refusal) => refused(refusal),
            SurveyText::NoAgent { why } => (
                format!("chương trình đo không trả lời ({why}); hãy chạy: systemctl start phusong-agent"),
                format!("the agent does not answer ({why}); start it: systemctl start phusong-agent"),
            ),
            SurveyText::UnknownForm { file } => (
                format!("{file}: tên tệp phải kết thúc bằng .geojson, .gpx hoặc .csv"),
                format!("{file}: the name must end with .geojson, .gpx or .csv"),
            ),
            SurveyText::NoSurveys => same("chưa có khảo sát nào được lưu", "no survey is kept here"),
            SurveyText::NoSuchSurvey { name, known } => (
                format!("không có khảo sát {name}; hiện có: {known}"),
                format!("there is no survey {name}; there are: {known}"),
            ),
            SurveyText::Exported { file, points, marks } => (
                format!("{file}: {points} điểm đo, {marks} chỗ đánh dấu"),
                format!("{file}: {points} points, {marks} marks"),
            ),
            SurveyText::Unreadable { lines } => (
                format!("{lines} dòng bị cắt dở không đọc được (mất điện khi đang ghi)"),
                format!("{lines} lines were cut off and cannot be read (power lost while writing)"),
            ),
            SurveyText::NotExported { file, why } => {
                (format!("không xuất được {file}: {why}"), format!("{file} was not written: {why}"))
            }
            about => described(about),
        }
    }
}

fn described(text: &SurveyText) -> (String, String) {
    match text {
        SurveyText::AboutStart => same("Bắt đầu khảo sát; nêu rõ còn thiếu gì", "Begin a survey; says what is missing"),
        SurveyText::AboutMark => same("Đánh dấu nơi đang đứng", "Mark the place where you stand"),
        SurveyText::AboutStop => same("Kết thúc khảo sát", "End the survey"),
        SurveyText::AboutStatus => same("Khảo sát đang ra sao", "How the survey goes"),
        SurveyText::AboutExport => same("Xuất khảo sát ra tệp", "Write a survey to a file"),
        SurveyText::AboutName => same("Tên: 1 đến 32 ký tự a-z, 0-9 và '-'", "Its name: 1 to 32 of a-z, 0-9 and '-'"),
        SurveyText::AboutNote => same("Ghi chú cho người xem sau", "A note for whoever reads it later"),
        SurveyText::AboutKind => same(
            "Nơi này là gì: trung tâm, nhà văn hóa, trường học, hộ dân, trong nhà",
            "What stands here; `indoor` once more ends it",
        ),
        SurveyText::AboutFollow => {
            same("Theo dõi liên tục; kêu khi vào và ra vùng mất sóng", "Go on looking; rings at each hole's edge")
        }
        SurveyText::AboutFile => same("Tệp .geojson, .gpx hoặc .csv", "A .geojson, .gpx or .csv file"),
        SurveyText::AboutWhich => same("Khảo sát nào; mặc định là lần mới nhất", "Which survey; without it the newest"),
        _ => same(
            "Đi bộ khảo sát: đo từng điểm trên đường đi, kể cả trong vùng mất sóng",
            "Walk surveys: measure along the way, inside the holes too",
        ),
    }
}

fn counts(status: &Status) -> (String, String) {
    let Status { points, marks, without_fix, holes, .. } = status;
    (
        format!(
            "{points} điểm đo, {marks} chỗ đánh dấu, {holes} lần vào vùng mất sóng, {without_fix} lần không có vị trí"
        ),
        format!("{points} points, {marks} marks, {holes} holes entered, {without_fix} times without a position"),
    )
}

fn running(status: &Status) -> (String, String) {
    let (vi, en) = counts(status);
    let last = status.last.as_ref();
    let network = last.and_then(|last| last.network.clone()).unwrap_or_else(|| "-".into());
    let level = last.and_then(|last| last.rsrp_dbm).map_or("-".into(), |dbm| format!("{dbm:.0} dBm"));
    let rtt = last.and_then(|last| last.rtt_us).map_or("-".into(), millis);
    let where_vi = if status.has_fix { "có vị trí" } else { "CHƯA CÓ VỊ TRÍ" };
    let where_en = if status.has_fix { "position known" } else { "NO POSITION" };
    let (hole_vi, hole_en) = if status.in_hole { (", MẤT SÓNG", ", IN A HOLE") } else { ("", "") };
    let (in_vi, in_en) = if status.indoor { (", trong nhà", ", indoors") } else { ("", "") };
    (
        format!("{}: {network} {level} {rtt}, {where_vi}{hole_vi}{in_vi}; {vi}", status.name),
        format!("{}: {network} {level} {rtt}, {where_en}{hole_en}{in_en}; {en}", status.name),
    )
}

fn refused(refusal: &Refusal) -> (String, String) {
    match refusal {
        Refusal::NoReceiver => same(
            "thiết bị không có bộ thu định vị: ghi [position] source = \"gpsd\" (hoặc \"modem\") rồi khởi động lại",
            "there is no receiver: set [position] source = \"gpsd\" (or \"modem\") and start the agent again",
        ),
        Refusal::NoFix => same(
            "chưa có vị trí: ra chỗ thoáng, chờ bộ thu bắt vệ tinh (xem bằng `cgps`), rồi thử lại",
            "there is no position yet: go where the sky is open, wait for satellites (`cgps` shows them), try again",
        ),
        Refusal::OldFix { age_s } => (
            format!("vị trí đã cũ {age_s} giây: ra chỗ thoáng, chờ bộ thu bắt lại, rồi thử lại"),
            format!("the position is {age_s} s old: go where the sky is open, wait for a new one, try again"),
        ),
        Refusal::NoTime => same(
            "đồng hồ chưa đúng: chờ đồng bộ qua mạng (`timedatectl`), hoặc dùng bộ thu GPS có giờ",
            "the clock is not set: wait for it (`timedatectl`), or use a receiver that gives the time",
        ),
        Refusal::NoSetup => same(
            "chưa khai cách đo: ghi [setup] (ngoài trời, độ cao, ăng-ten) vào tệp cấu hình rồi nạp lại",
            "how readings are taken is not said: write [setup] (environment, height, antenna) and reload",
        ),
        Refusal::NoRoom { free_bytes, needed_bytes } => (
            format!("ổ đĩa chỉ còn {}, cần {}: hãy xóa bớt tệp", bytes(*free_bytes), bytes(*needed_bytes)),
            format!("only {} are free, {} are needed: delete some files", bytes(*free_bytes), bytes(*needed_bytes)),
        ),
        Refusal::RoomUnknown => same(
            "không biết ổ đĩa còn bao nhiêu chỗ: kiểm tra thư mục data_dir",
            "how much of the disk is free cannot be asked: look at data_dir",
        ),
        Refusal::NothingToMeasure => same(
            "không có gì để đo: khai [[modem]], hoặc [[uplink]] cùng một [[target]]",
            "there is nothing to measure: name a [[modem]], or an [[uplink]] and a [[target]]",
        ),
        Refusal::Scanning => same(
            "modem đang dò mạng: chờ nhiều nhất 5 phút, rồi thử lại",
            "a modem searches for operators: wait, 5 minutes at most, then try again",
        ),
        Refusal::BadName => same(
            "tên phải gồm 1 đến 32 ký tự a-z, 0-9 và '-', ví dụ ban-moi-1",
            "the name must be 1 to 32 of a-z, 0-9 and '-', as ban-moi-1",
        ),
        Refusal::NameTaken { name } => (
            format!("đã có khảo sát {name}: chọn tên khác, ví dụ thêm -2"),
            format!("there is a survey {name} already: choose another name, as {name}-2"),
        ),
        Refusal::LongNote => {
            same("ghi chú dài quá 400 byte: hãy viết ngắn lại", "the note is longer than 400 bytes: shorten it")
        }
        Refusal::Running { name } => (
            format!("khảo sát {name} đang chạy: kết thúc bằng `survey stop` trước"),
            format!("survey {name} runs: end it first with `survey stop`"),
        ),
        Refusal::NotRunning => same(
            "không có khảo sát nào đang chạy: bắt đầu bằng `survey start TÊN`",
            "no survey runs: begin one with `survey start NAME`",
        ),
        Refusal::Disk { error } => (
            format!("không ghi được tệp khảo sát ({error}): kiểm tra quyền và chỗ trống của data_dir"),
            format!("the survey's file cannot be written ({error}): look at the rights and the room of data_dir"),
        ),
        Refusal::NotInThisBuild => same(
            "bản dựng này (OpenWrt) không có khảo sát: dùng bản đầy đủ",
            "this build (OpenWrt) has no surveys: use the full one",
        ),
    }
}
