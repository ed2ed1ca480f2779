// The map: our own polygons on a plain ground, with MapLibre, and nothing from anywhere else.
//
// In: hamlets with their states. Out: which one was clicked; whether it could be drawn at all. Refuses to know the API.

import "maplibre-gl/dist/maplibre-gl.css";
import {
    type GeoJSONSource,
    Map as GlMap,
    type MapLayerMouseEvent,
    NavigationControl,
    ScaleControl,
    setWorkerCount,
    setWorkerUrl,
} from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import type { Geometry, Place } from "./answers";
import { type Entry, STATES, type State } from "./model";
import { label, PAINTS, pattern, sign } from "./paint";
import { area, around, type Box, box, innards, middle, type Point } from "./shape";

/** Why there is no map. */
export type MapTrouble = "webgl" | "silent";

export interface MapEvents {
    chosen(code: string | null): void;
    /** The hamlets are painted for the first time. */
    painted(): void;
    /** Also when it comes too late; `painted` may still follow. */
    failed(why: MapTrouble): void;
}

/** Data that is not painted after this long: something keeps the map from drawing. */
const PATIENCE_MS = 8_000;
/** Above so many hamlets names come only when one looks closer. */
const ALL_NAMES = 400;
const NAMES_ZOOM = 11;
const EMPTY = { type: "FeatureCollection" as const, features: [] };
const PADDING = 36;
/** A map as wide as a phone has smaller names. */
const NARROW = 560;

interface Outline {
    outline: Exclude<Geometry, { type: "Point" }>;
    box: Box;
    middle: Point;
}

export class HamletMap {
    private readonly map: GlMap;
    private readonly ratio = Math.min(3, Math.max(1, Math.ceil(devicePixelRatio)));
    /** By code; made anew only where the geometry is another. */
    private outlines = new Map<string, { source: string; made: Outline }>();
    private names = new Map<string, string>();
    private entries: Entry[] = [];
    private chosen: string | null = null;
    private probes: Place[] = [];
    private drawn = "";
    private framed = false;
    /** Somebody moved it: then it stays where it is. */
    private moved = false;
    private ready = false;
    private painted = false;
    private patience: ReturnType<typeof setTimeout> | undefined;

    /** Throws where WebGL 2 is missing. */
    constructor(
        private readonly container: HTMLElement,
        private readonly events: MapEvents,
    ) {
        setWorkerUrl(workerUrl);
        // A few hundred polygons; each worker more would read half a megabyte of script.
        setWorkerCount(1);
        this.map = new GlMap({
            container,
            style: {
                version: 8,
                sources: {},
                layers: [{ id: "ground", type: "background", paint: { "background-color": "#fbfbf8" } }],
            },
            center: [105.8, 21.6],
            zoom: 8,
            attributionControl: false,
            dragRotate: false,
            pitchWithRotate: false,
            touchPitch: false,
            fadeDuration: 0,
            validateStyle: false,
        });
        this.map.touchZoomRotate.disableRotation();
        this.map.addControl(new NavigationControl({ showCompass: false }), "top-left");
        this.map.addControl(new ScaleControl({ maxWidth: 90 }), "bottom-left");
        this.map.once("style.load", () => this.prepare());
        this.map.on("render", () => this.seen());
        // MapLibre tells of trouble only here; what it means shows in whether anything is painted.
        this.map.on("error", () => {});
        // Tests ask where a hamlet lies on the screen.
        Object.assign(window, { __map: { inside: (code: string) => this.inside(code) } });
    }

    show(entries: Entry[]): void {
        this.entries = entries;
        if (!this.painted) {
            clearTimeout(this.patience);
            this.patience = setTimeout(() => this.events.failed("silent"), PATIENCE_MS);
        }
        if (this.ready) this.draw();
    }

    /** Marks a hamlet and its probes, and brings it into view. */
    choose(code: string | null, probes: Place[]): void {
        const moved = code !== this.chosen;
        this.chosen = code;
        this.probes = probes;
        if (!this.ready) return;
        this.mark();
        if (moved) this.bringIntoView();
    }

