// The page: asks, shows, listens. All state that is not on the screen stands in `Page`.

import "./style.css";
import { type Address, read, write } from "./address";
import type { HamletDetail, HamletFeature, HamletMap as Answer, Observation, Page as List, ProbeDetail } from "./answers";
import { chooser, legend, list } from "./aside";
import { ask, AskError, nowMs, type Trouble } from "./ask";
import { h, replace } from "./dom";
import { type Hearing, listen } from "./live";
import type { HamletMap, MapTrouble } from "./map";
import { type Entry, entries, parseView, standing, type View, viewByDefault } from "./model";
import { panel, type Shown } from "./panel";
import { capital, moment } from "./say";
import { type Lang, setLanguage, t } from "./text";
import { askToken } from "./token";

/** States change by time alone, too. */
const REFRESH_MS = 60_000;
/** What was asked longer ago is not shown as the present. */
const STALE_MS = 90_000;
/** Changes come in bursts; one question answers them all. */
const GATHER_MS = 300;
/** Probes of one hamlet that are asked for one by one. */
const PROBES = 8;
const RECENT_MS = 15 * 60_000;

class Page {
    private address: Address = read();
    private features: HamletFeature[] = [];
    private shownEntries: Entry[] = [];
    /** When the collector was last asked with success; null: never. */
    private asOfMs: number | null = null;
    private trouble: Trouble | null = null;
    private hearing: Hearing = "connecting";
    private deafSinceMs: number | null = null;
    private search = "";
    private shown: Shown | null = null;
    private gone = false;
    private map: HamletMap | null = null;
    private mapTrouble: MapTrouble | null = null;
    private gathering: ReturnType<typeof setTimeout> | undefined;
    private asking = false;
    private askAgain = false;
    private readonly stream: { again(): void };

    private readonly status = h("p", { class: "status", role: "status", "data-status": "connecting" });
    private readonly banner = h("div", { class: "banner", role: "alert", hidden: true });
    private readonly choice = h("div", { class: "choice" });
    private readonly legend = h("div", { class: "legend", "data-legend": true });
    private readonly list = h("div", { class: "list", "data-list": true });
    private readonly mapBox = h("div", { class: "map", role: "region", "data-map": "loading" });
    private readonly mapError = h("p", { class: "map-error", role: "alert", hidden: true });
    private readonly panelBox = h("aside", { class: "panel", hidden: true });
    private readonly searchBox = h("input", { id: "search", type: "search", autocomplete: "off" });
    private readonly frame = h("div", { class: "frame" });

    constructor(private readonly root: HTMLElement) {
        setLanguage(this.address.lang);
        this.searchBox.addEventListener("input", () => {
            this.search = this.searchBox.value;
            this.drawList();
        });
        document.addEventListener("keydown", (event) => {
            if (event.key === "Escape" && this.address.hamlet !== null) this.choose(null);
        });
        addEventListener("hashchange", () => this.follow(read()));
        document.addEventListener("visibilitychange", () => {
            if (document.visibilityState === "visible") this.wake();
        });
        setInterval(() => this.soon(0), REFRESH_MS);
        setInterval(() => this.drawStatus(), 1_000);
        this.build();
        this.soon(0);
        this.stream = listen({
            changed: () => this.soon(GATHER_MS),
            hearing: (state, trouble) => this.hear(state, trouble),
        });
        void this.loadMap();
    }

