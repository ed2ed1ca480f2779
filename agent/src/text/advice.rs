//! What to do about a finding of `check`.
//!
//! In: an [`Advice`]. Out: both languages. Refuses to know: what was found. Limits: the set.

use super::Said;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    WriteConfig,
    Chmod,
    Password,
    Time,
    RawSocket,
    Socket,
    Link,
    Modem,
    Sim,
    Bearer,
    Coverage,
    Uplink,
    Provider,
    Target,
    Network,
    Spool,
    Restart,
    Broker,
    Register,
}

impl Advice {
    pub const ALL: [Advice; 19] = [
        Advice::WriteConfig,
        Advice::Chmod,
        Advice::Password,
        Advice::Time,
        Advice::RawSocket,
        Advice::Socket,
        Advice::Link,
        Advice::Modem,
        Advice::Sim,
        Advice::Bearer,
        Advice::Coverage,
        Advice::Uplink,
        Advice::Provider,
        Advice::Target,
        Advice::Network,
        Advice::Spool,
        Advice::Restart,
        Advice::Broker,
        Advice::Register,
    ];
}

impl Said for Advice {
    fn both(&self) -> (String, String) {
        let (vi, en) = match self {
            Advice::WriteConfig => (
                "dán mã của bộ thu: phusong-agent join 'phusong1:...'; hoặc chỉ tệp khác bằng --config",
                "paste the collector's code: phusong-agent join 'phusong1:...'; or name another file with --config",
            ),
            Advice::Chmod => ("chạy: chmod 600 trên tệp đó", "run: chmod 600 on that file"),
            Advice::Password => (
                "ghi vào tệp đó mật khẩu mà `phusong-collector probe password TÊN` in ra",
                "write the password that `phusong-collector probe password NAME` prints into that file",
            ),
            Advice::Time => (
                "cài chrony hoặc systemd-timesyncd; nếu chạy bằng systemd, bỏ ProtectClock= trong unit",
                "install chrony or systemd-timesyncd; under systemd remove ProtectClock= from the unit",
            ),
            Advice::RawSocket => (
                "để thấy cả điều đó: setcap cap_net_raw+ep cho chương trình, hoặc chạy bằng root",
                "to see it too: setcap cap_net_raw+ep on the program, or run as root",
            ),
            Advice::Socket => (
                "setcap cap_net_raw+ep cho chương trình, hoặc đặt sysctl net.ipv4.ping_group_range=\"0 2147483647\"",
                "setcap cap_net_raw+ep on the program, or sysctl net.ipv4.ping_group_range=\"0 2147483647\"",
            ),
            Advice::Link => (
                "cắm lại, hoặc sửa interface trong [[uplink]] (lệnh `ip link` liệt kê các tên)",
                "plug it in, or correct interface in [[uplink]] (`ip link` lists the names)",
            ),
            Advice::Modem | Advice::Sim | Advice::Bearer | Advice::Coverage => self.of_radio(),
            Advice::Uplink => (
                "khai báo các đường cần đánh giá: [[uplink]] với interface, provider, kind",
                "name the links to judge: [[uplink]] with interface, provider, kind",
            ),
            Advice::Provider => {
                ("thêm provider = \"...\" vào [[uplink]] đó", "add provider = \"...\" to that [[uplink]]")
            }
            Advice::Target => (
                "địa chỉ đã đúng chưa, và máy đó có trả lời kiểu đo này không?",
                "is the host right, and does it answer this kind of attempt?",
            ),
            Advice::Network => (
                "xem lại dây, SIM, gói cước và tường lửa; kết quả thất bại cũng là mẫu đo và vẫn được gửi",
                "look at cable, SIM, data plan and firewall; failures are samples too and will be sent",
            ),
            Advice::Spool => {
                ("xem quyền và dung lượng còn trống của data_dir", "look at the rights and the free space of data_dir")
            }
            Advice::Restart => (
                "systemctl restart phusong-agent, hoặc chạy lệnh này bằng người dùng của chương trình đo",
                "systemctl restart phusong-agent, or run this as the agent's user",
            ),
            Advice::Broker => (
                "kiểm tra url, ca_file, username và password trong [[broker]]",
                "check url, ca_file, username and password in [[broker]]",
            ),
            Advice::Register => (
                "bộ thu có đang chạy không, và `phusong-collector probe list` đã có site và probe này chưa?",
                "is the collector running, and does `phusong-collector probe list` know this site and probe?",
            ),
        };
        (vi.into(), en.into())
    }
}

impl Advice {
    fn of_radio(&self) -> (&'static str, &'static str) {
        match self {
            Advice::Modem => (
                "cắm lại modem; xem source và device trong [[modem]] (`mmcli -L`, `ls /dev/serial/by-id`), và nguồn điện",
                "plug it in again; look at source and device in [[modem]] (`mmcli -L`, `ls /dev/serial/by-id`), and the supply",
            ),
            Advice::Sim => (
                "xem SIM: đã lắp chặt chưa, đã tắt mã PIN chưa, thuê bao còn hoạt động không (thử trong điện thoại)",
                "look at the SIM: does it sit well, is its PIN off, is it still in force (try it in a telephone)",
            ),
            Advice::Bearer => {
                ("xem APN của nhà mạng và gói dữ liệu của SIM", "look at the provider's APN and the SIM's data plan")
            }
            _ => (
                "nếu nơi này vốn có sóng: xem ăng-ten và cáp (`phusong-agent aim`); nếu không, đó là kết quả đo",
                "where there should be a network: look at antenna and cable (`phusong-agent aim`); else it is a result",
            ),
        }
    }
}
