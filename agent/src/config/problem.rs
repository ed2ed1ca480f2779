//! What can be wrong with a configuration, said in both languages.
//!
//! In: a parser's error or a broken rule. Out: lines of `file:line: field: what would be right`. Refuses to know: where
//! the text came from. Limits: at most [`SHOWN`] problems of one file, texts of at most 400 bytes.

use super::Language;
use super::locate::Source;
use serde::de::DeserializeOwned;
use std::fmt;

/// More problems than this are not read by anybody.
pub const SHOWN: usize = 20;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    Unreadable { detail: String },
    FileTooLong { bound: u64 },
    Syntax { detail: String },
    UnknownKey { key: String, allowed: String },
    Missing { key: String },
    Value { detail: String },
    Between { min: String, max: String },
    Name,
    Length { max: usize },
    TooMany { max: usize },
    NoneGiven,
    DuplicateOf { line: Option<usize> },
    PortMissing,
    PortUnused,
    PortInUrl,
    OnlyOf { kind: &'static str },
    HttpUrl,
    BackEndUrl,
    DomainName,
    CaWithoutHttps,
    RoundTooLong { round_ms: u64, period_ms: u64 },
    InterfaceName,
    AbsolutePath,
    PasswordTwice,
    BrokerUrl,
    CaWithoutTls,
    NeededBy { key: &'static str, source: &'static str },
    NotOf { source: &'static str },
    NotInThisBuild { source: &'static str },
}

/// A broken rule with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    pub line: Option<usize>,
    pub field: String,
    pub rule: Rule,
}

/// Everything that is wrong with one file; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Rule {
    pub fn say(&self, language: Language) -> String {
        match language {
            Language::En => self.english(),
            Language::Vi => self.vietnamese(),
        }
    }

    fn english(&self) -> String {
        match self {
            Rule::Unreadable { detail } => format!("cannot be read: {detail}"),
            Rule::FileTooLong { bound } => format!("is longer than {bound} bytes; a configuration never is"),
            Rule::Syntax { detail } => format!("is no TOML: {detail}"),
            Rule::UnknownKey { key, allowed } => format!("key `{key}` is not known; known here: {allowed}"),
            Rule::Missing { key } => format!("`{key}` is missing and has no default"),
            Rule::Value { detail } => detail.clone(),
            Rule::Between { min, max } => format!("must be between {min} and {max}"),
            Rule::Name => "must be 1 to 32 of a-z, 0-9 and '-'".into(),
            Rule::Length { max } => format!("must have 1 to {max} bytes"),
            Rule::TooMany { max } => format!("at most {max} are allowed"),
            Rule::NoneGiven => "at least one is needed".into(),
            Rule::DuplicateOf { line: Some(line) } => format!("stands already in line {line}; each must be unique"),
            Rule::DuplicateOf { line: None } => "stands there already; each must be unique".into(),
            Rule::PortMissing => "a tcp target needs a port between 1 and 65535".into(),
            Rule::PortUnused => "an icmp target has no port; remove it or use kind = \"tcp\"".into(),
            Rule::PortInUrl => "an http target has its port in the URL: host = \"http://name:port/\"".into(),
            Rule::OnlyOf { kind } => format!("only a target with kind = \"{kind}\" has this; remove it"),
            Rule::HttpUrl => "must be http://host[:port][/path] or https://host[:port][/path], in ASCII".into(),
            Rule::BackEndUrl => "must be the URL that garbage.php and empty.php stand under, without `?`".into(),
            Rule::DomainName => "must be a domain name in ASCII, as \"example.vn\" or \".\" for the root".into(),
            Rule::CaWithoutHttps => "only an https:// target checks certificates; remove it or use https://".into(),
            Rule::RoundTooLong { round_ms, period_ms } => {
                format!("count x interval_ms = {round_ms} ms must be less than the period of {period_ms} ms")
            }
            Rule::InterfaceName => "must be a network interface: 1 to 15 bytes without '/' and white space".into(),
            Rule::AbsolutePath => "must be an absolute path".into(),
            Rule::BrokerUrl => "must be mqtt://host[:port] or mqtts://host[:port]".into(),
            Rule::CaWithoutTls => "only an mqtts:// broker checks certificates; remove it or use mqtts://".into(),
            Rule::PasswordTwice => "give `password` or `password_file`, not both".into(),
            Rule::NeededBy { key, source } => format!("a modem with source = \"{source}\" needs `{key}`"),
            Rule::NotOf { source } => format!("a modem with source = \"{source}\" has no such key; remove it"),
            Rule::NotInThisBuild { source } => {
                format!("\"{source}\" is not in this small build; use \"at\" with a device, or the full build")
            }
        }
    }

    fn vietnamese(&self) -> String {
        match self {
            Rule::Unreadable { detail } => format!("không đọc được: {detail}"),
            Rule::FileTooLong { bound } => format!("dài quá {bound} byte; tệp cấu hình không bao giờ dài vậy"),
            Rule::Syntax { detail } => format!("không đúng cú pháp TOML: {detail}"),
            Rule::UnknownKey { key, allowed } => format!("không có khóa `{key}`; ở đây chỉ có: {allowed}"),
            Rule::Missing { key } => format!("thiếu `{key}`, khóa này không có giá trị mặc định"),
            Rule::Value { detail } => format!("giá trị không hợp lệ: {detail}"),
            Rule::Between { min, max } => format!("phải từ {min} đến {max}"),
            Rule::Name => "phải gồm 1 đến 32 ký tự a-z, 0-9 và '-'".into(),
            Rule::Length { max } => format!("phải dài từ 1 đến {max} byte"),
            Rule::TooMany { max } => format!("chỉ được nhiều nhất {max}"),
            Rule::NoneGiven => "cần ít nhất một mục".into(),
            Rule::DuplicateOf { line: Some(line) } => format!("đã có ở dòng {line}; mỗi mục phải khác nhau"),
            Rule::DuplicateOf { line: None } => "đã có rồi; mỗi mục phải khác nhau".into(),
            Rule::PortMissing => "đích kiểu tcp cần port từ 1 đến 65535".into(),
            Rule::PortUnused => "đích kiểu icmp không có port; bỏ port hoặc dùng kind = \"tcp\"".into(),
            Rule::PortInUrl => "đích kiểu http ghi cổng trong URL: host = \"http://tên:cổng/\"".into(),
            Rule::OnlyOf { kind } => format!("chỉ đích có kind = \"{kind}\" mới có khóa này; hãy bỏ đi"),
            Rule::HttpUrl => "phải có dạng http://máy[:cổng][/đường-dẫn] hoặc https://..., viết bằng ASCII".into(),
            Rule::BackEndUrl => "phải là URL chứa garbage.php và empty.php, không có `?`".into(),
            Rule::DomainName => "phải là tên miền viết bằng ASCII, như \"example.vn\", hoặc \".\" cho gốc".into(),
            Rule::CaWithoutHttps => "chỉ đích https:// mới kiểm tra chứng thư; bỏ khóa này hoặc dùng https://".into(),
            Rule::RoundTooLong { round_ms, period_ms } => {
                format!("count x interval_ms = {round_ms} ms phải nhỏ hơn chu kỳ {period_ms} ms")
            }
            Rule::InterfaceName => "phải là tên giao diện mạng: 1 đến 15 byte, không có '/' và khoảng trắng".into(),
            Rule::AbsolutePath => "phải là đường dẫn tuyệt đối".into(),
            Rule::BrokerUrl => "phải có dạng mqtt://máy[:cổng] hoặc mqtts://máy[:cổng]".into(),
            Rule::CaWithoutTls => "chỉ máy chủ mqtts:// mới kiểm tra chứng thư; bỏ khóa này hoặc dùng mqtts://".into(),
            Rule::PasswordTwice => "chỉ ghi `password` hoặc `password_file`, không ghi cả hai".into(),
            Rule::NeededBy { key, source } => format!("modem có source = \"{source}\" cần khóa `{key}`"),
            Rule::NotOf { source } => format!("modem có source = \"{source}\" không có khóa này; hãy bỏ đi"),
            Rule::NotInThisBuild { source } => {
                format!("bản rút gọn này không có \"{source}\"; dùng \"at\" với device, hoặc bản đầy đủ")
            }
        }
    }
}

