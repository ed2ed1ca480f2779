// The page beside a real collector, in a real browser. Run by `make page`; the report's line is printed last.
//
// PHUSONG_COLLECTOR names the binary.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import {
    counts,
    figures,
    firstViewMs,
    launch,
    openPage,
    panelPart,
    panelText,
    panelWhole,
    pixelAt,
    shot,
    stateOf,
} from "./lib.mjs";
import { FIXED, start, until } from "./world.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const collector = process.env.PHUSONG_COLLECTOR ?? `${ROOT}target/phusong-bin/phusong-collector`;
const OWN_JS_KB = 120;
const FIRST_VIEW_S = 2;
const VIEWS = 3;

const report = { first_view_s: null, own_js_gzip_kb: null };
let failed = 0;
let passed = 0;
let browser;
let world;

before(async () => {
    browser = await launch();
    world = await start({ collector });
});

after(async () => {
    await browser?.close();
    await world?.end().catch(() => {});
    finish();
});

/** A test that is counted for the report. */
function holds(name, body) {
    test(name, { timeout: 180_000 }, async () => {
        try {
            await body();
            passed += 1;
        } catch (error) {
            failed += 1;
            throw error;
        }
    });
}

async function at(path = "", options = {}) {
    return openPage(browser, `${world.url}${path}`, options);
}

async function leave(page) {
    assert.deepEqual(page.foreign, [], "no other server is asked");
    await page.context().close();
}

holds("the first view comes soon and has the colours of the states", async () => {
    const times = [];
    for (let n = 0; n < VIEWS; n += 1) {
        const page = await at();
        times.push(await firstViewMs(page));
        if (n === VIEWS - 1) {
            for (const [code, state] of [
                ["hung-lap", "dead"],
                ["na-ho", "weak"],
                ["tham-thia", "weak"],
                ["ban-pieng", "good"],
                ["keo-en", "good"],
                ["khuan-nghe", "blind"],
                ["na-chia", "never"],
                ["tham-quan", "never"],
            ]) {
                assert.equal((await pixelAt(page, code)).state, state, `the colour of ${code}`);
                assert.equal(await stateOf(page, code), state, `the word of ${code}`);
            }
            assert.deepEqual(await counts(page), { dead: 1, weak: 2, good: 2, blind: 2, unknown: 0, never: 2 });
            assert.deepEqual(page.complaints, []);
            await shot(page, "desktop-vi");
        }
        await leave(page);
    }
    report.first_view_s = Math.round(times.sort((a, b) => a - b)[Math.floor(VIEWS / 2)]) / 1_000;
});

holds("what we wrote is light", async () => {
    report.own_js_gzip_kb = figures().own_js_gzip_kb;
    assert.ok(report.own_js_gzip_kb <= OWN_JS_KB, `${report.own_js_gzip_kb} kB`);
});

holds("a click on a red hamlet tells why, since when and how sure", async () => {
    const page = await at();
    const text = await panelText(page, "hung-lap");
    for (const part of ["Hùng Lập", "Có sóng, mất kết nối", "Vì sao đỏ?", "Trường mầm non", "liên hệ gần nhất", "UTC+7"]) {
        assert.ok(text.includes(part), `${part} in: ${text}`);
    }
    const why = await panelPart(page, "why");
    for (const part of ["3 đích (dichvucong, vnix, vnnic)", "cổng mạng tại chỗ vẫn trả lời", "đứt đường truyền", "chắc chắn"]) {
        assert.ok(why.toLowerCase().includes(part), `${part} in: ${why}`);
    }
    const open = page.locator('[data-part="open"] [data-kind="gap"]');
    assert.equal(await open.getAttribute("data-cause"), "backhaul");
    assert.equal(await page.locator('[data-part="day"] rect[data-state="dead"]').count(), 1);
    await shot(page, "desktop-vi-panel");
    await leave(page);
});

