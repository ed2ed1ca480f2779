// What a hamlet is in the chosen view, and in which order hamlets stand. Pure.

import type { HamletFeature, HamletProperties, Mark } from "./answers";

/** What is shown. `blind`: we cannot measure now; `unknown`: measured before, nothing known now; `never`: never measured. */
export const STATES = ["dead", "weak", "good", "blind", "unknown", "never"] as const;
export type State = (typeof STATES)[number];

/** The best mobile network, the best fixed link, or one network by its name. */
export type View = { kind: "mobile" } | { kind: "fixed" } | { kind: "one"; network: string };

export interface Standing {
    state: State;
    /** The network that decided. */
    mark: Mark | null;
    /** Since when it is dead or blind, where that is known. */
    sinceMs: number | null;
}

export interface Entry {
    feature: HamletFeature;
    standing: Standing;
}

const WORST_FIRST: Record<State, number> = { dead: 0, weak: 1, blind: 2, unknown: 3, never: 4, good: 5 };
const OF_LEVEL = ["unknown", "dead", "weak", "good"] as const;

export function isFixed(network: string): boolean {
    return network.startsWith("fixed:");
}

export function parseView(text: string | null): View | null {
    if (text === null || text === "") return null;
    if (text === "mobile" || text === "fixed") return { kind: text };
    return { kind: "one", network: text };
}

export function writeView(view: View): string {
    return view.kind === "one" ? view.network : view.kind;
}

/** Whether a network counts in this view. */
export function inView(network: string, view: View): boolean {
    if (view.kind === "one") return network === view.network;
    return view.kind === "fixed" ? isFixed(network) : network !== "" && !isFixed(network);
}

/** A hamlet in a view. Unknown is never covered: what we cannot see is blind or unknown, whatever it was before. */
export function standing(hamlet: HamletProperties, view: View): Standing {
    const all = [...hamlet.networks, ...hamlet.links];
    const marks = all.filter((mark) => inView(mark.network, view));
    const best = marks.reduce<Mark | null>((best, mark) => (mark.level > (best?.level ?? 0) ? mark : best), null);
    if (best !== null) {
        const state = OF_LEVEL[best.level];
        return { state, mark: best, sinceMs: state === "dead" ? best.open_gap_since_ms : null };
    }
    const blinds = marks.map((mark) => mark.open_blind_since_ms);
    // A silent place hides the networks that were measured there; of others it says nothing.
    if (marks.length > 0 || all.length === 0) blinds.push(hamlet.place_blind_since_ms);
    const since = blinds.filter((ms): ms is number => ms !== null);
    if (since.length > 0) return { state: "blind", mark: null, sinceMs: Math.min(...since) };
    return { state: marks.length > 0 ? "unknown" : "never", mark: null, sinceMs: null };
}

/** Worst first, then longest first, then by name. */
export function entries(features: HamletFeature[], view: View): Entry[] {
    const all = features.map((feature) => ({ feature, standing: standing(feature.properties, view) }));
    const names = new Intl.Collator("vi", { numeric: true });
    return all.sort((a, b) => {
        const worse = WORST_FIRST[a.standing.state] - WORST_FIRST[b.standing.state];
        const longer = (a.standing.sinceMs ?? Infinity) - (b.standing.sinceMs ?? Infinity);
        const older = Number.isNaN(longer) ? 0 : longer;
        return worse || older || names.compare(a.feature.properties.name, b.feature.properties.name);
    });
}

export function count(entries: Entry[]): Record<State, number> {
    const counts = { dead: 0, weak: 0, good: 0, blind: 0, unknown: 0, never: 0 };
    for (const entry of entries) counts[entry.standing.state] += 1;
    return counts;
}

/** Every network that is measured somewhere: operators, then fixed links, by name. */
export function networks(features: HamletFeature[]): { mobile: string[]; fixed: string[] } {
    const found = new Set<string>();
    for (const { properties } of features) {
        for (const mark of [...properties.networks, ...properties.links]) found.add(mark.network);
    }
    found.delete("");
    const sorted = [...found].sort();
    return { mobile: sorted.filter((name) => !isFixed(name)), fixed: sorted.filter(isFixed) };
}

/** Where nobody chose: the best mobile network, unless none is measured anywhere and a fixed link is. */
export function viewByDefault(features: HamletFeature[]): View {
    const { mobile, fixed } = networks(features);
    return mobile.length === 0 && fixed.length > 0 ? { kind: "fixed" } : { kind: "mobile" };
}

/** As people type it: without diacritics, small, đ as d. */
export function plain(text: string): string {
    const bare = text.normalize("NFD").replace(/\p{M}/gu, "");
    return bare.toLowerCase().replaceAll("đ", "d");
}
