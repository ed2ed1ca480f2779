// Outlines: circles for hamlets that are points, a place for the label, what surrounds all. Pure.

import type { Geometry, Position } from "./answers";

type Outline = Extract<Geometry, { type: "Polygon" | "MultiPolygon" }>;
export type Point = [number, number];
export type Box = [number, number, number, number];

/** How far a hamlet is drawn that does not say how far it reaches. */
const RADIUS_M = 300;
const METRES_A_DEGREE = 111_320;
const CORNERS = 48;
/** Cells a side in which points inside are looked for; for a label alone fewer will do. */
const GRID = 15;
const LABEL_GRID = 9;

/** The geometry as an area: a point becomes a circle. */
export function area(geometry: Geometry, radiusM: number | null): Outline {
    if (geometry.type !== "Point") return geometry;
    const [lon, lat] = geometry.coordinates;
    const dLat = (radiusM ?? RADIUS_M) / METRES_A_DEGREE;
    const dLon = dLat / Math.max(0.01, Math.cos((lat * Math.PI) / 180));
    const ring: Position[] = [];
    for (let corner = 0; corner <= CORNERS; corner += 1) {
        const angle = (2 * Math.PI * (corner % CORNERS)) / CORNERS;
        ring.push([lon + dLon * Math.cos(angle), lat + dLat * Math.sin(angle)]);
    }
    return { type: "Polygon", coordinates: [ring] };
}

function polygons(outline: Outline): Position[][][] {
    return outline.type === "Polygon" ? [outline.coordinates] : outline.coordinates;
}

export function box(outline: Outline): Box {
    const all: Box = [Infinity, Infinity, -Infinity, -Infinity];
    for (const ring of polygons(outline).flat()) {
        for (const [lon, lat] of ring) {
            all[0] = Math.min(all[0], lon);
            all[1] = Math.min(all[1], lat);
            all[2] = Math.max(all[2], lon);
            all[3] = Math.max(all[3], lat);
        }
    }
    return all;
}

export function around(boxes: Box[]): Box | null {
    const finite = boxes.filter((one) => one.every(Number.isFinite));
    if (finite.length === 0) return null;
    const join = (a: Box, b: Box): Box => [
        Math.min(a[0], b[0]),
        Math.min(a[1], b[1]),
        Math.max(a[2], b[2]),
        Math.max(a[3], b[3]),
    ];
    return finite.reduce(join);
}

/** Even-odd over all rings, so holes and parts are right. */
export function inside(outline: Outline, [x, y]: Point): boolean {
    let odd = false;
    for (const ring of polygons(outline).flat()) {
        for (let at = 0, before = ring.length - 1; at < ring.length; before = at, at += 1) {
            const [x1, y1] = ring[at] as Position;
            const [x2, y2] = ring[before] as Position;
            if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) odd = !odd;
        }
    }
    return odd;
}

function distance2(outline: Outline, [x, y]: Point): number {
    let least = Infinity;
    for (const ring of polygons(outline).flat()) {
        for (let at = 1; at < ring.length; at += 1) {
            const [x1, y1] = ring[at - 1] as Position;
            const [x2, y2] = ring[at] as Position;
            const [dx, dy] = [x2 - x1, y2 - y1];
            const along = dx === 0 && dy === 0 ? 0 : ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy);
            const t = Math.min(1, Math.max(0, along));
            least = Math.min(least, (x - x1 - t * dx) ** 2 + (y - y1 - t * dy) ** 2);
        }
    }
    return least;
}

/** Points inside, farthest from the edge first: the first one takes the label. */
export function innards(outline: Outline, grid = GRID): Point[] {
    const [west, south, east, north] = box(outline);
    const found: { point: Point; distance: number }[] = [];
    for (let i = 0; i < grid; i += 1) {
        for (let j = 0; j < grid; j += 1) {
            const point: Point = [
                west + ((i + 0.5) / grid) * (east - west),
                south + ((j + 0.5) / grid) * (north - south),
            ];
            if (inside(outline, point)) found.push({ point, distance: distance2(outline, point) });
        }
    }
    found.sort((a, b) => b.distance - a.distance);
    return found.map((one) => one.point);
}

/** Where the label stands. */
export function middle(outline: Outline): Point {
    const [west, south, east, north] = box(outline);
    return innards(outline, LABEL_GRID)[0] ?? [(west + east) / 2, (south + north) / 2];
}