holds("a green hamlet tells its networks, its speed, its day and what was", async () => {
    const page = await at();
    const text = await panelText(page, "ban-pieng");
    assert.ok(text.includes("Vì sao xanh?") && !text.includes("Vì sao đỏ?"), text);
    const networks = await panelPart(page, "networks");
    assert.match(networks, /Viettel – tốt/);
    assert.match(networks, /Tốc độ: tải xuống 28 Mbit\/s, tải lên 7,4 Mbit\/s .*3 lần đo/);
    assert.match(networks, /VinaPhone – yếu[\s\S]*Độ trễ vượt mức cho phép/);
    // The gap of the day is over: it stands among those of the month, not among what is going on.
    assert.equal(await page.locator('[data-part="open"]').getAttribute("data-count"), "0");
    assert.match(await panelPart(page, "month"), /1 lần gián đoạn/);
    assert.equal(await page.locator('[data-part="month"] [data-kind="gap"]').getAttribute("data-cause"), "backhaul");
    const strip = page.locator('[data-series="viettel"] .strip');
    await strip.hover({ position: { x: 5, y: 8 } });
    assert.match(await page.locator('[data-series="viettel"] .day-caption').innerText(), /^\d\d:\d\d–\d\d:\d\d: tốt/);
    await leave(page);
});

holds("what we could not measure is told as that and never as an outage", async () => {
    const page = await at();
    const text = await panelText(page, "khuan-nghe");
    assert.ok(text.includes("Vì sao mất số liệu?") && text.includes("không ai bị quy lỗi"), text);
    assert.ok(!text.includes("Vì sao đỏ?"), text);
    assert.equal(await page.locator('[data-part="day"] rect[data-state="blind"]').count(), 1);
    await panelText(page, "na-chia");
    assert.ok((await panelPart(page, "why")).includes("Chưa có thiết bị đo nào"));
    await panelText(page, "tham-thia");
    assert.ok((await panelPart(page, "why")).includes("2 vị trí đo cho kết quả khác nhau"));
    await leave(page);
});

holds("it speaks English when asked, and a link says hamlet, network and language", async () => {
    const page = await at();
    await panelText(page, "hung-lap");
    await page.click("[data-language=en]");
    await page.waitForSelector("text=Why is this red?");
    assert.equal(await page.evaluate(() => document.documentElement.lang), "en");
    assert.ok((await panelPart(page, "why")).includes("the operator's line is cut (certain)"));
    await page.selectOption("#network", "viettel");
    const link = await page.evaluate(() => location.hash);
    assert.equal(link, "#hamlet=hung-lap&network=viettel&lang=en");
    await shot(page, "desktop-en-panel");
    await leave(page);
    const other = await at(link);
    const text = await panelWhole(other, "hung-lap");
    assert.ok(text.includes("Why is this red?"), text);
    assert.equal(await other.inputValue("#network"), "viettel");
    await leave(other);
});

holds("the colours follow the network that is chosen", async () => {
    const page = await at("#network=vinaphone");
    await firstViewMs(page);
    assert.equal((await pixelAt(page, "ban-pieng")).state, "weak");
    assert.equal((await pixelAt(page, "hung-lap")).state, "never");
    await page.selectOption("#network", "fixed:vnpt");
    await until("the fixed link's colour", async () => (await pixelAt(page, "tham-quan")).state === "good", 20_000);
    assert.equal(await stateOf(page, "khuan-nghe"), "never");
    await leave(page);
});

holds("the list is searched without diacritics and works by keyboard alone", async () => {
    const page = await at();
    await firstViewMs(page);
    await page.fill("#search", "tham th");
    assert.equal(await page.locator("[data-hamlet]").count(), 1);
    await page.fill("#search", "xyz");
    await page.waitForSelector("text=Không có xóm nào tên như vậy.");
    await page.fill("#search", "khuan");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await panelWhole(page, "khuan-nghe");
    assert.equal(await page.evaluate(() => document.activeElement.dataset.key), "close");
    await page.keyboard.press("Escape");
    await page.waitForSelector(".panel", { state: "hidden" });
    assert.equal(await page.evaluate(() => document.activeElement.dataset.hamlet), "khuan-nghe");
    await leave(page);
});