    /** The texts and boxes that do not depend on what is measured. */
    private build(): void {
        const other: Lang = this.address.lang === "vi" ? "en" : "vi";
        document.title = `${t().title} – ${t().subtitle}`;
        this.mapBox.setAttribute("aria-label", t().mapLabel);
        this.searchBox.placeholder = t().searchHint;
        const header = h(
            "header",
            { class: "top" },
            h("div", { class: "brand" }, h("h1", {}, t().title), h("p", {}, t().subtitle)),
            this.status,
            h(
                "button",
                {
                    type: "button",
                    class: "language",
                    lang: other,
                    "data-key": "language",
                    "data-language": other,
                    click: () => this.follow({ ...this.address, lang: other }),
                },
                t().otherLanguage,
            ),
        );
        const side = h(
            "div",
            { class: "side" },
            this.choice,
            this.legend,
            h("h2", { class: "quiet", id: "hamlets" }, t().hamlets),
            h("label", { for: "search", class: "hidden" }, t().search),
            this.searchBox,
            this.list,
        );
        replace(this.frame, side, h("div", { class: "map-frame" }, this.mapBox, this.mapError), this.panelBox);
        replace(this.root, header, this.banner, h("main", {}, this.frame));
        this.map?.relabel({ help: t().mapHelp, zoomIn: t().zoomIn, zoomOut: t().zoomOut });
    }

    private async loadMap(): Promise<void> {
        try {
            const { HamletMap } = await import("./map");
            this.map = new HamletMap(this.mapBox, {
                chosen: (code) => this.choose(code),
                painted: () => {
                    this.mapTrouble = null;
                    this.mapBox.dataset["map"] = "painted";
                    performance.mark("first-view");
                    this.drawMapError();
                },
                failed: (why) => this.failMap(why),
            });
        } catch {
            this.failMap("webgl");
            return;
        }
        this.map.relabel({ help: t().mapHelp, zoomIn: t().zoomIn, zoomOut: t().zoomOut });
        if (this.asOfMs !== null) this.map.show(this.shownEntries);
        this.map.choose(this.address.hamlet, this.shown?.detail.places ?? []);
    }

    private failMap(why: MapTrouble): void {
        this.mapTrouble = why;
        this.mapBox.dataset["map"] = "failed";
        this.drawMapError();
    }

    private drawMapError(): void {
        const why = this.mapTrouble;
        this.mapError.hidden = why === null;
        this.mapError.textContent = why === null ? "" : why === "webgl" ? t().mapFailedNoWebgl : t().mapFailed;
    }

    // Asking.

    private soon(afterMs: number): void {
        clearTimeout(this.gathering);
        this.gathering = setTimeout(() => void this.refresh(), afterMs);
    }

    private wake(): void {
        this.drawStatus();
        this.soon(0);
        if (this.hearing !== "live") this.stream.again();
    }

    /** Asks for the map and the open hamlet; one question at a time. */
    private async refresh(): Promise<void> {
        if (this.asking) {
            this.askAgain = true;
            return;
        }
        this.asking = true;
        const area = this.address.area;
        try {
            const path = "/api/v1/map/hamlets.geojson";
            const answer = await ask<Answer>(area === null ? path : `${path}?area=${encodeURIComponent(area)}`);
            if (area === this.address.area) {
                this.features = answer.features;
                this.asOfMs = nowMs();
                this.trouble = null;
            }
        } catch (error) {
            this.fail(error);
        }
        this.draw();
        await this.refreshPanel();
        this.asking = false;
        if (this.askAgain) {
            this.askAgain = false;
            this.soon(0);
        }
    }

    private async refreshPanel(): Promise<void> {
        const code = this.address.hamlet;
        if (code === null || this.trouble !== null) return;
        try {
            const detail = await ask<HamletDetail>(`/api/v1/hamlets/${encodeURIComponent(code)}`);
            if (code !== this.address.hamlet) return;
            // What is known already is shown before the rest is asked for.
            if (this.shown?.detail.hamlet.code !== code) {
                this.shown = { detail, probes: [], failures: [] };
                this.drawPanel();
            }
            const probes = await this.probesOf(detail);
            const failures = await this.failuresOf(detail);
            if (code !== this.address.hamlet) return;
            this.shown = { detail, probes, failures };
            this.gone = false;
        } catch (error) {
            if (code !== this.address.hamlet) return;
            if (error instanceof AskError && error.trouble.kind === "problem" && error.trouble.status === 404) {
                this.gone = true;
                this.shown = null;
            } else this.fail(error);
        }
        this.drawPanel();
        this.map?.choose(this.address.hamlet, this.shown?.detail.places ?? []);
    }

