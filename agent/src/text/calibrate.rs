//! What `calibrate` says: where to stand, how far it is, what came of it, and why it does not count.
//!
//! In: a [`CalibrateText`]. Out: both languages. Refuses to know: how it is measured. Limits: the set.

use super::Said;
use super::aim::{dbm, number, plain, span};
use crate::calibrate::{PlaceError, SPREAD_DB};

#[derive(Debug, Clone, PartialEq)]
pub enum CalibrateText {
    About,
    AboutReference,
    AboutReferenceDbm,
    AboutModem,
    AboutSeconds,
    Begin { modem: String, place: String },
    Shortened { s: u64 },
    Go { place: usize, of: usize },
    NoteReference,
    SoFar { left_ms: u64, level: Option<f32>, cell: String, readings: usize },
    TypeReference { place: usize },
    NotALevel,
    NoAnswer,
    ThreeLevels,
    SameModem,
    ModemMissing { modem: String },
    NoModem,
    Lost { why: String },
    Bad(PlaceError),
    Again,
    Place { place: usize, own: f32, readings: usize, cell: String, reference: f32, offset: f32 },
    Bare { gain: Option<f32>, loss: Option<f32> },
    Refused { spread: f32 },
    Result { offset: f32, spread: f32 },
    Written { file: String },
    NotACalibration { s: u64, file: String },
    NoDate,
    NotWritten { file: String, why: String, lines: String },
    Reload,
}

impl Said for CalibrateText {
    fn both(&self) -> (String, String) {
        match self {
            CalibrateText::About
            | CalibrateText::AboutReference
            | CalibrateText::AboutReferenceDbm
            | CalibrateText::AboutModem
            | CalibrateText::AboutSeconds => about(self),
            CalibrateText::Bad(error) => bad(error),
            CalibrateText::NotALevel
            | CalibrateText::NoAnswer
            | CalibrateText::ThreeLevels
            | CalibrateText::SameModem
            | CalibrateText::ModemMissing { .. }
            | CalibrateText::NoModem
            | CalibrateText::Lost { .. } => problem(self),
            CalibrateText::Place { .. }
            | CalibrateText::Bare { .. }
            | CalibrateText::Refused { .. }
            | CalibrateText::Result { .. }
            | CalibrateText::Written { .. }
            | CalibrateText::NotACalibration { .. }
            | CalibrateText::NoDate
            | CalibrateText::NotWritten { .. }
            | CalibrateText::Reload => result(self),
            _ => told(self),
        }
    }
}

fn about(text: &CalibrateText) -> (String, String) {
    match text {
        CalibrateText::About => plain(
            "Hiệu chỉnh bên cạnh máy chuẩn: 5 phút ở mỗi chỗ trong ba chỗ, rồi ghi độ lệch vào cấu hình",
            "Calibrate beside a reference device: 5 minutes at each of three places, then the offset is written",
        ),
        CalibrateText::AboutReference => plain(
            "Modem làm chuẩn: một [[modem]] khác của thiết bị này",
            "The modem that is the reference: another [[modem]] of this device",
        ),
        CalibrateText::AboutReferenceDbm => plain(
            "RSRP của máy chuẩn ở ba chỗ, như -95,-101,-88; không có thì được hỏi ở mỗi chỗ",
            "RSRP of the reference at the three places, as -95,-101,-88; without it each is asked for",
        ),
        CalibrateText::AboutModem => plain(
            "Modem được hiệu chỉnh; không có thì lấy modem đầu tiên",
            "The modem to calibrate; without it the first",
        ),
        _ => plain(
            "Chỉ để thử: ít giây hơn ở mỗi chỗ; kết quả không phải là hiệu chỉnh",
            "For tests alone: fewer seconds a place; the result is not a calibration",
        ),
    }
}

