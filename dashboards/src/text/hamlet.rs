//! What the dashboard of a hamlet says.
//!
//! In: nothing. Out: texts. Refuses to know: panels.

use super::Text;

pub const TITLE: Text = Text::new("Phủ Sóng: xóm", "Phủ Sóng: hamlet");
pub const DESCRIPTION: Text = Text::new(
    "Ở xóm này mạng nào dùng được, tốt đến đâu, và số liệu có đáng tin không?",
    "Which networks work in this hamlet, how well, and can the data be trusted?",
);

pub const LEVEL: Text = Text::new("Mức hiện tại", "Level now");
pub const LEVEL_MEANS: Text = Text::new(
    "Mức của mạng di động tốt nhất. Cáp quang và mạng cố định khác không tính ở đây. “Không có sóng” gồm cả trường hợp có sóng nhưng mất kết nối; trang bản đồ nói rõ vì sao.",
    "The level of the best mobile network. Fibre and other fixed links do not count here. “No signal” includes a signal over which nothing answers; the map page says why.",
);
pub const SINCE: Text = Text::new("Từ lúc", "Since");
pub const SINCE_MEANS: Text =
    Text::new("Lần đổi mức gần nhất, chính xác đến 5 phút.", "The last change of level, to five minutes.");
pub const SERVED: Text = Text::new("Dùng được", "Served");
pub const SERVED_MEANS: Text = Text::new(
    "Phần thời gian có mạng di động dùng được, tính trên thời gian đo được trong khoảng đang xem. Đọc cùng ô “Đo được”.",
    "The share of the measured time within the shown range in which a mobile network served. Read it together with “Measured”.",
);
pub const MEASURED: Text = Text::new("Đo được", "Measured");
pub const MEASURED_MEANS: Text = Text::new(
    "Phần của khoảng đang xem có kết quả đo đến kịp trong 30 phút. Dưới 95 % thì con số “Dùng được” chưa đủ chắc.",
    "The share of the shown range with a result that was known within 30 minutes. Below 95 %, “Served” does not stand firmly.",
);
pub const AGE: Text = Text::new("Tuổi số liệu", "Age of the data");
pub const AGE_MEANS: Text = Text::new(
    "Bao lâu rồi chưa nghe tin từ thiết bị đo nào của xóm.",
    "How long ago any probe of the hamlet was heard.",
);

pub const NETWORKS: Text = Text::new("Mạng di động", "Mobile networks");
pub const NETWORKS_MEANS: Text = Text::new(
    "Mức của từng nhà mạng và công nghệ: ở đây nên dùng SIM nào.",
    "The level of each operator and technology: which SIM works here.",
);
pub const LINKS: Text = Text::new("Đường cố định", "Fixed links");
pub const LINKS_MEANS: Text = Text::new(
    "Mức của từng đường cố định (cáp quang, vệ tinh). Không làm xóm xanh trên bản đồ phủ sóng.",
    "The level of each fixed link (fibre, satellite). It never turns the hamlet green on the coverage map.",
);
pub const RTT: Text = Text::new("Thời gian khứ hồi", "Round-trip time");
pub const RTT_MEANS: Text = Text::new(
    "Trung vị (p50) và mức mà 95 % phép đo không vượt quá (p95), theo mạng.",
    "The median (p50) and what 95 % of the measurements stay below (p95), by network.",
);
pub const LOSS: Text = Text::new("Mất gói", "Packet loss");
pub const LOSS_MEANS: Text =
    Text::new("Tỷ lệ gói tin không có trả lời, theo mạng.", "The share of packets without an answer, by network.");
pub const THROUGHPUT: Text = Text::new("Tốc độ", "Throughput");
pub const THROUGHPUT_MEANS: Text = Text::new(
    "Trung vị các phép đo tốc độ trong 24 giờ, theo mạng và chiều. Phép đo riêng, không phải i-Speed.",
    "The median of the bandwidth tests of 24 hours, by network and direction. Own tests, not i-Speed.",
);
pub const STATES: Text = Text::new("Thời gian theo mức", "Time by level");
pub const STATES_MEANS: Text = Text::new(
    "Mỗi giờ xóm ở mức nào bao lâu; phần còn trống là chưa đo. Chỉ gồm các khoảng 5 phút đến kịp trong 30 phút; số liệu đến muộn hơn không có ở đây.",
    "How long the hamlet was at which level in each hour; what is left empty was not measured. Only windows that were final within 30 minutes of their end; later data is not in here.",
);

pub const PROBES: Text = Text::new("Thiết bị đo", "Probes");
pub const PROBES_MEANS: Text = Text::new(
    "Các thiết bị đo của xóm có đang làm việc không. Hàng đợi là số mẫu còn giữ tại thiết bị; lệch giờ là đồng hồ thiết bị so với máy chủ; mẫu mất là mẫu chắc chắn đã có mà ba ngày vẫn không đến.",
    "Whether the hamlet's probes do their work. Spool: samples still held by the device; clock offset: its clock against the collector's; lost: samples that are known to have existed and did not come within three days.",
);
pub const PROBE: Text = Text::new("Thiết bị", "Probe");
pub const CONTACT: Text = Text::new("Liên lạc gần nhất", "Last contact");
pub const SPOOL: Text = Text::new("Hàng đợi", "Spool");
pub const CLOCK: Text = Text::new("Lệch giờ", "Clock offset");
pub const LOST: Text = Text::new("Mẫu mất", "Lost samples");