    resize(): void {
        const { clientWidth, clientHeight } = this.map.getCanvas();
        this.map.resize();
        const canvas = this.map.getCanvas();
        if (canvas.clientWidth === clientWidth && canvas.clientHeight === clientHeight) return;
        if (this.framed && !this.moved) this.frame();
    }

    relabel(texts: { help: string; zoomIn: string; zoomOut: string }): void {
        this.map.getCanvas().setAttribute("aria-label", texts.help);
        for (const [name, text] of [
            ["in", texts.zoomIn],
            ["out", texts.zoomOut],
        ]) {
            const button = this.container.querySelector(`.maplibregl-ctrl-zoom-${name}`);
            button?.setAttribute("aria-label", text ?? "");
            button?.setAttribute("title", text ?? "");
        }
    }

    private prepare(): void {
        const { map } = this;
        for (const state of STATES) {
            map.addImage(`area-${state}`, pattern(state, this.ratio), { pixelRatio: this.ratio });
            map.addImage(`sign-${state}`, sign(state, this.ratio), { pixelRatio: this.ratio });
        }
        map.setMissingStyleImageResolver((id) => this.picture(id));
        map.addSource("hamlets", { type: "geojson", data: EMPTY, promoteId: "code" });
        map.addSource("names", { type: "geojson", data: EMPTY });
        map.addSource("probes", { type: "geojson", data: EMPTY });
        map.addLayer({
            id: "areas",
            type: "fill",
            source: "hamlets",
            paint: { "fill-pattern": ["concat", "area-", ["get", "state"]] },
        });
        const ink = ["match", ["get", "state"], ...STATES.flatMap((state) => [state, PAINTS[state].ink]), "#888"];
        map.addLayer({
            id: "edges",
            type: "line",
            source: "hamlets",
            layout: { "line-join": "round" },
            paint: { "line-color": ink as never, "line-width": 1.4, "line-opacity": 0.9 },
        });
        map.addLayer({
            id: "chosen",
            type: "line",
            source: "hamlets",
            filter: ["==", ["get", "code"], ""],
            layout: { "line-join": "round" },
            paint: { "line-color": "#0b3a4a", "line-width": 4 },
        });
        map.addLayer({
            id: "probes",
            type: "circle",
            source: "probes",
            paint: {
                "circle-radius": 5,
                "circle-color": "#0b3a4a",
                "circle-stroke-color": "#fff",
                "circle-stroke-width": 2,
            },
        });
        // Names go before signs: a sign alone is what is left of a name that finds no room.
        for (const [id, icon] of [
            ["signs", ["concat", "sign-", ["get", "state"]]],
            ["names", ["get", "icon"]],
        ] as const) {
            map.addLayer({
                id,
                type: "symbol",
                source: "names",
                layout: {
                    "icon-image": icon as never,
                    "symbol-sort-key": ["get", "order"],
                    "icon-padding": 1,
                },
            });
        }
        this.listen();
        this.ready = true;
        this.draw();
        this.mark();
    }

    private listen(): void {
        const { map } = this;
        const layers = ["areas", "names", "signs"];
        map.on("movestart", (event) => {
            if ("originalEvent" in event && event.originalEvent !== undefined) this.moved = true;
        });
        map.on("click", (event) => {
            const [hit] = map.queryRenderedFeatures(event.point, { layers });
            this.events.chosen(typeof hit?.properties["code"] === "string" ? hit.properties["code"] : null);
        });
        const cursor = (name: string) => (_: MapLayerMouseEvent) => {
            map.getCanvas().style.cursor = name;
        };
        map.on("mousemove", layers, cursor("pointer"));
        map.on("mouseleave", layers, cursor(""));
    }

