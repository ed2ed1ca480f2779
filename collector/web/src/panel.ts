// One hamlet: what is wrong and why, on which network, since when, how sure; its day, its month, its probes.

import type {
    Hamlet,
    HamletDetail,
    Interruption,
    NetworkState,
    Observation,
    Open,
    ProbeDetail,
    Throughput,
} from "./answers";
import { fixedView } from "./aside";
import { nowMs } from "./ask";
import { type Child, h } from "./dom";
import { inView, isFixed, type Standing, type State, type View } from "./model";
import { capital, cause, interval, moment, network, number, proof, reason, span, speed, stateWord } from "./say";
import { swatch } from "./swatch";
import { t } from "./text";
import { timeline } from "./timeline";

/** Everything that is asked of one hamlet. */
export interface Shown {
    detail: HamletDetail;
    probes: ProbeDetail[];
    /** What failed in the last quarter of an hour. */
    failures: Observation[];
}

/** Interruptions that are shown before one asks for more. */
const FIRST = 8;
const OF_LEVEL: State[] = ["unknown", "dead", "weak", "good"];

function section(key: string, title: string, ...children: Child[]): HTMLElement {
    return h("section", { class: `part part-${key}`, "data-part": key }, h("h3", {}, title), ...children);
}

function sinceText(fromMs: number): string {
    return t().since(moment(fromMs), span(nowMs() - fromMs));
}

export function panel(shown: Shown, standing: Standing, view: View): HTMLElement[] {
    const { detail } = shown;
    const { hamlet } = detail;
    return [
        head(hamlet, standing, view),
        why(shown, standing, view),
        openNow(detail),
        networks(hamlet, view),
        day(detail, view),
        month(detail),
        probes(shown),
        h("p", { class: "note" }, t().zone),
    ];
}

function head(hamlet: Hamlet, standing: Standing, view: View): HTMLElement {
    const { state, mark, sinceMs } = standing;
    const text = stateWord(state, mark?.network ?? null, mark?.reason ?? null, fixedView(view));
    const facts = [hamlet.population === null ? "" : t().population(number(hamlet.population)), hamlet.code];
    return h(
        "div",
        { class: "head" },
        h("h2", { tabindex: -1, "data-key": "panel-title" }, `${capital(hamlet.label)} ${hamlet.name}`),
        h(
            "p",
            { class: `badge badge-${state}`, "data-state": state },
            swatch(state),
            h("strong", {}, capital(text)),
            mark !== null && h("span", {}, ` · ${network(mark.network)}`),
            sinceMs !== null && h("span", { class: "since" }, ` ${sinceText(sinceMs)}`),
        ),
        h("p", { class: "note" }, facts.filter(Boolean).join(" · ")),
    );
}


function inThisView(hamlet: Hamlet, view: View): NetworkState[] {
    return [...hamlet.networks, ...hamlet.links].filter((state) => inView(state.network, view));
}

/** The sentences that answer "why is this red?". */
function why(shown: Shown, standing: Standing, view: View): HTMLElement {
    const { hamlet } = shown.detail;
    const states = inThisView(hamlet, view);
    const lines: Child[] = states.map((state) => whyNetwork(state, shown, states.length > 1));
    if (standing.state === "blind") {
        lines.unshift(...hamlet.open_blinds.map((open) => line(blindSentence(open, shown))));
        lines.push(h("li", { class: "calm" }, t().blindWhy));
    } else if (standing.state === "never") {
        const silent = hamlet.networks.length + hamlet.links.length === 0 && hamlet.places > 0;
        lines.push(line(hamlet.places === 0 ? t().noProbe : silent ? t().probeSilent : t().noProbeNetwork));
    } else if (standing.state === "unknown") {
        lines.push(line(t().staleWhy));
    }
    return h(
        "section",
        { class: "part why", "data-part": "why", "data-state": standing.state },
        h("h3", {}, t().why[standing.state]),
        h("ul", {}, ...lines),
    );
}

function line(text: string): HTMLElement {
    return h("li", {}, capital(text));
}

function whyNetwork(state: NetworkState, shown: Shown, named: boolean): Child {
    const parts: string[] = [];
    const open = state.open_gaps[0];
    if (state.level > 0 && state.reason !== null) parts.push(because(state, shown));
    if (state.level > 0 && state.places_disagree) parts.push(t().disagree(number(state.n)));
    if (open !== undefined && state.level !== 3) {
        const proved = proofOf(open, shown);
        const where = state.places_disagree && open.probe !== null ? `${open.probe}: ` : "";
        if (proved !== "" || where !== "") parts.push(`${where}${proved === "" ? t().kind.gap : proved}`);
        parts.push(causeOf(open));
    }
    const blind = state.open_blinds[0];
    if (state.level === 0 && blind !== undefined) parts.push(blindSentence(blind, shown));
    if (parts.length === 0) return null;
    const text = parts.map(capital).join(". ");
    return h("li", { "data-network": state.network }, named && h("b", {}, `${network(state.network)}: `), `${text}.`);
}

