// A small commune in a real collector: one hamlet in each state, made of samples on the wire and commands of the product.
//
//   const world = await start({ collector, token })   a collector of its own on a free port, with a day of samples
//   world.url                                         where its page is
//   await world.cut("van-lang")                       25 minutes more of that probe: nothing beyond its gateway answers
//   await world.stop(); await world.again(); await world.end()
//
// The outlines, probes and events are made up; the names are those of hamlets of Thanh Định.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const SITE = "thanh-dinh";
const ROUND = 100_000;
const BATCH = 100;
const PATIENCE = 60_000;

const VIETTEL = { interface: "wwan0", sim_plmn: "452-04", serving_plmn: "452-04", service_state: "home", technology: "lte" };
const VINAPHONE = { interface: "wwan1", sim_plmn: "452-02", serving_plmn: "452-02", service_state: "home", technology: "lte" };
const FIBRE = { interface: "eth0", provider: "vnpt", technology: "fiber" };
const TARGETS = [
    { name: "gateway", host: "192.0.2.1", tags: ["gateway"] },
    { name: "vnnic", host: "203.0.113.10", tags: ["domestic"] },
    { name: "dichvucong", host: "203.0.113.20", tags: ["public-service"] },
    { name: "vnix", host: "203.0.113.30", tags: ["domestic"] },
];

/** Stretches of a probe's day, in minutes before now; from the last one that says so until the next. */
const served = { rtt: 45 };
const slow = { rtt: 420 };
const cut = { cut: true };
const silent = null;

/** `column` and `row` in the grid; `probes` with what each measured: `[minutes before now, what]`. */
const HAMLETS = [
    {
        code: "ban-pieng", name: "Bản Piềng", column: 0, row: 0, population: 312,
        probes: [
            { id: "ban-pieng-1", label: "Nhà văn hóa", speeds: [[VIETTEL, 130, 31.5e6, 8.2e6], [VIETTEL, 65, 28.4e6, 7.4e6], [VIETTEL, 195, 12.6e6, 6.1e6]], lanes: [[VIETTEL, [[1440, served], [900, cut], [840, served]]], [VINAPHONE, [[1440, slow]]]] },
        ],
    },
    { code: "hung-lap", name: "Hùng Lập", column: 1, row: 0, population: 274,
        probes: [{ id: "hung-lap-1", label: "Trường mầm non", lanes: [[VIETTEL, [[1440, served], [700, slow], [500, served], [130, cut]]]] }] },
    { code: "na-ho", name: "Nà Họ", column: 2, row: 0, population: 198,
        probes: [{ id: "na-ho-1", lanes: [[VINAPHONE, [[1440, served], [420, slow]]]] }] },
    { code: "khuan-nghe", name: "Khuẩn Nghè", column: 0, row: 1, population: 221,
        probes: [{ id: "khuan-nghe-1", lanes: [[VIETTEL, [[1440, served], [190, silent]]]] }] },
    { code: "na-chia", name: "Nạ Chía", column: 1, row: 1, population: 167, probes: [] },
    { code: "tham-thia", name: "Thẩm Thia", column: 2, row: 1, population: 240,
        probes: [
            { id: "tham-thia-1", lanes: [[VIETTEL, [[1440, served]]]] },
            { id: "tham-thia-2", lanes: [[VIETTEL, [[1440, served], [75, cut]]]] },
        ] },
    { code: "tham-quan", name: "Thẩm Quẩn", column: 0, row: 2, population: 185,
        probes: [{ id: "tham-quan-1", lanes: [[FIBRE, [[1440, served], [1000, cut], [950, served]]]] }] },
    { code: "keo-en", name: "Keo En", column: 1, row: 2, radius_m: 620, population: 143,
        probes: [{ id: "keo-en-1", lanes: [[VINAPHONE, [[1440, served], [1100, silent], [1010, served]]], [FIBRE, [[1440, served]]]] }] },
    { code: "van-lang", name: "Văn Lang", column: 2, row: 2, population: 290,
        probes: [{ id: "van-lang-1", lanes: [[VIETTEL, [[1440, served], [26, silent]]]] }] },
];

/** Without mobile networks: what a commune looks like whose probes hang on fixed links alone. */
export const FIXED = HAMLETS.filter((hamlet) => ["tham-quan", "na-chia"].includes(hamlet.code));
export const ALL = HAMLETS;

const [WEST, NORTH, STEP_LON, STEP_LAT] = [105.53, 21.885, 0.0135, 0.0125];

