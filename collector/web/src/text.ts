// Every sentence of the page in both languages. `Texts` is made from the Vietnamese table, so that TypeScript refuses an
// English one that lacks a sentence or has one too many.

import type { State } from "./model";

export type Lang = "vi" | "en";
type Words<K extends string> = Record<K, string>;
type Reason =
    | "not_measured"
    | "too_little"
    | "own_side"
    | "portal"
    | "no_answer"
    | "no_signal"
    | "loss"
    | "slow"
    | "served"
    | "signal"
    | "weak_signal"
    | "edge"
    | "sim"
    | "denied"
    | "bearer"
    | "modem";
type Cause =
    | "no_coverage"
    | "site_down"
    | "backhaul"
    | "remote"
    | "power"
    | "device"
    | "sim"
    | "bearer"
    | "plan"
    | "unknown";
type Proof =
    | "gateway_answered"
    | "link_up"
    | "mains_input"
    | "stopped_together"
    | "unclean_reboot"
    | "agent_restarted"
    | "orderly_stop"
    | "undervoltage"
    | "own_side"
    | "others_answered"
    | "no_service"
    | "others_served"
    | "low_level"
    | "cell_gone"
    | "registered"
    | "bearer_up"
    | "sim_state"
    | "bearer_refused"
    | "portal"
    | "modem_gone";