    private draw(): void {
        const { entries } = this;
        // Most answers say what the one before said; then nothing is to be done.
        const looks = JSON.stringify(entries.map(({ feature, standing }) => [feature, standing.state]));
        if (looks === this.drawn) return;
        this.drawn = looks;
        const areas = [];
        const names = [];
        this.names.clear();
        for (const [order, entry] of entries.entries()) {
            const outline = this.outline(entry);
            if (outline === null) continue;
            const { code, name } = entry.feature.properties;
            const { state } = entry.standing;
            const icon = `name-${state}-${code}`;
            this.names.set(icon, name);
            areas.push({ type: "Feature" as const, geometry: outline.outline, properties: { code, state } });
            const at = { type: "Point" as const, coordinates: outline.middle };
            names.push({ type: "Feature" as const, geometry: at, properties: { code, state, icon, order } });
        }
        this.map.setLayerZoomRange("names", names.length > ALL_NAMES ? NAMES_ZOOM : 0, 24);
        this.source("hamlets").setData({ type: "FeatureCollection", features: areas });
        this.source("names").setData({ type: "FeatureCollection", features: names });
        if (areas.length === 0) {
            // Nothing to paint is no failure.
            clearTimeout(this.patience);
            return;
        }
        if (!this.framed) this.frame();
    }

    /** The first frame with all hamlets in it. */
    private seen(): void {
        if (this.painted || !this.framed || !this.map.areTilesLoaded()) return;
        if (this.map.queryRenderedFeatures({ layers: ["areas"] }).length === 0) return;
        this.painted = true;
        clearTimeout(this.patience);
        this.events.painted();
    }

    private frame(): void {
        const bounds = around(this.entries.map((entry) => this.outline(entry)?.box).filter((one) => one !== undefined));
        if (bounds === null) return;
        this.framed = true;
        this.map.fitBounds(bounds, { padding: PADDING, animate: false, maxZoom: 15 });
        if (this.chosen !== null) this.bringIntoView();
    }

    private mark(): void {
        this.map.setFilter("chosen", ["==", ["get", "code"], this.chosen ?? ""]);
        const features = this.probes.map((place) => ({
            type: "Feature" as const,
            geometry: { type: "Point" as const, coordinates: [place.lon, place.lat] },
            properties: {},
        }));
        this.source("probes").setData({ type: "FeatureCollection", features });
    }

    private bringIntoView(): void {
        const entry = this.entries.find((entry) => entry.feature.id === this.chosen);
        const outline = entry === undefined ? null : this.outline(entry);
        if (outline === null || this.map.getBounds().contains(outline.middle)) return;
        this.map.easeTo({ center: outline.middle, duration: 400 });
    }

    private source(id: string): GeoJSONSource {
        return this.map.getSource<GeoJSONSource>(id) as GeoJSONSource;
    }

    private picture(id: string): void {
        const name = this.names.get(id);
        const state = STATES.find((state) => id.startsWith(`name-${state}-`));
        if (name === undefined || state === undefined || this.map.hasImage(id)) return;
        const small = this.container.clientWidth < NARROW;
        this.map.addImage(id, label(name, state satisfies State, this.ratio, small), { pixelRatio: this.ratio });
    }

    private outline({ feature }: Entry): Outline | null {
        if (feature.geometry === null) return null;
        const source = JSON.stringify([feature.geometry, feature.properties.radius_m]);
        const known = this.outlines.get(feature.id);
        if (known?.source === source) return known.made;
        const outline = area(feature.geometry, feature.properties.radius_m);
        const made = { outline, box: box(outline), middle: middle(outline) };
        this.outlines.set(feature.id, { source, made });
        return made;
    }

    /** Points inside a hamlet, in pixels of the window, those farthest from its edge first. */
    private inside(code: string): [number, number][] {
        const entry = this.entries.find((entry) => entry.feature.id === code);
        const outline = entry === undefined ? null : this.outline(entry);
        if (outline === null || !this.painted) return [];
        const frame = this.map.getCanvas().getBoundingClientRect();
        return innards(outline.outline).map((point) => {
            const at = this.map.project(point);
            return [frame.left + at.x, frame.top + at.y];
        });
    }
}
