// The page's own rules without a browser: what a hamlet is in a view, in which order they stand, how a stream is read.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "../../collector/web/node_modules/esbuild/lib/main.js";

const SOURCE = fileURLToPath(new URL("../../collector/web/src/", import.meta.url));

/** A module of the page as it stands. */
async function page(name) {
    const { outputFiles } = await build({ entryPoints: [`${SOURCE}${name}.ts`], bundle: true, format: "esm", write: false });
    return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

const mark = (network, level, more = {}) => {
    return { network, level, reason: null, places_disagree: false, open_gap_since_ms: null, open_blind_since_ms: null, ...more };
};
const hamlet = (networks, links = [], more = {}) => {
    return { code: "x", name: "X", label: "xóm", radius_m: null, places: 1, networks, links, place_blind_since_ms: null, ...more };
};

test("unknown is never covered, and blind only where we cannot see", async () => {
    const { standing } = await page("model");
    const [mobile, fixed] = [{ kind: "mobile" }, { kind: "fixed" }];
    const viettel = { kind: "one", network: "viettel" };
    const silent = { place_blind_since_ms: 5 };
    for (const [name, given, view, wanted] of [
        ["the best network counts", hamlet([mark("viettel", 1), mark("vinaphone", 3)]), mobile, "good"],
        ["one network by itself", hamlet([mark("viettel", 1), mark("vinaphone", 3)]), viettel, "dead"],
        ["a fixed link makes no mobile level", hamlet([mark("viettel", 1)], [mark("fixed:vnpt", 3)]), mobile, "dead"],
        ["nothing known now", hamlet([mark("viettel", 0)]), mobile, "unknown"],
        ["a silent place", hamlet([mark("viettel", 0)], [], silent), mobile, "blind"],
        ["a silent place that another one makes up for", hamlet([mark("viettel", 2)], [], silent), mobile, "weak"],
        ["a blind of another network", hamlet([mark("viettel", 0), mark("vinaphone", 0, { open_blind_since_ms: 1 })]), viettel, "unknown"],
        ["never measured there, though the place is silent", hamlet([], [mark("fixed:vnpt", 0)], silent), mobile, "never"],
        ["the same, by its fixed link", hamlet([], [mark("fixed:vnpt", 0)], silent), fixed, "blind"],
        ["silent before it said which network", hamlet([], [], silent), mobile, "blind"],
        ["no probe", hamlet([]), mobile, "never"],
        ["samples that named no network", hamlet([], [mark("", 3)]), fixed, "never"],
    ]) {
        assert.equal(standing(given, view).state, wanted, name);
    }
});

test("the worst stand first, and longest first among the same", async () => {
    const { entries, viewByDefault, plain } = await page("model");
    const one = (code, level, since = null) => {
        const properties = { ...hamlet([mark("viettel", level, { open_gap_since_ms: since })]), code, name: code };
        return { type: "Feature", id: code, geometry: null, properties };
    };
    const all = [one("good", 3), one("late", 1, 9), one("early", 1, 2), one("b", 2), one("a", 2), one("unknown", 0)];
    const order = entries(all, { kind: "mobile" }).map((entry) => entry.feature.id);
    assert.deepEqual(order, ["early", "late", "a", "b", "unknown", "good"]);
    assert.equal(viewByDefault(all).kind, "mobile");
    const links = [{ ...one("x", 3), properties: hamlet([], [mark("fixed:vnpt", 3)]) }];
    assert.equal(viewByDefault(links).kind, "fixed");
    assert.equal(viewByDefault([]).kind, "mobile");
    assert.equal(plain("Xóm Đồng Chua – Nạ Chía"), "xom dong chua – na chia");
});

test("a stream is read the same in whatever pieces it comes", async () => {
    const { Parser } = await page("live");
    const text = 'retry: 2000\n: hello\n\nid: 7\nevent: gap_opened\ndata: {"a":1}\n\n: beat\n\nevent: states\r\ndata: x\r\ndata: y\r\n\r\n';
    const wanted = [
        { id: "7", event: "gap_opened", data: '{"a":1}' },
        { id: "7", event: "states", data: "x\ny" },
    ];
    for (let size = 1; size <= text.length; size += 1) {
        const parser = new Parser();
        const got = [];
        for (let at = 0; at < text.length; at += size) got.push(...parser.push(text.slice(at, at + size)));
        assert.deepEqual(got, wanted, `pieces of ${size}`);
    }
});

test("a label stands inside its hamlet, also in one that is bent", async () => {
    const { area, inside, middle, box } = await page("shape");
    const bent = { type: "Polygon", coordinates: [[[0, 0], [4, 0], [4, 4], [3, 4], [3, 1], [0, 1], [0, 0]]] };
    assert.ok(inside(bent, middle(bent)));
    const circle = area({ type: "Point", coordinates: [105.5, 21.9] }, 500);
    const [west, south, east, north] = box(circle);
    assert.ok(Math.abs((north - south) * 111_320 - 1_000) < 10, "a kilometre high");
    assert.ok(Math.abs((east - west) * 111_320 * Math.cos((21.9 * Math.PI) / 180) - 1_000) < 10, "and wide");
});