const vi = {
    title: "Phủ Sóng",
    subtitle: "Sóng và mạng ở từng xóm",
    otherLanguage: "English",
    // What a hamlet is.
    stateMobile: {
        dead: "không có sóng / mất kết nối",
        weak: "yếu",
        good: "tốt",
        blind: "mất số liệu",
        unknown: "chưa rõ lúc này",
        never: "chưa đo",
    } satisfies Words<State>,
    stateFixed: {
        dead: "mất kết nối",
        weak: "yếu",
        good: "tốt",
        blind: "mất số liệu",
        unknown: "chưa rõ lúc này",
        never: "chưa đo",
    } satisfies Words<State>,
    noSignal: "không có sóng",
    signalNoService: "có sóng, mất kết nối",
    noConnection: "mất kết nối",
    stateMeaning: {
        dead: "mạng không phục vụ",
        weak: "dùng được nhưng chậm hoặc chập chờn",
        good: "dùng được",
        blind: "hiện không đo được; không có nghĩa là mất sóng",
        unknown: "đã từng đo, hiện không có số liệu đủ mới",
        never: "chưa có thiết bị đo mạng này ở xóm",
    } satisfies Words<State>,
    // The frame.
    mapLabel: "Bản đồ các xóm",
    mapHelp: "Bản đồ các xóm. Danh sách các xóm có cùng nội dung bằng chữ.",
    zoomIn: "Phóng to",
    zoomOut: "Thu nhỏ",
    legend: "Chú giải",
    legendCount: (n: string) => `${n} xóm`,
    network: "Mạng",
    viewMobile: "Di động (tốt nhất)",
    viewFixed: "Cố định (tốt nhất)",
    fixed: (name: string) => `Cố định: ${name}`,
    noName: "không rõ mạng",
    onlyFixed: "Chưa có mạng di động nào được đo ở đây: đang hiện đường truyền cố định.",
    hamlets: "Các xóm",
    search: "Tìm xóm",
    searchHint: "gõ không dấu cũng được",
    noMatch: "Không có xóm nào tên như vậy.",
    moreHamlets: (n: string) => `và ${n} xóm nữa: tìm theo tên, hoặc chọn trên bản đồ`,
    noHamlets: "Chưa có xóm nào. Người quản trị nhập địa bàn bằng lệnh phusong-collector areas import.",
    notOnMap: "không có vị trí trên bản đồ",
    // Whether it is fresh.
    live: (at: string) => `Trực tiếp · ${at}`,
    eachMinute: (at: string) => `Cập nhật mỗi phút · ${at}`,
    connecting: "Đang kết nối…",
    offline: "Mất kết nối",
    offlineSince: (since: string, of: string) =>
        `Mất kết nối với máy chủ từ ${since}. Số liệu đang xem là của lúc ${of}, không phải bây giờ.`,
    offlineEmpty: "Không kết nối được với máy chủ. Trang sẽ tự thử lại.",
    troubleAt: (detail: string) => `Máy chủ không trả lời được: ${detail}`,
    troubleArea: "Có quá nhiều xóm cho một bản đồ. Chọn một địa bàn:",
    area: "Địa bàn",
    retry: "Thử lại ngay",
    mapFailed: "Không vẽ được bản đồ trên trình duyệt này. Danh sách các xóm vẫn đúng và đủ.",
    mapFailedNoWebgl: "Trình duyệt này không có WebGL 2 nên không vẽ được bản đồ. Danh sách các xóm vẫn đúng và đủ.",
    // The token.
    tokenTitle: "Cần mã truy cập",
    tokenWhy: "Người quản trị có mã này (http.token trong cấu hình). Trình duyệt giữ mã đến khi đóng thẻ này.",
    tokenLabel: "Mã truy cập",
    tokenWrong: "Mã này không đúng.",
    tokenSend: "Mở trang",
    // One hamlet.
    close: "Đóng",
    loading: "Đang tải…",
    why: {
        dead: "Vì sao đỏ?",
        weak: "Vì sao vàng?",
        good: "Vì sao xanh?",
        blind: "Vì sao mất số liệu?",
        unknown: "Vì sao chưa rõ?",
        never: "Vì sao chưa đo?",
    } satisfies Words<State>,
    since: (at: string, span: string) => `từ ${at} (${span})`,
    lastKnown: (at: string) => `số liệu gần nhất lúc ${at}`,
    neverKnown: "chưa từng có số liệu",
    disagree: (n: string) => `${n} vị trí đo cho kết quả khác nhau: nơi có, nơi không`,
    population: (n: string) => `${n} người`,
    noProbe: "Chưa có thiết bị đo nào ở xóm này.",
    noProbeNetwork: "Ở xóm này chưa có thiết bị nào đo mạng này.",
    probeSilent: "Thiết bị đo đã đăng ký nhưng chưa gửi số liệu nào.",
    staleWhy: "Không có số liệu nào trong 15 phút qua.",
    blindWhy: "Không đo được không có nghĩa là mất sóng: không ai bị quy lỗi vì điều này.",
    reasonSentence: {
        not_measured: "không có lần đo nào",
        too_little: "quá ít lần đo để kết luận",
        own_side: "thiết bị đo không ra được mạng tại chỗ, nên không kết luận gì về nhà mạng",
        portal: "mọi trang đều bị chuyển về một trang của nhà mạng",
        no_answer: "không đích đo nào trả lời",
        no_signal: "không có sóng trong phần lớn thời gian đo",
        loss: "mất gói vượt mức cho phép",
        slow: "độ trễ vượt mức cho phép",
        served: "các đích đo trả lời, không vượt mức nào",
        signal: "có sóng, chưa thử truyền dữ liệu",
        weak_signal: "sóng yếu trong phần lớn thời gian đo",
        edge: "sóng rất yếu nhưng vẫn truyền được dữ liệu",
        sim: "SIM không dùng được, nên không kết luận gì về nhà mạng",
        denied: "mạng từ chối thiết bị, nên không kết luận gì về vùng phủ sóng",
        bearer: "có đăng ký mạng nhưng không mở được kết nối dữ liệu",
        modem: "không thấy modem trong thiết bị đo",
    } satisfies Words<Reason>,
    noAnswerFrom: (n: string, names: string) => `không có trả lời từ ${n} đích (${names})`,
    cause: {
        no_coverage: "ngoài vùng phủ sóng",
        site_down: "trạm phát sóng ngừng",
        backhaul: "đứt đường truyền phía nhà mạng",
        remote: "riêng đích đo không trả lời",
        power: "mất điện",
        device: "thiết bị đo trục trặc hoặc khởi động lại",
        sim: "SIM không dùng được",
        bearer: "không mở được kết nối dữ liệu",
        plan: "hết gói cước",
        unknown: "chưa rõ nguyên nhân",
    } satisfies Words<Cause>,
    powerGuess: "mất điện tại thiết bị đo",
    causeIs: (cause: string) => `Nguyên nhân: ${cause}`,
    confidence: { certain: "chắc chắn", likely: "có khả năng", guess: "phỏng đoán" } satisfies Words<
        "certain" | "likely" | "guess"
    >,
    proof: {
        gateway_answered: "cổng mạng tại chỗ vẫn trả lời, mọi thứ phía sau im lặng",
        link_up: "đường nối vẫn thông nhưng không gì trả lời",
        mains_input: "đầu vào nguồn của thiết bị báo mất điện",
        stopped_together: "thiết bị khác, dùng nguồn điện khác trong xóm, cũng tắt cùng lúc",
        unclean_reboot: "thiết bị tắt đột ngột rồi khởi động lại",
        agent_restarted: "phần mềm đo khởi động lại trong khi máy vẫn chạy",
        orderly_stop: "thiết bị được tắt đúng cách",
        undervoltage: "thiết bị báo điện áp thấp ngay trước đó",
        own_side: "cổng mạng tại chỗ im lặng hoặc đường nối tại chỗ bị ngắt",
        others_answered: "các đích khác vẫn trả lời",
        no_service: "modem không tìm thấy mạng, SIM vẫn tốt",
        others_served: "modem không tìm thấy mạng, trong khi nhà mạng khác vẫn có ở cùng chỗ",
        low_level: "chỉ dựa vào mức sóng quá thấp",
        cell_gone: "cell thường phục vụ ở đây đã biến mất, trong khi vẫn thấy cell khác",
        registered: "vẫn đăng ký mạng, sóng đủ, nhưng không gì trả lời",
        bearer_up: "vẫn có kết nối dữ liệu, sóng đủ, nhưng không gì trả lời",
        sim_state: "modem báo SIM vắng, bị khóa hoặc bị từ chối",
        bearer_refused: "mạng không cấp kết nối dữ liệu",
        portal: "mọi trang đều bị chuyển về một trang",
        modem_gone: "thiết bị không còn thấy modem",
    } satisfies Words<Proof>,
    networks: "Các mạng ở xóm này",
    throughput: "Tốc độ",
    speed: (down: string, up: string, at: string) =>
        `tải xuống ${down}, tải lên ${up} (trung vị 24 giờ) · gần nhất lúc ${at}`,
    tests: (n: string) => `${n} lần đo`,
    openNow: "Đang diễn ra",
    nothingOpen: "Không có gián đoạn hay mất số liệu nào đang diễn ra.",
    kind: { gap: "gián đoạn dịch vụ", blind: "mất số liệu", remote: "sự kiện của đích đo" } satisfies Words<
        "gap" | "blind" | "remote"
    >,
    wholePlace: "cả vị trí đo",
    day: "24 giờ qua",
    dayNone: "Không có số liệu nào trong 24 giờ qua.",
    dayOf: (network: string, probe: string) => `${network} · ${probe}`,
    dayHint: "Chạm hoặc rê vào dải để xem từng 5 phút. Chỗ trống là lúc không đo.",
    dayAt: (from: string, to: string, word: string) => `${from}–${to}: ${word}`,
    dayNothing: "không đo",
    daySummary: (parts: string) => `24 giờ qua: ${parts}`,
    month: "30 ngày qua",
    monthNone: "Không có gián đoạn hay mất số liệu nào.",
    monthGaps: (n: string, proved: string, upper: string) =>
        `${n} lần gián đoạn, chắc chắn ${proved}, nhiều nhất ${upper}`,
    monthBlinds: (n: string, time: string) => `${n} lần mất số liệu, ${time}`,
    lasts: (span: string) => `đã ${span}`,
    endUnobserved: "không thấy lúc kết thúc",
    more: (n: string) => `Xem thêm ${n} mục`,
    probes: "Thiết bị đo",
    contact: (at: string, ago: string) => `liên hệ gần nhất ${at} (${ago} trước)`,
    contactNever: "chưa từng liên hệ",
    supply: (name: string) => `nguồn điện: ${name}`,
    late: (span: string) => `số liệu đến trễ nhất ${span} trong 24 giờ qua`,
    missing: (n: string) => `${n} mẫu chưa đến`,
    clone: "nghi có hai thiết bị dùng chung một mã",
    clockUncertain: "đồng hồ của thiết bị chưa chắc chắn",
    zone: "Mọi giờ là giờ Việt Nam (UTC+7).",
    notFound: "Không còn xóm này trong địa bàn.",
    // Time and measure.
    lessThanAMinute: "chưa đến 1 phút",
    minutes: (n: string) => `${n} phút`,
    hours: (n: string) => `${n} giờ`,
    days: (n: string) => `${n} ngày`,
};

