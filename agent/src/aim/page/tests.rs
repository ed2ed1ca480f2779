//! The page in a terminal's buffer, at the least size and at the full one.

use super::*;
use crate::aim::Key;
use crate::control::{AcceptStep, Accepted, Pinged, Seen};
use crate::device::modem::picture::Known;
use crate::device::modem::{Identity, ModemKey, ModemState, Picture, Registered, Signal};
use phusong_protocol::{RadioCell, RegistrationStat, ServiceState, Technology};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Modifier;

fn cell(pci: u16, dbm: f32, db: f32) -> RadioCell {
    RadioCell {
        technology: Some(Technology::Lte),
        mcc: Some("452".into()),
        mnc: Some("04".into()),
        pci: Some(pci),
        arfcn: Some(1650),
        band: Some("B3".into()),
        rsrp_dbm: Some(dbm),
        rsrq_db: Some(-11.5),
        sinr_db: Some(db),
        ..RadioCell::default()
    }
}

fn state(at_mono_ms: u64, cells: Vec<RadioCell>) -> ModemState {
    let raw = Some("+QRSRP: -98,-112,-32768,-140,LTE".to_owned());
    let registered = Registered {
        stat: RegistrationStat::Home,
        service: Some(ServiceState::Home),
        plmn: None,
        technology: None,
        cell: None,
        reject_cause: None,
        raw: None,
    };
    ModemState {
        present: true,
        identity: Identity { model: Some("RM520N-GL".into()), interface: Some("wwan0".into()), ..Identity::default() },
        registration: Some(Known { at_mono_ms, value: registered }),
        signal: Some(Known { at_mono_ms, value: Signal { cells, rrc: None, raw } }),
        neighbours: Some(Known { at_mono_ms: 2_000, value: vec![cell(77, -110.0, 0.0)] }),
        ..ModemState::default()
    }
}

fn hear(screen: &mut Screen, at_ms: u64, cells: Vec<RadioCell>) {
    let picture = Picture { modems: [(ModemKey("roof".into()), state(at_ms, cells))].into(), left_out: 0 };
    let ping = [("wwan0".to_owned(), Pinged { at_mono_ms: at_ms, rtt_us: Some(45_000) })].into();
    screen.hear(&Seen { now_mono_ms: at_ms, picture, ping, ..Seen::default() });
}

fn drawn(screen: &Screen, now_ms: u64, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a buffer");
    let page = Page { screen, now_ms, language: Language::Vi };
    terminal.draw(|frame| page.draw(frame)).expect("a buffer takes everything");
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let rows = buffer.content.chunks(width);
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()).collect()
}

fn text(screen: &Screen, now_ms: u64, size: (u16, u16)) -> String {
    lines(&drawn(screen, now_ms, size)).join("\n")
}

/// Two cells, the second of which serves.
fn aimed() -> Screen {
    let mut screen = Screen::new(None);
    hear(&mut screen, 10_000, vec![cell(123, -97.0, 14.0)]);
    hear(&mut screen, 20_000, vec![cell(124, -100.0, 9.0)]);
    hear(&mut screen, 21_000, vec![cell(124, -101.0, 11.5)]);
    screen
}

const PHONE: (u16, u16) = (40, 20);
const FULL: (u16, u16) = (80, 24);

#[test]
fn both_sizes_show_value_median_best_bar_cell_and_the_cells_before() {
    for (size, bar_columns) in [(PHONE, 40), (FULL, 40)] {
        let screen = aimed();
        let shown = lines(&drawn(&screen, 22_000, size));
        let page = shown.join("\n");
        for wanted in [
            "NGẮM ĂNG-TEN  roof  RM520N-GL",
            "4G LTE B3 PCI 124 ARFCN 1650 452-04",
            "đã đăng ký",
            "ping 45 ms",
            "SINR 11.5 dB",
            "RSRP -101 dBm",
            "10 s -100.5 dBm",
            "nhất -100 dBm",
            "nhất 11.5 dB",
            "tuổi 1 s",
            "KIỂM TRA CÁP NÀY: nhánh 2 (-14 dB)",
            "B3 123/1650",
            "-97 dBm",
            "GIỮ YÊN 1/10 s █·········",
            "a nghiệm thu",
        ] {
            assert!(page.contains(wanted), "{size:?}: {wanted}\n{page}");
        }
        // -101 of -130..-60 in columns of a bar: 29/70.
        let level_bar = shown.iter().rev().find(|line| line.contains('◆')).expect("a bar");
        let level_bar: String = level_bar.chars().skip(if size == FULL { 40 } else { 0 }).collect();
        let full = level_bar.chars().filter(|c| *c == '▄').count();
        assert_eq!(full, (29.0 / 70.0 * f64::from(bar_columns)) as usize, "{level_bar}");
        assert!(shown.iter().all(|line| line.chars().count() <= usize::from(size.0)));
        assert_eq!(shown.len(), usize::from(size.1));
    }
    let full = text(&aimed(), 22_000, FULL);
    for wanted in ["Ô đã phục vụ", "Lân cận (tuổi 20 s)", "B3 77/1650", "-110 dBm", "nhánh -98 · -112 · — · — dBm"]
    {
        assert!(full.contains(wanted), "{wanted}\n{full}");
    }
}