/** A corner of the bent grid. */
function corner(column, row) {
    const bend = (a, b) => 0.0016 * Math.sin(1.7 * a + 2.3 * b);
    return [WEST + column * STEP_LON + bend(column, row), NORTH - row * STEP_LAT + bend(row, column)];
}

function edge(from, to, seed) {
    const points = [];
    for (let n = 0; n < 16; n += 1) {
        const t = n / 16;
        const off = 0.0007 * Math.sin(Math.PI * t) * Math.sin(seed + 2.6 * Math.PI * t);
        points.push([from[0] + t * (to[0] - from[0]) + off, from[1] + t * (to[1] - from[1]) + off]);
    }
    return points;
}

function outline({ column, row }) {
    const [a, b, c, d] = [corner(column, row), corner(column, row + 1), corner(column + 1, row + 1), corner(column + 1, row)];
    // An edge has one seed from both sides, and is walked one way for both.
    const side = (from, to, seed, back) => (back ? [...edge(to, from, seed), from].reverse().slice(0, -1) : edge(from, to, seed));
    const ring = [
        ...side(a, b, 11 * column + row, false),
        ...side(b, c, 7 * column + 3 * (row + 1), false),
        ...side(c, d, 11 * (column + 1) + row, true),
        ...side(d, a, 7 * column + 3 * row, true),
    ];
    return [...ring, ring[0]];
}

function middle({ column, row }, shift = 0) {
    const [a, c] = [corner(column, row), corner(column + 1, row + 1)];
    return [(a[0] + c[0]) / 2 + shift * 0.002, (a[1] + c[1]) / 2 + shift * 0.0015];
}

function areas(hamlets) {
    const features = hamlets.map((hamlet) => {
        const { code, name, population, radius_m } = hamlet;
        const geometry =
            radius_m === undefined
                ? { type: "Polygon", coordinates: [outline(hamlet)] }
                : { type: "Point", coordinates: middle(hamlet) };
        return { type: "Feature", geometry, properties: { code, name, label: "xóm", parent: "td", population, radius_m } };
    });
    const commune = { type: "Feature", geometry: null, properties: { code: "td", name: "Thanh Định", label: "xã" } };
    return { type: "FeatureCollection", features: [commune, ...features] };
}

const hex = (number) => number.toString(16).padStart(16, "0");

/** One round of a lane: each target once. */
function round(uplink, what, wall_ms) {
    const base = { wall_ms, clock: { synced: true, age_s: 60 }, uplink };
    return TARGETS.map((target, n) => {
        const at = { ...base, wall_ms: wall_ms + n * 200, target };
        if (n === 0) return { ...at, reading: { kind: "latency", sent: 3, rtt_us: [2_100, 2_300, 2_000] } };
        if (what.cut) return { ...at, failure: { of: "tcp", kind: "timeout", elapsed_us: 3_000_000 } };
        const rtt = Math.round(1_000 * what.rtt * (1 + 0.1 * Math.sin(wall_ms / 7e5 + n)));
        if (n === 1) return { ...at, reading: { kind: "latency", sent: 3, rtt_us: [rtt, rtt + 900, rtt + 400] } };
        return { ...at, reading: { kind: "tcp", connect_us: rtt + 1_500 } };
    });
}

/** A day of a probe up to now, in the order of time. */
function day(probe, now) {
    const samples = [];
    for (const [uplink, stretches] of probe.lanes) {
        stretches.forEach(([before, what], n) => {
            if (what === null) return;
            const until = stretches[n + 1] === undefined ? now - 5_000 : now - stretches[n + 1][0] * MINUTE;
            for (let at = now - before * MINUTE; at < until; at += ROUND) samples.push(...round(uplink, what, at));
        });
    }
    for (const [uplink, before, down_bps, up_bps] of probe.speeds ?? []) {
        const reading = { kind: "throughput", down_bps, up_bps, bytes: 6_000_000, elapsed_ms: 4_000, early: false, method: "http" };
        samples.push({ wall_ms: now - before * MINUTE, clock: { synced: true, age_s: 60 }, uplink, reading });
    }
    const boot = {
        wall_ms: now - DAY - MINUTE,
        clock: { synced: true, age_s: 60 },
        reading: { kind: "boot", start: 1, clean: true, same_boot: false, version: "0.1.0", period_ms: ROUND },
    };
    return [boot, ...samples.sort((a, b) => a.wall_ms - b.wall_ms)];
}