/** Why a network has its grade; with the targets by name where attempts failed. */
function because(state: NetworkState, shown: Shown): string {
    if (state.reason === "no_answer") {
        const names = failed(shown, state.network);
        if (names.length > 0) return t().noAnswerFrom(number(names.length), names.join(", "));
    }
    return reason(state.reason ?? "served");
}

/** Targets beyond the gateway that did not answer lately, at the places that measure this network. */
function failed(shown: Shown, name: string): string[] {
    const { windows, places } = shown.detail;
    const measuring = new Set(windows.filter((one) => one.network === name).map((one) => one.place));
    const probes = new Set(places.filter((place) => measuring.has(place.id)).map((place) => place.probe));
    // By host: one that is asked in two ways is one target.
    const found = new Map<string, string>();
    for (const { probe, target } of shown.failures) {
        if (target === null || !probes.has(probe)) continue;
        if (target.tags?.some((tag) => tag === "gateway" || tag === "loudspeaker")) continue;
        const host = (target.host ?? target.name ?? "?").replace(/:\d+$/, "");
        const name = target.name ?? host;
        const known = found.get(host);
        if (known === undefined || name.length < known.length) found.set(host, name);
    }
    return [...found.values()].sort();
}

function interruptionOf(open: Open, shown: Shown): Interruption | undefined {
    return shown.detail.interruptions.find((one) => one.key === open.key);
}

function proofOf(open: Open, shown: Shown): string {
    return proof(interruptionOf(open, shown)?.proof ?? "");
}

function blindSentence(open: Open, shown: Shown): string {
    const proved = proofOf(open, shown);
    const who = open.probe === null ? "" : ` · ${open.probe}`;
    const why = `${causeOf(open)}${proved === "" ? "" : ` – ${proved}`}`;
    return `${t().kind.blind} ${sinceText(open.from_ms)}${who}. ${capital(why)}`;
}

function causeOf({ cause: name, confidence }: Open): string {
    const said = cause(name, confidence);
    return name === "unknown" ? said : t().causeIs(said);
}

function openNow({ hamlet, interruptions }: HamletDetail): HTMLElement {
    const open = interruptions.filter((one) => one.to_ms === null && one.kind !== "remote");
    const rows = open.map((one) => row(one));
    const body = rows.length > 0 ? h("ul", { class: "rows" }, ...rows) : h("p", { class: "calm" }, t().nothingOpen);
    const out = section("open", t().openNow, body);
    out.dataset["count"] = String(open.length);
    out.dataset["hamlet"] = hamlet.code;
    return out;
}

/** One interruption. */
function row(one: Interruption): HTMLElement {
    const when = one.to_ms === null ? sinceText(one.from_ms) : interval(one.from_ms, one.to_ms);
    const lasted = one.to_ms === null ? "" : ` · ${span(one.to_ms - one.from_ms)}`;
    const of = one.kind === "remote" ? (one.target?.name ?? "?") : one.network === null ? t().wholePlace : network(one.network);
    const proved = proof(one.proof);
    return h(
        "li",
        { class: `row row-${one.kind}`, "data-kind": one.kind, "data-cause": one.cause, "data-open": one.to_ms === null },
        h("div", { class: "row-title" }, h("span", { class: `tag tag-${one.kind}` }, t().kind[one.kind]), ` ${of}`),
        h("div", {}, `${when}${lasted}`, one.end_unobserved && ` · ${t().endUnobserved}`),
        h(
            "div",
            { class: "row-cause" },
            one.kind === "remote" ? "" : capital(cause(one.cause, one.confidence)),
            proved !== "" && h("span", { class: "proof" }, `${one.kind === "remote" ? "" : " – "}${proved}`),
        ),
        one.probe !== null && h("div", { class: "note" }, one.probe),
    );
}

