//! What the dashboard of a commune says.
//!
//! In: nothing. Out: texts. Refuses to know: panels.

use super::Text;

pub const TITLE: Text = Text::new("Phủ Sóng: xã", "Phủ Sóng: commune");
pub const DESCRIPTION: Text = Text::new(
    "Bây giờ nơi nào trong xã không dùng được mạng di động, và từ lúc nào?",
    "Where in the commune does no mobile network work now, and since when?",
);

pub const COUNTS: Text = Text::new("Số xóm theo mức", "Hamlets by level");
pub const COUNTS_MEANS: Text = Text::new(
    "Mỗi xóm lấy mức của mạng di động tốt nhất. “Chưa đo” là không có kết quả trong 15 phút gần nhất: không phải có sóng, cũng không phải mất sóng. Đường cong: số xóm trong khoảng đang xem.",
    "Each hamlet has the level of its best mobile network. “Not measured” means no result within the last 15 minutes: neither signal nor its absence. Curve: the number over the shown range.",
);

pub const AGE: Text = Text::new("Tuổi số liệu", "Age of the data");
pub const AGE_MEANS: Text = Text::new(
    "Bao lâu rồi chưa nghe tin: từ thiết bị đo mới nhất và từ thiết bị đo im lặng lâu nhất của xã; có bao nhiêu thiết bị đo im lặng quá 15 phút. Im lặng là mất số liệu, không phải mất sóng.",
    "How long ago the commune's most recent and its longest silent probe were heard, and how many probes have been silent for more than 15 minutes. Silence is missing data, not missing signal.",
);
pub const AGE_NEWEST: Text = Text::new("mới nhất", "most recent");
pub const AGE_OLDEST: Text = Text::new("im lặng lâu nhất", "longest silent");
pub const AGE_SILENT: Text = Text::new("thiết bị đo im lặng", "silent probes");

pub const MAP: Text = Text::new("Bản đồ xóm", "Map of hamlets");
pub const MAP_MEANS: Text = Text::new(
    "Mỗi điểm là một xóm, màu là mức hiện tại của mạng di động tốt nhất. Không có bản đồ nền, vì nền mặc định lấy từ Internet; vùng và ranh giới có trên trang bản đồ của Phủ Sóng.",
    "Each marker is a hamlet in the colour of its best mobile network's present level. There is no base map, because the default one comes from the internet; zones and borders are on Phủ Sóng's own map page.",
);

pub const LIST: Text = Text::new("Không dùng được ở đâu, từ lúc nào", "Where it does not work, since when");
pub const LIST_MEANS: Text = Text::new(
    "Các xóm hiện không ở mức tốt; nặng nhất đứng đầu. “Từ lúc” là lần đổi mức gần nhất, chính xác đến 5 phút; thời điểm chính xác có trong danh sách gián đoạn trên trang bản đồ. “Mất sóng” là tổng thời gian mất sóng trong khoảng đang xem, chỉ tính các khoảng đo đến kịp trong 30 phút.",
    "Hamlets that are not good now, the worst first. “Since” is the last change of level, to five minutes; the gaps on the map page know it exactly. “Without signal” adds up the time without signal within the shown range, of windows known within 30 minutes of their end.",
);
pub const LEVEL: Text = Text::new("Mức", "Level");
pub const SINCE: Text = Text::new("Từ lúc", "Since");
pub const DEAD_TIME: Text = Text::new("Mất sóng", "Without signal");

pub const TIMELINE: Text = Text::new("Các xóm theo thời gian", "Hamlets over time");
pub const TIMELINE_MEANS: Text = Text::new(
    "Mức của từng xóm trong khoảng đang xem. Chỗ trống: lúc ấy hệ thống không ghi số liệu. Nhiều nhất 200 xóm, xóm kém nhất trước.",
    "The level of each hamlet over the shown range. A hole: nothing was recorded then. At most 200 hamlets, those that work least first.",
);

pub const GAPS_OPEN: Text = Text::new("Gián đoạn dịch vụ đang mở", "Open gaps");
pub const GAPS_OPEN_MEANS: Text = Text::new(
    "Mạng không phục vụ được tại vị trí đo, theo nguyên nhân. Đếm theo vị trí đo và mạng, không theo xóm.",
    "Networks that do not serve at a place, by cause. Counted by place and network, not by hamlet.",
);
pub const BLINDS_OPEN: Text = Text::new("Mất số liệu đang mở", "Open blinds");
pub const BLINDS_OPEN_MEANS: Text = Text::new(
    "Nơi không đo được, theo nguyên nhân. Không bao giờ tính là mất sóng và không quy lỗi cho nhà mạng.",
    "Where we could not test, by cause. Never counted as downtime, and never an operator's fault.",
);
pub const ENDED: Text = Text::new("Gián đoạn và mất số liệu đã hết", "Gaps and blinds that ended");
pub const ENDED_MEANS: Text = Text::new(
    "Số gián đoạn dịch vụ và số lần mất số liệu kết thúc trong mỗi giờ, mọi nguyên nhân. Cái đang mở nằm ở hai ô bên trái.",
    "How many gaps and how many blinds ended in each hour, of all causes. Those that last are on the left.",
);
pub const GAPS: Text = Text::new("gián đoạn dịch vụ", "gaps");
pub const BLINDS: Text = Text::new("mất số liệu", "blinds");