#[test]
fn large_digits_are_those_of_the_value() {
    let shown = lines(&drawn(&aimed(), 22_000, PHONE));
    let wanted = crate::aim::digits::large("11.5");
    for (line, wanted) in shown[3..8].iter().zip(wanted) {
        assert!(line.starts_with(wanted.trim_end()), "{line}");
    }
    let wanted = crate::aim::digits::large("-101");
    for (line, wanted) in shown[9..14].iter().zip(wanted) {
        assert!(line.starts_with(wanted.trim_end()), "{line}");
    }
}

#[test]
fn an_old_value_has_no_large_digits_is_struck_out_and_says_how_old_it_is() {
    for size in [PHONE, FULL] {
        let buffer = drawn(&aimed(), 33_000, size);
        let shown = lines(&buffer);
        let page = shown.join("\n");
        assert!(page.contains("CŨ 12 s"), "{page}");
        assert!(page.contains("10 s —"), "{page}");
        assert!(shown[3].trim_start().starts_with("SINR") && shown[5].starts_with("███████"), "{page}");
        assert!(shown.iter().all(|line| !line.contains('▄')), "no bar: {page}");
        let struck: String = buffer
            .content
            .iter()
            .filter(|cell| cell.modifier.contains(Modifier::CROSSED_OUT))
            .map(|cell| cell.symbol())
            .collect();
        assert!(struck.starts_with("SINR 11.5 dB") && struck.contains("RSRP -101 dBm"), "{struck}");
    }
    let young = drawn(&aimed(), 22_000, PHONE);
    assert!(young.content.iter().all(|cell| !cell.modifier.contains(Modifier::CROSSED_OUT)));
}

#[test]
fn there_are_two_inks_and_everything_is_bold() {
    let mut screen = aimed();
    for inverse in [false, true] {
        let buffer = drawn(&screen, 22_000, FULL);
        let inks: std::collections::BTreeSet<String> =
            buffer.content.iter().map(|cell| format!("{:?} on {:?}", cell.fg, cell.bg)).collect();
        let black_on_white = "Indexed(16) on Indexed(231)".to_owned();
        let white_on_black = "Indexed(231) on Indexed(16)".to_owned();
        assert_eq!(inks, [black_on_white.clone(), white_on_black.clone()].into());
        assert!(buffer.content.iter().all(|cell| cell.modifier.contains(Modifier::BOLD)));
        let paper = buffer.content.iter().filter(|cell| cell.bg == ratatui::style::Color::Indexed(231)).count();
        assert_eq!(paper > buffer.content.len() / 2, !inverse);
        screen.press(Key::Inverse);
    }
}

#[test]
fn limited_service_a_lost_modem_and_no_modem_are_said_in_reverse() {
    let reversed = |screen: &Screen| {
        let buffer = drawn(screen, 22_000, PHONE);
        let row: String = lines(&buffer)[2].clone();
        let cell = &buffer.content[2 * 40];
        (row, cell.bg == ratatui::style::Color::Indexed(16))
    };
    let mut screen = aimed();
    assert!(!reversed(&screen).1);
    let mut limited = state(21_500, vec![cell(9, -80.0, 20.0)]);
    if let Some(known) = &mut limited.registration {
        known.value.service = Some(ServiceState::Limited);
        known.value.plmn = Some("452-01".into());
    }
    let picture = Picture { modems: [(ModemKey("roof".into()), limited)].into(), left_out: 0 };
    screen.hear(&Seen { now_mono_ms: 21_500, picture, ..Seen::default() });
    assert_eq!(reversed(&screen), ("CHỈ GỌI KHẨN CẤP: sóng của 452-01".into(), true));
    screen.lost = Some("x".into());
    assert_eq!(reversed(&screen), ("mất chương trình đo: x".into(), true));
    assert!(reversed(&Screen::new(None)).0.starts_with("chưa thấy modem nào"));
}

#[test]
fn the_result_of_an_acceptance_stands_on_both_sizes() {
    let mut screen = aimed();
    screen.press(Key::Accept);
    screen.accepting(AcceptStep::Pinging { sent: 30, received: 29, of: 60 });
    for size in [PHONE, FULL] {
        let page = text(&screen, 22_000, size);
        assert!(page.contains("NGHIỆM THU ping 30/60 mất 1") && page.contains("████████████···"), "{page}");
    }
    let done = Accepted {
        sent: 60,
        received: 57,
        median_us: Some(45_000),
        p95_us: Some(90_000),
        down_bps: Some(12_345_678),
        up_bps: Some(3_456_789),
        ..Accepted::default()
    };
    screen.accepting(AcceptStep::Done(done));
    for size in [PHONE, FULL] {
        let page = text(&screen, 22_000, size);
        assert!(page.contains("ping mất 3/60 giữa 45 ms p95 90 ms"), "{page}");
        assert!(page.contains("xuống 12.3 Mbit/s lên 3.4 Mbit/s"), "{page}");
    }
}

#[test]
fn small_screens_show_lists_when_asked_and_too_small_ones_say_so() {
    let mut screen = aimed();
    screen.press(Key::Lists);
    let page = text(&screen, 22_000, PHONE);
    assert!(page.contains("Ô đã phục vụ") && page.contains("B3 123/1650") && page.contains("Lân cận"), "{page}");
    assert_eq!(text(&screen, 22_000, (39, 20)).trim(), "màn hình quá nhỏ: cần 40x20");
    screen.press(Key::Help);
    let page = text(&screen, 22_000, PHONE);
    assert!(page.contains("q    thoát") && !page.contains("Lân cận"), "{page}");
    screen.press(Key::Other);
    assert!(text(&screen, 22_000, PHONE).contains("Lân cận"));
}