export type Texts = typeof vi;

const en: Texts = {
    title: "Phủ Sóng",
    subtitle: "Signal and links, hamlet by hamlet",
    otherLanguage: "Tiếng Việt",
    stateMobile: {
        dead: "no signal / no connection",
        weak: "weak",
        good: "good",
        blind: "no data",
        unknown: "not known now",
        never: "never measured",
    },
    stateFixed: {
        dead: "no connection",
        weak: "weak",
        good: "good",
        blind: "no data",
        unknown: "not known now",
        never: "never measured",
    },
    noSignal: "no signal",
    signalNoService: "signal, but no connection",
    noConnection: "no connection",
    stateMeaning: {
        dead: "the network does not serve",
        weak: "usable, but slow or unsteady",
        good: "usable",
        blind: "we cannot measure; that is not an outage",
        unknown: "measured before; nothing recent enough now",
        never: "nothing measures this network in the hamlet",
    },
    mapLabel: "Map of the hamlets",
    mapHelp: "Map of the hamlets. The list of hamlets says the same in words.",
    zoomIn: "Zoom in",
    zoomOut: "Zoom out",
    legend: "Legend",
    legendCount: (n) => (n === "1" ? "1 hamlet" : `${n} hamlets`),
    network: "Network",
    viewMobile: "Mobile (best one)",
    viewFixed: "Fixed (best one)",
    fixed: (name) => `Fixed: ${name}`,
    noName: "network not named",
    onlyFixed: "No mobile network is measured here yet: these are the fixed links.",
    hamlets: "Hamlets",
    search: "Find a hamlet",
    searchHint: "diacritics may be left out",
    noMatch: "No hamlet has such a name.",
    moreHamlets: (n) => `and ${n} more: search by name, or choose on the map`,
    noHamlets: "There are no hamlets yet. The administrator imports areas with phusong-collector areas import.",
    notOnMap: "has no position on the map",
    live: (at) => `Live · ${at}`,
    eachMinute: (at) => `Updated each minute · ${at}`,
    connecting: "Connecting…",
    offline: "Offline",
    offlineSince: (since, of) => `Offline since ${since}. What is shown is of ${of}, not of now.`,
    offlineEmpty: "The server cannot be reached. The page tries again by itself.",
    troubleAt: (detail) => `The server could not answer: ${detail}`,
    troubleArea: "There are too many hamlets for one map. Choose an area:",
    area: "Area",
    retry: "Try again now",
    mapFailed: "The map cannot be drawn in this browser. The list of hamlets is right and complete.",
    mapFailedNoWebgl:
        "This browser has no WebGL 2, so the map cannot be drawn. The list of hamlets is right and complete.",
    tokenTitle: "An access token is needed",
    tokenWhy: "The administrator has it (http.token in the configuration). It is kept until this tab is closed.",
    tokenLabel: "Access token",
    tokenWrong: "That token is wrong.",
    tokenSend: "Open the page",
    close: "Close",
    loading: "Loading…",
    why: {
        dead: "Why is this red?",
        weak: "Why is this amber?",
        good: "Why is this green?",
        blind: "Why is there no data?",
        unknown: "Why is this not known?",
        never: "Why is this not measured?",
    },
    since: (at, span) => `since ${at} (${span})`,
    lastKnown: (at) => `newest data of ${at}`,
    neverKnown: "there never was any data",
    disagree: (n) => `${n} places disagree: served at some, not at others`,
    population: (n) => `${n} people`,
    noProbe: "No probe stands in this hamlet yet.",
    noProbeNetwork: "No probe in this hamlet measures this network yet.",
    probeSilent: "A probe is registered here but has not sent anything yet.",
    staleWhy: "Nothing was known in the last 15 minutes.",
    blindWhy: "Not being able to measure does not mean an outage; it accuses nobody.",
    reasonSentence: {
        not_measured: "nothing was measured",
        too_little: "too few attempts to conclude anything",
        own_side: "the probe could not get past its own local network, so nothing is concluded about the network",
        portal: "every page was redirected to one page of the operator",
        no_answer: "no target answered",
        no_signal: "no signal for most of the measured time",
        loss: "more packet loss than allowed",
        slow: "more delay than allowed",
        served: "the targets answer, nothing exceeds its limit",
        signal: "there is a signal; no transfer was tried",
        weak_signal: "the signal was weak for most of the measured time",
        edge: "the signal is very weak, and yet data came through",
        sim: "the SIM cannot be used, so nothing is concluded about the network",
        denied: "the network refused the device, so nothing is concluded about coverage",
        bearer: "registered, but no data connection could be opened",
        modem: "the modem was not found in the probe",
    },
    noAnswerFrom: (n, names) => (n === "1" ? `no answer from 1 target (${names})` : `no answer from ${n} targets (${names})`),
    cause: {
        no_coverage: "outside coverage",
        site_down: "the radio site is down",
        backhaul: "the operator's line is cut",
        remote: "only the target is silent",
        power: "power cut",
        device: "the probe failed or restarted",
        sim: "the SIM cannot be used",
        bearer: "no data connection could be opened",
        plan: "the data plan is used up",
        unknown: "cause not known",
    },
    powerGuess: "power lost at the probe",
    causeIs: (cause) => `Cause: ${cause}`,
    confidence: { certain: "certain", likely: "likely", guess: "a guess" },
    proof: {
        gateway_answered: "the local gateway still answers, everything beyond it is silent",
        link_up: "the link is up but nothing answers",
        mains_input: "the device's mains input said that the power was gone",
        stopped_together: "another probe of the hamlet, on another supply, stopped at the same time",
        unclean_reboot: "the device went off suddenly and booted again",
        agent_restarted: "the measuring program restarted while the device ran on",
        orderly_stop: "somebody shut the device down properly",
        undervoltage: "the device reported low voltage right before",
        own_side: "the local gateway was silent or the local link down",
        others_answered: "other targets still answer",
        no_service: "the modem found no network, with a good SIM",
        others_served: "the modem found no network, while another operator served at the same place",
        low_level: "only because the level was too low",
        cell_gone: "the cell that usually serves here was gone, while others were seen",
        registered: "still registered with enough signal, but nothing answered",
        bearer_up: "a data connection and enough signal, but nothing answered",
        sim_state: "the modem said that the SIM is absent, locked or refused",
        bearer_refused: "the network gave no data connection",
        portal: "every page was redirected to one page",
        modem_gone: "the device did not find its modem any more",
    },
    networks: "Networks in this hamlet",
    throughput: "Speed",
    speed: (down, up, at) => `${down} down, ${up} up (median of 24 hours) · newest ${at}`,
    tests: (n) => (n === "1" ? "1 test" : `${n} tests`),
    openNow: "Going on now",
    nothingOpen: "No interruption and no loss of data is going on.",
    kind: { gap: "service interruption", blind: "no data", remote: "event of a target" },
    wholePlace: "the whole place",
    day: "Last 24 hours",
    dayNone: "There is no data of the last 24 hours.",
    dayOf: (network, probe) => `${network} · ${probe}`,
    dayHint: "Touch or point at a strip to read each 5 minutes. Where it is empty nothing was measured.",
    dayAt: (from, to, word) => `${from}–${to}: ${word}`,
    dayNothing: "nothing measured",
    daySummary: (parts) => `Last 24 hours: ${parts}`,
    month: "Last 30 days",
    monthNone: "No interruption and no loss of data.",
    monthGaps: (n, proved, upper) =>
        `${n === "1" ? "1 interruption" : `${n} interruptions`}, proved ${proved}, at most ${upper}`,
    monthBlinds: (n, time) => `${n === "1" ? "1 loss of data" : `${n} losses of data`}, ${time}`,
    lasts: (span) => `for ${span} so far`,
    endUnobserved: "its end was not seen",
    more: (n) => `${n} more`,
    probes: "Probes",
    contact: (at, ago) => `last contact ${at} (${ago} ago)`,
    contactNever: "never in contact",
    supply: (name) => `power supply: ${name}`,
    late: (span) => `data came up to ${span} late in the last 24 hours`,
    missing: (n) => (n === "1" ? "1 sample has not come" : `${n} samples have not come`),
    clone: "two devices seem to share this identity",
    clockUncertain: "the device's clock is not certain",
    zone: "All times are Vietnamese time (UTC+7).",
    notFound: "This hamlet is no longer in the area tree.",
    lessThanAMinute: "less than a minute",
    minutes: (n) => `${n} min`,
    hours: (n) => `${n} h`,
    days: (n) => (n === "1" ? "1 day" : `${n} days`),
};

const TABLES: Record<Lang, Texts> = { vi, en };
let lang: Lang = "vi";

export function language(): Lang {
    return lang;
}

export function setLanguage(to: Lang): void {
    lang = to;
    document.documentElement.lang = to;
}

/** The texts of the language that is chosen now. */
export function t(): Texts {
    return TABLES[lang];
}

/** The word of a table, or what the collector said where the page does not know it yet. */
export function word(table: Record<string, string>, key: string): string {
    return Object.hasOwn(table, key) ? (table[key] ?? key) : key;
}
