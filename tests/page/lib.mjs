// The collector's page in Debian's Chromium, for whoever tests with it. Needs `npm ci` in this folder.
//
//   const browser = await launch()                      headless; PHUSONG_CHROMIUM names another binary
//   const page = await openPage(browser, url, options)  a page of its own context; options: {phone, block, token}
//       phone: true        360 x 740, touch            block: /worker/   addresses that are refused
//       token: "..."       is typed where the page asks for one
//       page.foreign       addresses of other hosts that the page asked for (must stay empty)
//       page.complaints    errors of the console (must stay empty)
//   await firstViewMs(page)          ms from the start of navigation until the hamlets were painted; throws when they are not
//   await pixelAt(page, code)        {state, rgb}: the colour that most of the hamlet's area has on the screen, and whose it is
//   await panelText(page, code)      clicks the hamlet on the map; the text of its panel once it is whole
//   await panelPart(page, part)      of the open panel: why, open, networks, day, month, probes
//   await stateOf(page, code)        the state that the list says: dead weak good blind unknown never
//   await counts(page)               {dead, weak, good, blind, unknown, never} of the legend
//   await shot(page, name)           a picture in target/reports/page-<name>.png
//   figures()                        {own_js_gzip_kb, all_js_gzip_kb, css_gzip_kb} of the built page
//   COLOURS                          what each state is filled with
//
// All of them throw an Error with a sentence.

import { existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inflateSync } from "node:zlib";
import { chromium } from "playwright-core";

export { figures } from "../../collector/web/figures.mjs";

const REPORTS = fileURLToPath(new URL("../../target/reports/", import.meta.url));
const PATIENCE = 30_000;
/** As collector/web/src/paint.ts has them. */
export const COLOURS = {
    dead: [0xc4, 0x30, 0x2b],
    weak: [0xf2, 0xb2, 0x33],
    good: [0x3f, 0xa3, 0x7c],
    blind: [0xcf, 0xc6, 0xe0],
    unknown: [0xec, 0xec, 0xea],
    never: [0xf3, 0xf3, 0xf1],
};
const ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
];

export async function launch() {
    const named = process.env.PHUSONG_CHROMIUM;
    const places = named ? [named] : ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    const executablePath = places.find((path) => existsSync(path));
    if (executablePath === undefined) throw new Error("Chromium is missing: apt-get install chromium");
    return chromium.launch({ executablePath, args: ARGUMENTS });
}

export async function openPage(browser, url, { phone = false, block = null, token = null } = {}) {
    const size = phone ? { width: 360, height: 740 } : { width: 1360, height: 820 };
    const more = phone ? { isMobile: true, hasTouch: true, deviceScaleFactor: 2 } : {};
    const context = await browser.newContext({ viewport: size, ...more });
    const page = await context.newPage();
    page.foreign = [];
    page.complaints = [];
    const host = new URL(url).host;
    page.on("request", (request) => {
        const asked = new URL(request.url());
        if (!["data:", "blob:"].includes(asked.protocol) && asked.host !== host) page.foreign.push(request.url());
    });
    page.on("console", (message) => message.type() === "error" && page.complaints.push(message.text()));
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    // At the context: a worker's own script is not asked for by the page.
    if (block !== null) await context.route(block, (route) => route.abort());
    await page.goto(url, { waitUntil: "domcontentloaded" });
    if (token !== null) {
        await page.fill("dialog input", token);
        await page.click("dialog button");
    }
    return page;
}

/** Until the map is painted, or has said that it cannot be. */
async function mapIs(page) {
    const box = page.locator("[data-map=painted], [data-map=failed]");
    await box.waitFor({ timeout: PATIENCE, state: "attached" }).catch(() => {
        throw new Error("the map neither painted nor failed");
    });
    return box.getAttribute("data-map");
}

export async function firstViewMs(page) {
    const state = await mapIs(page);
    if (state !== "painted") throw new Error(`no first view: ${await page.locator(".map-error").innerText()}`);
    return page.evaluate(() => performance.getEntriesByName("first-view")[0].startTime);
}

