// What stands beside the map: the legend with counts, the choice of the network, the list of hamlets.

import type { HamletFeature } from "./answers";
import { nowMs } from "./ask";
import { h, replace } from "./dom";
import { count, type Entry, networks, plain, STATES, type State, type View, viewByDefault, writeView } from "./model";
import { isFixed } from "./model";
import { capital, network, number, span, stateWord } from "./say";
import { swatch } from "./swatch";
import { t } from "./text";

export function fixedView(view: View): boolean {
    return view.kind === "fixed" || (view.kind === "one" && isFixed(view.network));
}

export function legend(container: HTMLElement, entries: Entry[], view: View): void {
    const counts = count(entries);
    // States that are rare by nature are told only where there are some.
    const shown = STATES.filter((state) => state !== "unknown" || counts.unknown > 0);
    const rows = shown.map((state: State) =>
        h(
            "li",
            { "data-state": state, "data-count": counts[state], title: capital(t().stateMeaning[state]) },
            swatch(state),
            h("span", { class: "legend-word" }, stateWord(state, null, null, fixedView(view))),
            h("span", { class: "legend-count" }, number(counts[state])),
        ),
    );
    replace(container, h("h2", { class: "quiet" }, t().legend), h("ul", {}, ...rows));
}

/** The options follow what is measured; `chosen` is told by its written form. */
export function chooser(
    container: HTMLElement,
    features: HamletFeature[],
    view: View,
    byDefault: boolean,
    chosen: (written: string) => void,
): void {
    const { mobile, fixed } = networks(features);
    const current = writeView(view);
    const option = (value: string, text: string) => h("option", { value, selected: value === current }, text);
    const named = [...mobile, ...fixed];
    if (view.kind === "one" && !named.includes(view.network)) named.push(view.network);
    const select = h(
        "select",
        {
            id: "network",
            "data-key": "network",
            change: (event) => chosen((event.target as HTMLSelectElement).value),
        },
        option("mobile", t().viewMobile),
        ...named.filter((name) => !isFixed(name)).map((name) => option(name, network(name))),
        fixed.length > 0 && option("fixed", t().viewFixed),
        ...named.filter(isFixed).map((name) => option(name, network(name))),
    );
    const note = byDefault && viewByDefault(features).kind === "fixed" && h("p", { class: "note" }, t().onlyFixed);
    replace(container, h("label", { for: "network" }, t().network), select, note);
    container.dataset["view"] = current;
}

/** Hamlets that the list shows at once: the worst ones, or those that were searched for. */
const SHOWN = 300;

export interface ListState {
    entries: Entry[];
    view: View;
    search: string;
    chosen: string | null;
}

export function list(container: HTMLElement, state: ListState, choose: (code: string) => void): void {
    const wanted = plain(state.search.trim());
    const found = state.entries.filter(({ feature: { properties } }) => {
        return wanted === "" || plain(`${properties.label} ${properties.name} ${properties.code}`).includes(wanted);
    });
    const rows = found.slice(0, SHOWN).map((entry) => item(entry, state, choose));
    const none = state.entries.length === 0 ? t().noHamlets : t().noMatch;
    const rest = found.length - rows.length;
    replace(
        container,
        rows.length > 0 ? h("ul", {}, ...rows) : h("p", { class: "calm" }, none),
        rest > 0 && h("p", { class: "note" }, t().moreHamlets(number(rest))),
    );
    container.dataset["count"] = String(found.length);
}

function item({ feature, standing }: Entry, { chosen, view }: ListState, choose: (code: string) => void): HTMLElement {
    const { code, name } = feature.properties;
    const { state, mark, sinceMs } = standing;
    const said = stateWord(state, mark?.network ?? null, mark?.reason ?? null, fixedView(view));
    const of = view.kind !== "one" && mark !== null ? ` · ${network(mark.network)}` : "";
    const since = sinceMs === null ? "" : ` · ${span(nowMs() - sinceMs)}`;
    const off = feature.geometry === null ? ` · ${t().notOnMap}` : "";
    return h(
        "li",
        {},
        h(
            "button",
            {
                type: "button",
                "data-key": `hamlet-${code}`,
                "data-hamlet": code,
                "data-state": state,
                "aria-current": code === chosen ? "true" : false,
                click: () => choose(code),
            },
            swatch(state),
            h("span", { class: "item-name" }, name),
            h("span", { class: "item-state" }, `${said}${of}${since}${off}`),
        ),
    );
}