impl Problem {
    pub fn say(&self, language: Language) -> String {
        let mut said = self.file.clone();
        if let Some(line) = self.line {
            said.push_str(&format!(":{line}"));
        }
        said.push_str(": ");
        if !self.field.is_empty() {
            said.push_str(&self.field);
            said.push_str(": ");
        }
        said + &self.rule.say(language)
    }
}

impl Problems {
    pub fn one(file: &str, line: Option<usize>, field: &str, rule: Rule) -> Self {
        Problems(vec![Problem { file: file.into(), line, field: field.into(), rule }])
    }

    /// One problem a line.
    pub fn say(&self, language: Language) -> String {
        let lines: Vec<String> = self.0.iter().take(SHOWN).map(|p| p.say(language)).collect();
        lines.join("\n")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.say(Language::En))
    }
}

impl std::error::Error for Problems {}

/// Reads TOML into types, with the parser's complaint as a [`Problem`].
pub fn read<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, Problems> {
    toml::from_str(text).map_err(|error| from_parser(&Source::new(name, text), &error))
}

fn from_parser(source: &Source<'_>, error: &toml::de::Error) -> Problems {
    let message: String = error.message().split('\n').next().unwrap_or_default().chars().take(400).collect();
    let line = error.span().filter(|span| !span.is_empty()).map(|span| source.line_at(span.start));
    let field = error.span().map(|span| source.path_at(&span)).unwrap_or_default();
    let quoted = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
    if !source.is_toml() {
        return Problems::one(source.name, line, "", Rule::Syntax { detail: message });
    }
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let allowed: Vec<&str> = rest.split('`').skip(3).step_by(2).collect();
        let rule = Rule::UnknownKey { key: quoted(rest), allowed: allowed.join(", ") };
        return Problems::one(source.name, line, &field, rule);
    }
    if message.starts_with("missing field ") {
        // The parser points at the whole table; the whole file is no place worth a line.
        let line = line.filter(|_| !field.is_empty());
        return Problems::one(source.name, line, &field, Rule::Missing { key: quoted(&message) });
    }
    Problems::one(source.name, line, &field, Rule::Value { detail: message })
}