fn told(text: &CalibrateText) -> (String, String) {
    match text {
        CalibrateText::Begin { modem, place } => (
            format!(
                "Hiệu chỉnh {modem}: ba chỗ khác nhau, mỗi chỗ {place}. Đặt máy chuẩn ngay bên cạnh, cùng độ cao, \
                 cùng ô; đừng đứng che."
            ),
            format!(
                "Calibrating {modem}: three different places, {place} each. Put the reference right beside it, at \
                 the same height and on the same cell; do not stand in between."
            ),
        ),
        CalibrateText::Shortened { s } => (
            format!("RÚT NGẮN còn {s} s mỗi chỗ: KHÔNG PHẢI LÀ HIỆU CHỈNH"),
            format!("SHORTENED to {s} s a place: NOT A CALIBRATION"),
        ),
        CalibrateText::Go { place, of } => (
            format!("Chỗ {place}/{of}: đặt cả hai máy xuống, rồi nhấn Enter"),
            format!("Place {place}/{of}: put both devices down, then press Enter"),
        ),
        CalibrateText::NoteReference => plain(
            "Mỗi phút ghi lại RSRP của máy chuẩn; sẽ hỏi ở cuối",
            "Note the RSRP of the reference each minute; it is asked for at the end",
        ),
        CalibrateText::SoFar { left_ms, level, cell, readings } => (
            format!("còn {}  RSRP {}  {cell}  {readings} số đo", span(*left_ms), dbm(*level)),
            format!("{} left  RSRP {}  {cell}  {readings} readings", span(*left_ms), dbm(*level)),
        ),
        CalibrateText::TypeReference { place } => (
            format!("RSRP của máy chuẩn ở chỗ {place}, dBm (một hay nhiều số, cách nhau bằng dấu cách):"),
            format!("RSRP of the reference at place {place}, dBm (one number or several with spaces between):"),
        ),
        _ => plain("Đo lại chính chỗ này: nhấn Enter", "The same place again: press Enter"),
    }
}

fn problem(text: &CalibrateText) -> (String, String) {
    match text {
        CalibrateText::NotALevel => {
            plain("đó không phải là RSRP: từ -160 đến -30, như -101", "that is no RSRP: from -160 to -30, as -101")
        }
        CalibrateText::NoAnswer => plain(
            "không có ai để hỏi: thêm --reference TÊN hoặc --reference-dbm A,B,C",
            "there is nobody to ask: add --reference NAME or --reference-dbm A,B,C",
        ),
        CalibrateText::ThreeLevels => plain(
            "--reference-dbm cần đúng ba số, mỗi chỗ một số, từ -160 đến -30, như -95,-101,-88",
            "--reference-dbm takes three numbers, one a place, from -160 to -30, as -95,-101,-88",
        ),
        CalibrateText::SameModem => plain(
            "máy chuẩn và máy được hiệu chỉnh là cùng một modem; chọn bằng --modem và --reference",
            "reference and device are the same modem; choose with --modem and --reference",
        ),
        CalibrateText::ModemMissing { modem } => (
            format!("không thấy modem {modem}: xem dây, nguồn và [[modem]] (`phusong-agent check`)"),
            format!("modem {modem} is not seen: look at cable, supply and [[modem]] (`phusong-agent check`)"),
        ),
        CalibrateText::NoModem => plain(
            "không có modem nào để hiệu chỉnh ngoài máy chuẩn: khai thêm một [[modem]], hoặc dùng --reference-dbm",
            "there is no modem to calibrate beside the reference: name one more [[modem]], or use --reference-dbm",
        ),
        CalibrateText::Lost { why } => (format!("mất chương trình đo: {why}"), format!("the agent is lost: {why}")),
        _ => plain("không được", "it cannot be"),
    }
}

fn bad(error: &PlaceError) -> (String, String) {
    match error {
        PlaceError::TooFew { readings, least } => (
            format!("chỗ này không tính: chỉ có {readings} số đo, cần {least}; có sóng không?"),
            format!("this place does not count: {readings} readings, {least} are needed; is there service?"),
        ),
        PlaceError::ManyCells { percent } => (
            format!("chỗ này không tính: ô chính chỉ chiếm {percent}%; chọn chỗ mà ô phục vụ không đổi"),
            format!("this place does not count: one cell has only {percent}%; take a place where the cell stays"),
        ),
        PlaceError::NoRsrp { kind } => (
            format!("chỗ này không tính: modem chỉ cho {}, không cho RSRP", kind.name()),
            format!("this place does not count: the modem gives {} and no RSRP", kind.name()),
        ),
        PlaceError::ReferenceTooFew { readings, least } => (
            format!("chỗ này không tính: máy chuẩn chỉ có {readings} số đo, cần {least}"),
            format!("this place does not count: the reference has {readings} readings, {least} are needed"),
        ),
        PlaceError::ReferenceManyCells { percent } => (
            format!("chỗ này không tính: ô chính của máy chuẩn chỉ chiếm {percent}%"),
            format!("this place does not count: one cell has only {percent}% of the reference's readings"),
        ),
        PlaceError::OtherCell => plain(
            "chỗ này không tính: hai máy ở hai ô khác nhau",
            "this place does not count: the two devices are on different cells",
        ),
    }
}

