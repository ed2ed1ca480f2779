//! Everything the dashboards say, in Vietnamese and English.
//!
//! In: a language. Out: its words. Refuses to know: where they are shown. Limits: each text is one value with both
//! languages, so one without the other does not compile. Vietnamese is kept in NFC. Words as in the documents: a hamlet
//! is "xóm", a gap "gián đoạn dịch vụ", a blind "mất số liệu".

pub mod commune;
pub mod hamlet;

/// In which language a dashboard is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Vi,
    En,
}

impl Language {
    pub const ALL: [Language; 2] = [Language::Vi, Language::En];

    /// Its directory, and the end of each uid.
    pub fn code(self) -> &'static str {
        match self {
            Language::Vi => "vi",
            Language::En => "en",
        }
    }
}

/// One text in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    vi: &'static str,
    en: &'static str,
}

impl Text {
    const fn new(vi: &'static str, en: &'static str) -> Self {
        Text { vi, en }
    }

    pub fn say(self, language: Language) -> &'static str {
        match language {
            Language::Vi => self.vi,
            Language::En => self.en,
        }
    }
}

pub const UNKNOWN: Text = Text::new("chưa đo", "not measured");
pub const DEAD: Text = Text::new("không có sóng", "no signal");
pub const DISCONNECTED: Text = Text::new("mất kết nối", "disconnected");
pub const WEAK: Text = Text::new("yếu", "weak");
pub const GOOD: Text = Text::new("tốt", "good");

pub const DATASOURCE: Text = Text::new("Nguồn số liệu", "Data source");
pub const PROVINCE: Text = Text::new("Tỉnh", "Province");
pub const COMMUNE: Text = Text::new("Xã", "Commune");
pub const HAMLET: Text = Text::new("Xóm", "Hamlet");

pub const SIBLINGS: Text = Text::new("Bảng khác", "Other dashboards");
pub const WEB_MAP: Text = Text::new("Bản đồ", "Map");
pub const RUNBOOK: Text = Text::new("Hướng dẫn xử lý", "Runbook");
pub const OPEN_HAMLET: Text = Text::new("Mở bảng của xóm", "Open the hamlet");
pub const OPEN_MAP: Text = Text::new("Xem trên bản đồ", "Show on the map");
pub const EARLIER: Text = Text::new("trước khoảng đang xem", "before the shown range");

pub const CAUSE_NO_COVERAGE: Text = Text::new("không có sóng", "no coverage");
pub const CAUSE_SITE_DOWN: Text = Text::new("trạm phát ngừng", "base station down");
pub const CAUSE_BACKHAUL: Text = Text::new("đứt đường truyền", "backhaul cut");
pub const CAUSE_POWER: Text = Text::new("mất điện tại thiết bị đo", "power lost at the probe");
pub const CAUSE_DEVICE: Text = Text::new("hỏng thiết bị đo", "fault of the probe");
pub const CAUSE_SIM: Text = Text::new("lỗi SIM", "SIM");
pub const CAUSE_BEARER: Text = Text::new("không mở được phiên dữ liệu", "no data session");
pub const CAUSE_PLAN: Text = Text::new("hết gói cước", "data plan spent");
pub const CAUSE_UNKNOWN: Text = Text::new("chưa rõ", "unknown");