export async function pixelAt(page, code) {
    if ((await mapIs(page)) !== "painted") throw new Error("there is no map to read a pixel from");
    const points = await page.evaluate((code) => {
        // Points of the map that nothing lies over.
        const free = ([x, y]) => document.elementFromPoint(x, y)?.tagName === "CANVAS";
        return window.__map.inside(code).filter(free).slice(0, 60);
    }, code);
    if (points.length === 0) throw new Error(`no point of ${code} is on the screen`);
    const image = decode(await page.screenshot({ scale: "css" }));
    const seen = new Map();
    for (const [x, y] of points) {
        for (let dx = -2; dx <= 2; dx += 1) {
            for (let dy = -2; dy <= 2; dy += 1) {
                const rgb = image.at(Math.round(x) + dx, Math.round(y) + dy);
                if (rgb !== null) seen.set(rgb.join(), (seen.get(rgb.join()) ?? 0) + 1);
            }
        }
    }
    const [most] = [...seen].sort((a, b) => b[1] - a[1]);
    if (most === undefined) throw new Error(`no point of ${code} is on the screen`);
    const rgb = most[0].split(",").map(Number);
    const off = (state) => Math.max(...COLOURS[state].map((value, n) => Math.abs(value - rgb[n])));
    const [nearest] = Object.keys(COLOURS).sort((a, b) => off(a) - off(b));
    return { state: off(nearest) <= 6 ? nearest : null, rgb };
}

export async function panelText(page, code) {
    if ((await mapIs(page)) === "painted") {
        const points = await page.evaluate((code) => {
            const free = ([x, y]) => document.elementFromPoint(x, y)?.tagName === "CANVAS";
            return window.__map.inside(code).filter(free);
        }, code);
        if (points.length === 0) throw new Error(`${code} cannot be clicked: it is not on the screen`);
        await page.mouse.click(...points[0]);
    } else await page.click(`[data-hamlet="${code}"]`);
    return panelWhole(page, code);
}

/** The text of a panel that is open, or opens, once it is whole. */
export async function panelWhole(page, code) {
    const panel = page.locator(`[data-panel="${code}"][data-ready=true]`);
    await panel.waitFor({ timeout: PATIENCE }).catch(() => {
        throw new Error(`the panel of ${code} does not come`);
    });
    // Probes are asked for after the rest.
    await page.waitForFunction(
        () => [...document.querySelectorAll("[data-panel] [data-probe]")].every((one) => one.querySelector("div") !== null),
        null,
        { timeout: PATIENCE },
    );
    return panel.innerText();
}

export async function panelPart(page, part) {
    return page.locator(`[data-panel] [data-part="${part}"]`).innerText();
}

export async function stateOf(page, code) {
    return page.locator(`[data-hamlet="${code}"]`).getAttribute("data-state");
}

export async function counts(page) {
    const pairs = await page
        .locator("[data-legend] [data-state]")
        .evaluateAll((rows) => rows.map((row) => [row.dataset.state, Number(row.dataset.count)]));
    return { dead: 0, weak: 0, good: 0, blind: 0, unknown: 0, never: 0, ...Object.fromEntries(pairs) };
}

export async function shot(page, name) {
    mkdirSync(REPORTS, { recursive: true });
    await page.screenshot({ path: `${REPORTS}page-${name}.png` });
}

/** A PNG of Chromium's, as pixels: 8 bits a channel, not interlaced. */
function decode(png) {
    const parts = [];
    let [width, height, channels] = [0, 0, 0];
    for (let at = 8; at < png.length; ) {
        const length = png.readUInt32BE(at);
        const type = png.toString("latin1", at + 4, at + 8);
        const body = png.subarray(at + 8, at + 8 + length);
        if (type === "IHDR") {
            [width, height] = [body.readUInt32BE(0), body.readUInt32BE(4)];
            channels = { 2: 3, 6: 4 }[body[9]];
            if (body[8] !== 8 || channels === undefined || body[12] !== 0) throw new Error("a PNG of another kind");
        } else if (type === "IDAT") parts.push(body);
        at += 12 + length;
    }
    const raw = inflateSync(Buffer.concat(parts));
    const stride = width * channels;
    const out = Buffer.alloc(stride * height);
    for (let y = 0; y < height; y += 1) {
        const filter = raw[y * (stride + 1)];
        for (let x = 0; x < stride; x += 1) {
            const left = x >= channels ? out[y * stride + x - channels] : 0;
            const up = y > 0 ? out[(y - 1) * stride + x] : 0;
            const corner = x >= channels && y > 0 ? out[(y - 1) * stride + x - channels] : 0;
            const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
            out[y * stride + x] = raw[y * (stride + 1) + 1 + x] + guess;
        }
    }
    const at = (x, y) => {
        if (x < 0 || y < 0 || x >= width || y >= height) return null;
        const from = (y * width + x) * channels;
        return [out[from], out[from + 1], out[from + 2]];
    };
    return { at };
}

function paeth(left, up, corner) {
    const [a, b, c] = [left, up, corner].map((value) => Math.abs(left + up - corner - value));
    return a <= b && a <= c ? left : b <= c ? up : corner;
}