    private async probesOf({ places }: HamletDetail): Promise<ProbeDetail[]> {
        const names = [...new Set(places.map((place) => place.probe))].slice(0, PROBES);
        return Promise.all(names.map((name) => ask<ProbeDetail>(`/api/v1/probes/${encodeURIComponent(name)}`)));
    }

    /** What failed lately, where a network is dead: which targets did not answer. */
    private async failuresOf({ hamlet, places }: HamletDetail): Promise<Observation[]> {
        if (![...hamlet.networks, ...hamlet.links].some((state) => state.level === 1)) return [];
        const from = encodeURIComponent(new Date(nowMs() - RECENT_MS).toISOString());
        const names = [...new Set(places.map((place) => place.probe))].slice(0, PROBES);
        const pages = names.map((name) => {
            const of = `probe=${encodeURIComponent(name)}&kind=failure&from=${from}&limit=200`;
            return ask<List<Observation>>(`/api/v1/observations?${of}`);
        });
        return (await Promise.all(pages)).flatMap((page) => page.items);
    }

    private fail(error: unknown): void {
        this.trouble = error instanceof AskError ? error.trouble : { kind: "unreachable" };
        if (this.trouble.kind === "token") {
            askToken(this.trouble.given, () => {
                this.soon(0);
                this.stream.again();
            });
        }
    }

    private hear(state: Hearing, trouble: Trouble | null): void {
        const before = this.hearing;
        this.hearing = state;
        if (state === "live") this.deafSinceMs = null;
        else if (state === "deaf") {
            this.deafSinceMs ??= nowMs();
            // Whether anybody answers at all shows at once, not in a minute.
            if (before === "live" && trouble?.kind === "unreachable") this.soon(0);
        }
        this.drawStatus();
    }

    // Choosing.

    private choose(code: string | null): void {
        const before = this.address.hamlet;
        if (code === before) return;
        this.address.hamlet = code;
        write(this.address);
        this.shown = null;
        this.gone = false;
        this.drawList();
        this.drawPanel();
        this.map?.choose(code, []);
        if (code === null) {
            if (before !== null) this.list.querySelector<HTMLElement>(`[data-hamlet="${CSS.escape(before)}"]`)?.focus({ preventScroll: true });
            return;
        }
        this.panelBox.scrollTop = 0;
        this.panelBox.querySelector<HTMLElement>("[data-key=close]")?.focus({ preventScroll: true });
        void this.refreshPanel();
    }

    /** Goes where a link says. */
    private follow(to: Address): void {
        const { area, hamlet } = this.address;
        this.address = { ...to };
        setLanguage(to.lang);
        write(this.address);
        if (hamlet !== to.hamlet) this.shown = null;
        this.build();
        this.draw();
        this.drawPanel();
        this.drawMapError();
        if (area !== to.area || hamlet !== to.hamlet) this.soon(0);
    }

    private view(): View {
        return this.address.view ?? viewByDefault(this.features);
    }

    // Showing.

    private draw(): void {
        const view = this.view();
        this.shownEntries = entries(this.features, view);
        this.drawStatus();
        if (this.asOfMs === null) {
            this.drawEmpty();
            return;
        }
        chooser(this.choice, this.features, view, this.address.view === null, (written) => {
            this.follow({ ...this.address, view: parseView(written) });
        });
        legend(this.legend, this.shownEntries, view);
        this.drawList();
        this.map?.show(this.shownEntries);
    }

    private drawEmpty(): void {
        const text = this.trouble === null ? t().loading : this.trouble.kind === "unreachable" ? t().offlineEmpty : "";
        replace(this.list, text !== "" && h("p", { class: "calm" }, text));
    }

