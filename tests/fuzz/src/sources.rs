//! What stands between a modem and the decoder: lines of a port, what a line is, the JSON of programs.

use phusong_agent::device::modem::at::lines::{LINE_BYTES, Lines};
use phusong_agent::device::modem::at::reply;
use phusong_agent::device::modem::command::words::{self, Word};

/// Cut anywhere, the lines are the same.
pub fn at_lines(data: &[u8]) {
    let whole = Lines::default().push(data);
    let piece = data.first().map_or(1, |byte| usize::from(*byte) % 37 + 1);
    let mut lines = Lines::default();
    let pieces: Vec<String> = data.chunks(piece).flat_map(|piece| lines.push(piece)).collect();
    assert_eq!(whole, pieces);
    for line in &whole {
        // A byte that is not UTF-8 becomes three.
        assert!(!line.is_empty() && line.len() <= 3 * LINE_BYTES && line.trim() == line, "{line:?}");
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
    }
}

/// The first line is the command.
pub fn at_reply(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (command, rest) = text.split_once('\n').unwrap_or(("AT+CEREG?", &text));
    for line in rest.lines() {
        let _ = (reply::sort(line, Some(command)), reply::sort(line, None), reply::value(line));
        assert!(!reply::fields(line).is_empty());
    }
}

/// What is read lies within what a sample may carry.
pub fn program_json(data: &[u8]) {
    for line in String::from_utf8_lossy(data).lines() {
        let cell = match words::read(line, 1_000) {
            Ok(Word::Signal { cell: Some(cell), .. } | Word::Neighbour { cell, .. }) => cell,
            Ok(Word::Position(fix)) => {
                assert!(fix.lat.abs() <= 90.0 && fix.lon.abs() <= 180.0 && fix.at_mono_ms <= 1_000, "{fix:?}");
                continue;
            }
            Ok(_) | Err(_) => continue,
        };
        let within = |value: Option<f32>, low: f32, high: f32| value.is_none_or(|value| (low..=high).contains(&value));
        let good = within(cell.rsrp_dbm, -156.0, -31.0)
            && within(cell.rsrq_db, -43.5, 20.0)
            && within(cell.sinr_db, -23.5, 40.0)
            && within(cell.rssi_dbm, -125.0, -10.0)
            && cell.pci.is_none_or(|pci| pci <= 1007)
            && cell.cell_id.is_none_or(|id| id < 1 << 36);
        assert!(good, "{cell:?}");
    }
}