fn result(text: &CalibrateText) -> (String, String) {
    let n = |value: &f32| number(*value);
    match text {
        CalibrateText::Place { place, own, readings, cell, reference, offset } => {
            let (own, reference, offset) = (n(own), n(reference), n(offset));
            (
                format!(
                    "chỗ {place}: máy này {own} dBm ({readings} số đo, {cell}), chuẩn {reference} dBm, lệch {offset} dB"
                ),
                format!(
                    "place {place}: this device {own} dBm ({readings} readings, {cell}), reference {reference} dBm, \
                     offset {offset} dB"
                ),
            )
        }
        CalibrateText::Bare { gain, loss } => {
            let of = |value: &Option<f32>| value.as_ref().map_or_else(|| "—".to_owned(), n);
            (
                format!("đã trừ độ lợi ăng-ten {} dBi và cộng suy hao cáp {} dB trước khi so sánh", of(gain), of(loss)),
                format!("before comparing, gain {} dBi was taken off and cable loss {} dB put on", of(gain), of(loss)),
            )
        }
        CalibrateText::Refused { spread } => (
            format!(
                "KHÔNG ghi: ba chỗ lệch nhau {} dB, quá {} dB. Đó không phải là một độ lệch cố định: xem ăng-ten, đầu \
                 nối, máy chuẩn có đúng bên cạnh không, rồi làm lại",
                n(spread),
                n(&SPREAD_DB)
            ),
            format!(
                "NOT written: the three places differ by {} dB, more than {} dB. That is no constant offset: look at \
                 antenna, connectors and where the reference stood, then do it again",
                n(spread),
                n(&SPREAD_DB)
            ),
        ),
        CalibrateText::Result { offset, spread } => (
            format!("ĐỘ LỆCH {} dB (ba chỗ lệch nhau {} dB)", n(offset), n(spread)),
            format!("OFFSET {} dB (the three places differ by {} dB)", n(offset), n(spread)),
        ),
        CalibrateText::Written { file } => {
            (format!("đã ghi offset_db vào [setup] của {file}"), format!("offset_db is written to [setup] of {file}"))
        }
        CalibrateText::NotACalibration { s, file } => (
            format!("{s} s mỗi chỗ KHÔNG PHẢI LÀ HIỆU CHỈNH: cấu hình không đổi; bản thử nằm ở {file}"),
            format!("{s} s a place are NOT A CALIBRATION: the configuration stays; what it would be is in {file}"),
        ),
        CalibrateText::NoDate => plain(
            "đồng hồ chưa được chỉnh trong lần khởi động này: calibrated_at_ms không được ghi",
            "the clock was not set in this boot: calibrated_at_ms is left out",
        ),
        CalibrateText::NotWritten { file, why, lines } => (
            format!("không ghi được {file}: {why}. Hãy tự ghi vào [setup]:\n{lines}"),
            format!("{file} cannot be written: {why}. Write into [setup] by hand:\n{lines}"),
        ),
        _ => plain("Để áp dụng: systemctl reload phusong-agent", "To put it in force: systemctl reload phusong-agent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aim::leg::LevelKind;

    #[test]
    fn whatever_does_not_count_says_why_in_both_languages() {
        let all = [
            PlaceError::TooFew { readings: 3, least: 60 },
            PlaceError::ManyCells { percent: 70 },
            PlaceError::NoRsrp { kind: LevelKind::Rssi },
            PlaceError::ReferenceTooFew { readings: 3, least: 60 },
            PlaceError::ReferenceManyCells { percent: 70 },
            PlaceError::OtherCell,
        ];
        for error in all {
            let (vi, en) = CalibrateText::Bad(error).both();
            assert!(vi.starts_with("chỗ này không tính: ") && en.starts_with("this place does not count: "), "{vi}");
        }
        let (vi, en) = CalibrateText::Refused { spread: 6.5 }.both();
        assert!(vi.contains("6.5 dB, quá 6 dB") && en.contains("6.5 dB, more than 6 dB"), "{vi} / {en}");
    }
}