    private drawList(): void {
        if (this.asOfMs === null) return;
        const state = { entries: this.shownEntries, view: this.view(), search: this.search, chosen: this.address.hamlet };
        list(this.list, state, (code) => this.choose(code));
    }

    private drawPanel(): void {
        const code = this.address.hamlet;
        this.panelBox.hidden = code === null;
        this.frame.classList.toggle("with-panel", code !== null);
        this.map?.resize();
        if (code === null) {
            replace(this.panelBox);
            delete this.panelBox.dataset["panel"];
            return;
        }
        const close = h(
            "button",
            { type: "button", class: "close", "data-key": "close", "aria-label": t().close, click: () => this.choose(null) },
            "✕",
        );
        const view = this.view();
        const feature = this.features.find((feature) => feature.id === code);
        const whole = this.shown !== null && feature !== undefined;
        const body = whole
            ? panel(this.shown as Shown, standing((feature as HamletFeature).properties, view), view)
            : [h("p", { class: "calm" }, this.gone ? t().notFound : t().loading)];
        replace(this.panelBox, close, ...body);
        this.panelBox.dataset["panel"] = code;
        this.panelBox.dataset["ready"] = String(whole);
        this.panelBox.setAttribute("aria-label", feature?.properties.name ?? code);
    }

    /** Live, or how old what is shown is. */
    private drawStatus(): void {
        const now = nowMs();
        const late = this.asOfMs !== null && now - this.asOfMs > STALE_MS;
        const cut = this.trouble?.kind === "unreachable" || (this.hearing === "deaf" && late);
        const stale = this.asOfMs !== null && (late || this.trouble !== null);
        const at = this.asOfMs === null ? "" : moment(this.asOfMs);
        const state = stale || cut ? "offline" : this.asOfMs === null ? "connecting" : this.hearing === "live" ? "live" : "polling";
        const texts = { offline: t().offline, connecting: t().connecting, live: t().live(at), polling: t().eachMinute(at) };
        if (this.status.textContent !== texts[state]) this.status.textContent = texts[state];
        this.status.dataset["status"] = state;
        document.documentElement.dataset["stale"] = String(stale);
        this.drawBanner(stale, at);
    }

    private drawBanner(stale: boolean, at: string): void {
        const { trouble } = this;
        let text = "";
        if (trouble?.kind === "problem") {
            text = trouble.parameter === "area" ? t().troubleArea : t().troubleAt(trouble.detail);
        } else if (stale && trouble?.kind !== "token") {
            text = t().offlineSince(moment(this.deafSinceMs ?? this.asOfMs ?? nowMs()), at);
        } else if (trouble?.kind === "unreachable") text = t().offlineEmpty;
        if (this.banner.dataset["text"] === text) return;
        this.banner.dataset["text"] = text;
        this.banner.hidden = text === "";
        const retry = h("button", { type: "button", "data-key": "retry", click: () => this.wake() }, t().retry);
        replace(this.banner, h("span", {}, capital(text)), trouble?.kind === "problem" && trouble.parameter === "area" ? this.areas() : retry);
    }

    /** A choice of the areas that hold hamlets, where one map cannot take them all. */
    private areas(): HTMLElement {
        const select = h("select", {
            "aria-label": t().area,
            change: () => this.follow({ ...this.address, area: select.value === "" ? null : select.value }),
        });
        select.append(h("option", { value: "" }, t().area));
        void ask<List<{ code: string; name: string; label: string; leaf: boolean }>>("/api/v1/areas?limit=1000")
            .then(({ items }) => {
                const inner = items.filter((item) => !item.leaf);
                select.append(...inner.map(({ code, name, label }) => h("option", { value: code }, `${capital(label)} ${name}`)));
            })
            .catch(() => {});
        return select;
    }
}

const root = document.getElementById("app");
if (root !== null) new Page(root);
