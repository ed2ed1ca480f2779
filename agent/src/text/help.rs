//! What `--help` and a refused start say.
//!
//! In: a [`Help`]. Out: both languages. Refuses to know: clap. Limits: the set.

use super::Said;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Help {
    Program,
    Join,
    JoinCode,
    JoinDataDir,
    JoinProvider,
    JoinReplace,
    Run,
    Measure,
    Check,
    Spool,
    SpoolStatus,
    SpoolExport,
    SpoolAck,
    SpoolVerify,
    Modem,
    ModemDecode,
    DecodeModel,
    Config,
    ConfigShow,
    ConfigCheck,
    File,
    Lang,
    Json,
    ExportFile,
    ExportRaw,
    AckFile,
}

impl Help {
    pub const ALL: [Help; 26] = [
        Help::Program,
        Help::Join,
        Help::JoinCode,
        Help::JoinDataDir,
        Help::JoinProvider,
        Help::JoinReplace,
        Help::Run,
        Help::Measure,
        Help::Check,
        Help::Spool,
        Help::SpoolStatus,
        Help::SpoolExport,
        Help::SpoolAck,
        Help::SpoolVerify,
        Help::Modem,
        Help::ModemDecode,
        Help::DecodeModel,
        Help::Config,
        Help::ConfigShow,
        Help::ConfigCheck,
        Help::File,
        Help::Lang,
        Help::Json,
        Help::ExportFile,
        Help::ExportRaw,
        Help::AckFile,
    ];
}

impl Said for Help {
    fn both(&self) -> (String, String) {
        let (vi, en) = match self {
            Help::Program => (
                "Thiết bị đo của Phủ Sóng: đo, lưu và gửi mà không mất mẫu nào",
                "The probe of Phu Song: measures, keeps and delivers without losing a sample",
            ),
            Help::Join => (
                "Dán mã để thiết bị này tham gia: ghi cấu hình, thử mọi thứ, gửi mẫu đầu tiên",
                "Join with a pasted code: writes the configuration, tries everything, sends a first sample",
            ),
            Help::JoinCode => (
                "Mã mà `phusong-collector probe add` đã in; không có thì đọc từ bàn phím",
                "The code that `phusong-collector probe add` printed; without it, it is read from the keyboard",
            ),
            Help::JoinDataDir => ("Thư mục của bộ nhớ tạm", "Directory of the spool"),
            Help::JoinProvider => (
                "Nhà mạng của đường dây cố định, như vnpt, viettel, fpt",
                "Who provides the fixed line, as vnpt, viettel, fpt",
            ),
            Help::JoinReplace => (
                "Thay cấu hình đang có; tệp cũ được giữ lại bên cạnh",
                "Replace the configuration that is there; the old file is kept beside it",
            ),
            Help::Run => ("Đo và gửi cho đến khi được dừng", "Measure and deliver until stopped"),
            Help::Measure => (
                "Đo mọi đích một lượt rồi hiện kết quả; không cần máy chủ hay tệp cấu hình",
                "Take one round of every target and show it; needs no broker and no configuration",
            ),
            Help::Check => (
                "Thử mọi thứ, cho đến một mẫu được bộ thu xác nhận",
                "Try everything, up to a sample that the collector acknowledges",
            ),
            Help::Spool => (
                "Xem những gì đang chờ trên đĩa, hoặc chuyển chúng bằng tệp",
                "Look at what waits on disk, or hand it over by file",
            ),
            Help::SpoolStatus => ("Bao nhiêu mẫu đang chờ, từ lúc nào", "How much waits, and since when"),
            Help::SpoolExport => (
                "Ghi những mẫu đang chờ ra tệp cho `phusong-collector import`",
                "Write what waits to a file for `phusong-collector import`",
            ),
            Help::SpoolAck => (
                "Áp dụng tệp mà `phusong-collector import` đã ghi; phải dừng chương trình đo trước",
                "Apply the file that `phusong-collector import` wrote; the agent must be stopped",
            ),
            Help::SpoolVerify => ("Đọc và kiểm tra từng bản ghi", "Read every record and check it"),
            Help::Modem | Help::ModemDecode | Help::DecodeModel => self.of_modem(),
            Help::Config => ("Xem cấu hình", "Look at the configuration"),
            Help::ConfigShow => (
                "In cấu hình đang dùng, kể cả giá trị mặc định, che mật khẩu",
                "Print the configuration in force, defaults included, passwords hidden",
            ),
            Help::ConfigCheck => ("Nói tệp cấu hình sai ở đâu", "Say what is wrong with the file"),
            Help::File => ("Tệp cấu hình", "Configuration file"),
            Help::Lang => ("Ngôn ngữ của thông báo: vi hoặc en", "Language of messages: vi or en"),
            Help::Json => ("In ra dạng JSON", "Print JSON"),
            Help::ExportFile => ("Tệp sẽ được ghi", "File to write"),
            Help::ExportRaw => {
                ("Kể cả các lượt đo gốc chưa có bản tổng hợp", "Also raw rounds that no summary stands for yet")
            }
            Help::AckFile => ("Tệp cần áp dụng", "File to apply"),
        };
        (vi.into(), en.into())
    }
}

impl Help {
    fn of_modem(&self) -> (&'static str, &'static str) {
        match self {
            Help::Modem => ("Xem modem nói gì", "Look at what a modem says"),
            Help::ModemDecode => (
                "Đọc các dòng trả lời của modem từ đầu vào, in mỗi kết quả thành một dòng JSON",
                "Read reply lines of a modem from stdin and print what they mean as JSON Lines",
            ),
            _ => (
                "Kiểu modem, như EG25-G hoặc SIM7080G: quyết định thang đo của SINR",
                "Model of the modem, as EG25-G or SIM7080G: decides the scale of SINR",
            ),
        }
    }
}