holds("a gap that opens is shown without anybody asking", async () => {
    const page = await at();
    await firstViewMs(page);
    assert.equal(await stateOf(page, "van-lang"), "blind");
    await page.waitForSelector("[data-status=live]");
    await page.evaluate(() => (window.untouched = true));
    await world.cut("van-lang");
    await until("the list says so", async () => (await stateOf(page, "van-lang")) === "dead");
    await until("the map says so", async () => (await pixelAt(page, "van-lang")).state === "dead", 20_000);
    assert.equal(await page.evaluate(() => window.untouched), true, "it was not loaded anew");
    await leave(page);
});

holds("a phone shows it all without scrolling sideways", async () => {
    const page = await at("", { phone: true });
    await firstViewMs(page);
    const wide = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.equal(await wide(), 0);
    await shot(page, "phone-vi");
    await panelText(page, "hung-lap");
    assert.equal(await wide(), 0);
    await shot(page, "phone-vi-panel");
    await page.click("[data-key=close]");
    await page.click("[data-language=en]");
    assert.equal(await wide(), 0);
    await shot(page, "phone-en");
    await leave(page);
});

holds("where the worker cannot be had it says so and the list still works", async () => {
    const page = await at("", { block: /worker/ });
    await assert.rejects(firstViewMs(page), /Không vẽ được bản đồ/);
    assert.equal(await stateOf(page, "hung-lap"), "dead");
    assert.ok((await panelText(page, "hung-lap")).includes("Vì sao đỏ?"));
    await leave(page);
});

holds("a collector that is gone is told, and what is shown looks old", async () => {
    const page = await at();
    await firstViewMs(page);
    await page.waitForSelector("[data-status=live]");
    await world.stop();
    await page.waitForSelector("[data-status=offline]", { timeout: 30_000 });
    assert.match(await page.locator(".banner").innerText(), /Mất kết nối với máy chủ từ \d\d:\d\d/);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.stale), "true");
    await shot(page, "offline");
    await world.again();
    await page.click("[data-key=retry]");
    await page.waitForSelector("[data-status=live]", { timeout: 60_000 });
    assert.equal(await page.evaluate(() => document.documentElement.dataset.stale), "false");
    await leave(page);
});

holds("a token is asked for once and kept for the tab", async () => {
    const guarded = await start({ collector, token: "0123456789abcdef", hamlets: FIXED });
    try {
        const page = await openPage(browser, guarded.url, { token: "wrong-wrong-wrong" });
        await page.waitForSelector("[data-token=wrong]");
        await page.fill("dialog input", "0123456789abcdef");
        await page.click("dialog button");
        await firstViewMs(page);
        await page.waitForSelector("[data-status=live]");
        await page.reload();
        await firstViewMs(page);
        // Its probes hang on fixed links alone: those are shown, and it is said.
        assert.equal(await page.inputValue("#network"), "fixed");
        assert.ok((await page.locator(".choice").innerText()).includes("Chưa có mạng di động nào được đo"));
        assert.equal((await pixelAt(page, "tham-quan")).state, "good");
        await shot(page, "fixed-only");
        await leave(page);
    } finally {
        await guarded.end();
    }
});

/** `{"ok","commit","seed","n","figures","skipped"}`, as every measuring target writes it. */
function finish() {
    const figure = (value, bound) => ({ value, bound: `<= ${bound}`, ok: value !== null && value <= bound });
    const all = {
        own_js_gzip_kb: figure(report.own_js_gzip_kb, OWN_JS_KB),
        first_view_s: figure(report.first_view_s, FIRST_VIEW_S),
        tests_failed: { value: failed, bound: "= 0", ok: failed === 0 },
    };
    const ok = Object.values(all).every((one) => one.ok);
    let commit = "";
    try {
        commit = execFileSync("git", ["rev-parse", "HEAD"], { cwd: ROOT, encoding: "utf8" }).trim();
    } catch {
        // Outside of a clone there is none.
    }
    const line = JSON.stringify({ ok, commit, seed: 0, n: passed + failed, figures: all, skipped: [] });
    mkdirSync(`${ROOT}target/reports`, { recursive: true });
    writeFileSync(`${ROOT}target/reports/page.json`, `${line}\n`);
    if (!ok) process.exitCode = 1;
}