function networks(hamlet: Hamlet, view: View): HTMLElement {
    const all = [...hamlet.networks, ...hamlet.links];
    if (all.length === 0) return section("networks", t().networks, h("p", { class: "calm" }, t().neverKnown));
    const rows = all.map((state) => {
        const blind = state.open_blinds.length > 0 || hamlet.open_blinds.length > 0;
        const shown: State = state.level === 0 && blind ? "blind" : (OF_LEVEL[state.level] ?? "unknown");
        const said = stateWord(shown, state.network, state.reason, isFixed(state.network));
        const at = state.last_known_at_ms === null ? t().neverKnown : t().lastKnown(moment(state.last_known_at_ms));
        return h(
            "li",
            { class: inView(state.network, view) ? "in-view" : "", "data-network": state.network, "data-state": shown },
            swatch(shown),
            h(
                "div",
                {},
                h("div", {}, h("b", {}, network(state.network)), ` – ${said}`),
                state.level > 0 && state.level < 3 && state.reason !== null && h("div", {}, capital(reason(state.reason))),
                h("div", { class: "note" }, at),
                state.throughput ? tempo(state.throughput) : null,
            ),
        );
    });
    return section("networks", t().networks, h("ul", { class: "networks" }, ...rows));
}

function tempo({ down_bps, up_bps, at_ms, n }: Throughput): HTMLElement {
    const text = t().speed(speed(down_bps), speed(up_bps), moment(at_ms));
    return h("div", { class: "speed", "data-throughput": down_bps ?? "" }, `${t().throughput}: ${text} · ${t().tests(number(n))}`);
}

function day({ windows, places, interruptions }: HamletDetail, view: View): HTMLElement {
    const sorted = [...windows].sort((a, b) => Number(inView(b.network, view)) - Number(inView(a.network, view)));
    const strips = sorted.map((series) => {
        const probe = places.find((place) => place.id === series.place)?.probe ?? "?";
        const blinds = interruptions.filter(
            (one) =>
                one.kind === "blind" &&
                one.place.id === series.place &&
                (one.network === null || one.network === series.network),
        );
        return timeline(series, probe, blinds, nowMs());
    });
    const body = strips.length > 0 ? [...strips, h("p", { class: "note" }, t().dayHint)] : [h("p", { class: "calm" }, t().dayNone)];
    return section("day", t().day, ...body);
}

function month({ interruptions }: HamletDetail): HTMLElement {
    const gaps = interruptions.filter((one) => one.kind === "gap");
    const blinds = interruptions.filter((one) => one.kind === "blind");
    const sum = (all: Interruption[], of: (one: Interruption) => number) => all.reduce((total, one) => total + of(one), 0);
    const totals: string[] = [];
    if (gaps.length > 0) {
        const [proved, upper] = [sum(gaps, (one) => one.observed_dead_s), sum(gaps, (one) => one.upper_s)];
        totals.push(t().monthGaps(number(gaps.length), span(proved * 1_000), span(upper * 1_000)));
    }
    if (blinds.length > 0) {
        totals.push(t().monthBlinds(number(blinds.length), span(sum(blinds, (one) => one.upper_s) * 1_000)));
    }
    const past = interruptions.filter((one) => one.to_ms !== null || one.kind === "remote");
    const [first, rest] = [past.slice(0, FIRST), past.slice(FIRST)];
    const out = section(
        "month",
        t().month,
        h("p", { class: "calm" }, totals.length > 0 ? capital(`${totals.join("; ")}.`) : t().monthNone),
        first.length > 0 && h("ul", { class: "rows" }, ...first.map(row)),
        rest.length > 0 &&
            h(
                "details",
                { "data-key": "month-more" },
                h("summary", { "data-key": "month-more-summary" }, t().more(number(rest.length))),
                h("ul", { class: "rows" }, ...rest.map(row)),
            ),
    );
    out.dataset["count"] = String(interruptions.length);
    return out;
}

function probes({ detail, probes }: Shown): HTMLElement {
    const rows = detail.places.map((place) => {
        const found = probes.find((one) => one.probe.id === place.probe);
        const contact = found?.probe.last_contact_ms ?? null;
        const facts: string[] = [];
        const late = found?.delivery_delay_max_ms ?? 0;
        if (place.supply !== null) facts.push(t().supply(place.supply));
        if (late >= 10 * 60_000) facts.push(t().late(span(late)));
        if ((found?.probe.missing ?? 0) > 0) facts.push(t().missing(number(found?.probe.missing ?? 0)));
        if (found?.clock?.at_state === "uncertain") facts.push(t().clockUncertain);
        if (found?.probe.clone_suspected_ms != null) facts.push(t().clone);
        return h(
            "li",
            { "data-probe": place.probe, "data-contact": contact ?? "" },
            h("b", {}, place.probe),
            place.label !== null && ` · ${place.label}`,
            found !== undefined &&
                h("div", {}, contact === null ? t().contactNever : t().contact(moment(contact), span(nowMs() - contact))),
            facts.length > 0 && h("div", { class: "note" }, facts.join(" · ")),
        );
    });
    const body = rows.length > 0 ? h("ul", { class: "probes" }, ...rows) : h("p", { class: "calm" }, t().noProbe);
    return section("probes", t().probes, body);
}

