// The day of one place on one network as a strip: what was known in colours, what was not as a hole, blinds striped.

import type { Interruption, Series } from "./answers";
import { h, svg } from "./dom";
import { isFixed, type State } from "./model";
import { PAINTS } from "./paint";
import { clock, network, reason, span, stateWord } from "./say";
import { t } from "./text";

const STATE_OF = ["unknown", "dead", "weak", "good"] as const;
const HEIGHT = 22;

interface Cell {
    state: State | null;
    reason: string | null;
}

/** Windows with what is known of each: null where nothing was observed; blind where a blind lay. */
function cells(series: Series, blinds: Interruption[], nowMs: number): Cell[] {
    const step = series.step_s * 1_000;
    const blind = (fromMs: number) =>
        blinds.some((one) => one.from_ms < fromMs + step && (one.to_ms ?? nowMs) > fromMs + step / 2);
    return series.levels.map((level, at) => {
        const why = series.reasons[at] ?? null;
        if (level !== null && level > 0) return { state: STATE_OF[level], reason: why };
        if (blind(series.from_ms + at * step)) return { state: "blind", reason: why };
        return { state: level === null ? null : "unknown", reason: why };
    });
}

function sayCell(cell: Cell, series: Series): string {
    if (cell.state === null) return t().dayNothing;
    const word = stateWord(cell.state, series.network, cell.reason, isFixed(series.network));
    return cell.reason === null ? word : `${word} – ${reason(cell.reason)}`;
}

function summary(all: Cell[], series: Series): string {
    // The window that runs now has nothing to say yet.
    const past = all.at(-1)?.state == null ? all.slice(0, -1) : all;
    const order: (State | null)[] = ["dead", "weak", "good", "blind", "unknown", null];
    const parts = order.flatMap((state) => {
        const n = past.filter((cell) => cell.state === state).length;
        if (n === 0) return [];
        const word = state === null ? t().dayNothing : stateWord(state, series.network, null, isFixed(series.network));
        return [`${word} ${span(n * series.step_s * 1_000)}`];
    });
    return t().daySummary(parts.join(", "));
}

/** `probe`: who measured. */
export function timeline(series: Series, probe: string, blinds: Interruption[], nowMs: number): HTMLElement {
    const all = cells(series, blinds, nowMs);
    const step = series.step_s * 1_000;
    const caption = h("p", { class: "day-caption", "aria-live": "polite" }, summary(all, series));
    const strip = svg("svg", {
        class: "strip",
        viewBox: `0 0 ${all.length} ${HEIGHT}`,
        preserveAspectRatio: "none",
        role: "img",
        tabindex: 0,
        "data-key": `strip-${series.place}-${series.network}`,
        "aria-label": summary(all, series),
    });
    const texture = `blind-${series.place}-${series.network.replace(/[^a-z0-9]/g, "-")}`;
    strip.append(stripes(texture));
    for (let from = 0; from < all.length; ) {
        let to = from + 1;
        while (to < all.length && all[to]?.state === all[from]?.state) to += 1;
        const state = all[from]?.state ?? null;
        if (state !== null) {
            const fill = state === "blind" ? `url(#${texture})` : PAINTS[state].fill;
            strip.append(svg("rect", { x: from, y: 0, width: to - from, height: HEIGHT, fill, "data-state": state }));
        }
        from = to;
    }
    const tell = (at: number) => {
        const cell = all[at];
        if (cell === undefined) return;
        const fromMs = series.from_ms + at * step;
        caption.textContent = t().dayAt(clock(fromMs), clock(fromMs + step), sayCell(cell, series));
    };
    let at = all.length - 1;
    strip.addEventListener("pointermove", (event) => {
        const { left, width } = strip.getBoundingClientRect();
        at = Math.min(all.length - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * all.length)));
        tell(at);
    });
    strip.addEventListener("pointerleave", () => (caption.textContent = summary(all, series)));
    strip.addEventListener("keydown", (event) => {
        const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (way === undefined) return;
        event.preventDefault();
        at = Math.min(all.length - 1, Math.max(0, at + way));
        tell(at);
    });
    return h(
        "figure",
        { class: "day", "data-series": series.network },
        h("figcaption", {}, t().dayOf(network(series.network), probe)),
        strip,
        hours(series, all.length),
        caption,
    );
}

function stripes(id: string): SVGElement {
    const { fill, ink } = PAINTS.blind;
    return svg(
        "defs",
        {},
        svg(
            "pattern",
            { id, width: 4, height: 4, patternUnits: "userSpaceOnUse" },
            svg("rect", { width: 4, height: 4, fill }),
            svg("rect", { width: 1.6, height: 4, fill: ink }),
        ),
    );
}

/** Every sixth full hour in Vietnam. */
function hours(series: Series, windows: number): HTMLElement {
    const row = h("div", { class: "hours", "aria-hidden": "true" });
    const step = series.step_s * 1_000;
    for (let at = 0; at < windows; at += 1) {
        const text = clock(series.from_ms + at * step);
        if (!/^(00|06|12|18):00$/.test(text)) continue;
        const mark = h("span", {}, text);
        mark.style.left = `${(100 * at) / windows}%`;
        row.append(mark);
    }
    return row;
}
