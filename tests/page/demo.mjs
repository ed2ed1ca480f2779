// Looks at the map of a running demo as a person would: what colour is each hamlet of the scene, what does a click say?
//
// In: the page's address, the simulator's truth file. Out: one line of JSON on standard output; the exit code says whether
// all of it was right. Colours are read from the pixels of a screenshot, the cause from the panel that a click opens.
//
//   node tests/page/demo.mjs URL TRUTH.json [--block-worker] [--short]

import { readFileSync } from "node:fs";
import { firstViewMs, launch, openPage, panelText, pixelAt, shot } from "./lib.mjs";

const [url, truthFile, ...options] = process.argv.slice(2);
const block = options.includes("--block-worker") ? /worker/ : null;
const views = options.includes("--short") ? 1 : 3;
/** The page hears of what was derived, and paints it, a while after. */
const PATIENCE_MS = 90_000;
const STEP_MS = 500;

const { scene, events } = JSON.parse(readFileSync(truthFile, "utf8"));
const wanted = { dead: scene.dead, weak: scene.weak, blind: scene.blind, never: scene.unmeasured };
const truth = events.find((event) => event.hamlet === scene.dead.hamlet && event.from_ms < scene.now_ms && event.to_ms > scene.now_ms);

/** The colours of the scene's hamlets, looked at until they are right or the time is over. */
async function colours(page) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
        const seen = {};
        for (const [state, { hamlet }] of Object.entries(wanted)) seen[state] = (await pixelAt(page, hamlet)).state;
        const right = Object.entries(seen).filter(([state, is]) => state === is).length;
        if (right === Object.keys(wanted).length || Date.now() > end) return { seen, right };
        await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    }
}

/** What the panel says of the dead hamlet's open gap, in words and by its key. */
async function cause(page) {
    await panelText(page, scene.dead.hamlet);
    const row = page.locator("[data-panel] [data-part=open] [data-kind=gap][data-open]").first();
    const key = await row.getAttribute("data-cause");
    const said = await page.locator("[data-panel] [data-part=why]").innerText();
    await shot(page, "demo-panel");
    return { key, said };
}

/** Seconds to the first painted hamlets with nothing in any cache; the middle of several. */
async function firstView(browser) {
    const taken = [];
    for (let nth = 0; nth < views; nth += 1) {
        const page = await openPage(browser, url);
        taken.push((await firstViewMs(page)) / 1000);
        await page.context().close();
    }
    return taken.sort((a, b) => a - b)[views >> 1];
}

async function look(browser) {
    const page = await openPage(browser, `${url}/#lang=vi`, { block });
    // Throws where nothing is painted.
    const outcome = await firstViewMs(page).then(() => colours(page)).catch((error) => ({ seen: {}, right: 0, error: error.message }));
    await shot(page, block === null ? "demo-map" : "demo-worker-blocked");
    const { seen: states, right: colours_read, error } = outcome;
    if (colours_read < Object.keys(wanted).length) return { ok: false, states, colours_read, error };
    const { key, said } = await cause(page);
    const { complaints, foreign } = page;
    await page.context().close();
    const phone = await openPage(browser, `${url}/#lang=vi`, { phone: true });
    await firstViewMs(phone);
    await shot(phone, "demo-phone");
    await phone.context().close();
    const first_view_s = await firstView(browser);
    const ok = key === truth?.cause && said !== "" && complaints.length === 0 && foreign.length === 0;
    return { ok, states, colours_read, cause: key, said, first_view_s, complaints, foreign };
}

const browser = await launch();
const outcome = await look(browser).catch((error) => ({ ok: false, colours_read: 0, error: String(error) }));
await browser.close();
console.log(JSON.stringify(outcome));
process.exitCode = outcome.ok ? 0 : 1;