/** The file that `phusong-collector import` takes. */
function spool(probe, epoch, samples, firstSeq) {
    const name = (text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
    const parts = [Buffer.from("PSX1"), name(SITE), name(probe)];
    for (let from = 0; from < samples.length; from += BATCH) {
        const some = samples.slice(from, from + BATCH).map((sample, n) => ({ seq: hex(firstSeq + from + n), ...sample }));
        const body = Buffer.from(JSON.stringify({ v: 1, probe, epoch, samples: some }));
        const length = Buffer.alloc(4);
        length.writeUInt32BE(body.length);
        parts.push(length, body);
    }
    return Buffer.concat(parts);
}

async function freePort() {
    return new Promise((resolve, reject) => {
        const server = createServer().on("error", reject);
        server.listen(0, "127.0.0.1", () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

/** Until `look` gives something, or a sentence of what did not happen. */
export async function until(what, look, patience = PATIENCE) {
    const deadline = Date.now() + patience;
    for (;;) {
        const found = await look();
        if (found) return found;
        if (Date.now() > deadline) throw new Error(`${what}: not within ${patience / 1_000} s`);
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
}

/** A collector on a free port, and the commune in it. `hamlets`: ALL or FIXED. */
export async function start({ collector, token = null, hamlets = ALL }) {
    const dir = await mkdtemp(join(tmpdir(), "phusong-page-"));
    const port = await freePort();
    // Nobody listens there: the page needs no broker.
    const broker = await freePort();
    const config = join(dir, "collector.toml");
    const secret = token === null ? "" : `token = "${token}"\n`;
    const lines = `data_dir = "${dir}/data"\n[mqtt]\nurl = "mqtt://127.0.0.1:${broker}"\n[http]\nlisten = "127.0.0.1:${port}"\n${secret}`;
    await writeFile(config, lines);
    const says = async (...args) => (await run(collector, ["--config", config, ...args])).stdout;
    const epochs = new Map();

    const take = async (probe, samples) => {
        const known = epochs.get(probe) ?? { epoch: hex(0x5eed0000 + epochs.size + 1), next: 0 };
        const file = join(dir, `${probe}.psx`);
        await writeFile(file, spool(probe, known.epoch, samples, known.next));
        epochs.set(probe, { ...known, next: known.next + samples.length });
        await says("import", file);
    };

    const now = Date.now();
    await writeFile(join(dir, "areas.geojson"), JSON.stringify(areas(hamlets)));
    await says("areas", "import", join(dir, "areas.geojson"));
    // They stand there for a week.
    const since = new Date(now - 7 * DAY).toISOString();
    const stays = hamlets.flatMap((hamlet) => hamlet.probes.map((probe, n) => ({ ...probe, hamlet: hamlet.code, at: middle(hamlet, n) })));
    const rows = stays.map(({ id, hamlet, at: [lon, lat], label }) => [id, SITE, hamlet, lat, lon, label ?? "", since].join(","));
    await writeFile(join(dir, "probes.csv"), `probe,site,hamlet,lat,lon,label,since\n${rows.join("\n")}\n`);
    await says("probe", "add", "--from", join(dir, "probes.csv"));
    for (const probe of stays) await take(probe.id, day(probe, now));

    let child = null;
    let log = "";
    const begin = async () => {
        child = spawn(collector, ["--config", config, "run"], { stdio: ["ignore", "pipe", "pipe"] });
        const hear = (bytes) => (log = (log + bytes).slice(-20_000));
        child.stdout.on("data", hear);
        child.stderr.on("data", hear);
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.ended = ended;
        await until("the collector answers", async () => {
            if (child.exitCode !== null) throw new Error(`the collector ended:\n${log}`);
            return fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false);
        });
    };
    const stop = async () => {
        child.kill("SIGTERM");
        await child.ended;
    };
    await begin();
    const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
    const ask = async (path) => (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`, { headers })).json();
    const wanted = hamlets.filter((hamlet) => hamlet.probes.length > 0).length;
    await until("everything is derived", async () => {
        const { features } = await ask("map/hamlets.geojson");
        return features.filter(({ properties: { networks, links } }) => networks.length + links.length > 0).length === wanted;
    });
    return {
        url: `http://127.0.0.1:${port}/`,
        ask,
        log: () => log,
        stop,
        again: begin,
        /** 25 minutes in which nothing beyond the gateway answered, delivered now. */
        cut: async (code) => {
            const [probe] = hamlets.find((hamlet) => hamlet.code === code).probes;
            const [uplink] = probe.lanes[0];
            const samples = [];
            for (let at = Date.now() - 25 * MINUTE; at < Date.now() - 2_000; at += ROUND) samples.push(...round(uplink, cut, at));
            await take(probe.id, samples);
        },
        end: async () => {
            await stop();
            await rm(dir, { recursive: true, force: true });
        },
    };
}
