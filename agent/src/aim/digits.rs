//! Large digits: five rows that can be read at arm's length in the sun.
//!
//! In: a number as text. Out: five rows of blocks. Refuses to know: what it means. Limits: digits, sign, point and
//! dash; anything else is left out.

pub const ROWS: usize = 5;

/// The five rows of a text, one blank column between characters.
pub fn large(text: &str) -> [String; ROWS] {
    let mut rows: [String; ROWS] = std::array::from_fn(|_| String::new());
    for (n, glyph) in text.chars().filter_map(glyph).enumerate() {
        for (row, part) in rows.iter_mut().zip(glyph) {
            if n > 0 {
                row.push(' ');
            }
            row.push_str(part);
        }
    }
    rows
}

const fn glyph(c: char) -> Option<[&'static str; ROWS]> {
    Some(match c {
        '0' => ["████", "█  █", "█  █", "█  █", "████"],
        '1' => ["  █ ", " ██ ", "  █ ", "  █ ", " ███"],
        '2' => ["████", "   █", "████", "█   ", "████"],
        '3' => ["████", "   █", " ███", "   █", "████"],
        '4' => ["█  █", "█  █", "████", "   █", "   █"],
        '5' => ["████", "█   ", "████", "   █", "████"],
        '6' => ["████", "█   ", "████", "█  █", "████"],
        '7' => ["████", "   █", "  █ ", " █  ", " █  "],
        '8' => ["████", "█  █", "████", "█  █", "████"],
        '9' => ["████", "█  █", "████", "   █", "████"],
        '-' => ["   ", "   ", "███", "   ", "   "],
        '—' => ["       ", "       ", "███████", "       ", "       "],
        '.' => [" ", " ", " ", " ", "█"],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_as_wide_in_each_of_its_rows_and_none_looks_like_another() {
        let all = "0123456789-.—";
        let mut seen = std::collections::BTreeSet::new();
        for c in all.chars() {
            let glyph = glyph(c).expect("it is drawn");
            assert!(glyph.iter().all(|row| row.chars().count() == glyph[0].chars().count()), "{c}");
            assert!(seen.insert(glyph), "{c}");
        }
        assert_eq!(large("x"), [""; ROWS].map(str::to_owned));
    }

    #[test]
    fn a_number_of_a_panel_fits_beside_its_text() {
        for text in ["-140", "-12.5", "30.0", "-101", "—"] {
            let width = large(text).iter().map(|row| row.chars().count()).max().unwrap_or(0);
            assert!(width <= 21, "{text}: {width}");
        }
        assert_eq!(large("-1")[1], "     ██ ");
    }
}
