// The colours and patterns of the states, the same on the map, in the legend, the list and the timeline; labels as pictures.
//
// The colours differ in lightness and not in hue alone, each state has a pattern on the map and a sign of its own, so
// that nobody has to tell red from green.

import type { State } from "./model";

export interface Paint {
    /** What most of the area is. */
    fill: string;
    /** The pattern over it, the outline, and the sign. */
    ink: string;
}

export const PAINTS: Record<State, Paint> = {
    dead: { fill: "#c4302b", ink: "#7d1512" },
    weak: { fill: "#f2b233", ink: "#8a5a00" },
    good: { fill: "#3fa37c", ink: "#0f5c40" },
    blind: { fill: "#cfc6e0", ink: "#6a5699" },
    unknown: { fill: "#ececea", ink: "#8f938f" },
    never: { fill: "#f3f3f1", ink: "#b5b8b4" },
};

/** Side of a pattern's tile, in CSS pixels. */
const TILE = 16;

interface Picture {
    width: number;
    height: number;
    data: Uint8ClampedArray;
}

function canvas(width: number, height: number, ratio: number): CanvasRenderingContext2D {
    const element = document.createElement("canvas");
    element.width = Math.ceil(width * ratio);
    element.height = Math.ceil(height * ratio);
    const context = element.getContext("2d", { willReadFrequently: true });
    if (context === null) throw new Error("no 2D canvas");
    context.scale(ratio, ratio);
    return context;
}

function picture(context: CanvasRenderingContext2D): Picture {
    const { width, height } = context.canvas;
    return { width, height, data: context.getImageData(0, 0, width, height).data };
}

/** Diagonals that meet at the tile's edges; `width` of the line. */
function diagonals(context: CanvasRenderingContext2D, every: number, width: number): void {
    context.lineWidth = width;
    context.beginPath();
    for (let at = -TILE; at <= 2 * TILE; at += every) {
        context.moveTo(at, TILE + 1);
        context.lineTo(at + TILE + 2, -1);
    }
    context.stroke();
}

/** The area of a state as a tile that repeats. */
export function pattern(state: State, ratio: number): Picture {
    const context = canvas(TILE, TILE, ratio);
    const { fill, ink } = PAINTS[state];
    context.fillStyle = fill;
    context.fillRect(0, 0, TILE, TILE);
    context.strokeStyle = ink;
    context.fillStyle = ink;
    if (state === "dead") {
        // Small crosses.
        context.lineWidth = 1.2;
        context.globalAlpha = 0.75;
        context.beginPath();
        context.moveTo(5.5, 5.5);
        context.lineTo(10.5, 10.5);
        context.moveTo(10.5, 5.5);
        context.lineTo(5.5, 10.5);
        context.stroke();
    } else if (state === "weak") {
        // Dots.
        context.globalAlpha = 0.6;
        context.beginPath();
        context.arc(TILE / 2, TILE / 2, 1.3, 0, 2 * Math.PI);
        context.fill();
    } else if (state === "blind") {
        context.globalAlpha = 0.7;
        diagonals(context, TILE / 2, 2.2);
    } else if (state === "unknown") {
        context.globalAlpha = 0.55;
        diagonals(context, TILE / 2, 1);
    } else if (state === "never") {
        context.globalAlpha = 0.6;
        diagonals(context, TILE, 0.8);
    }
    return picture(context);
}

/** The sign of a state: lines in a box of 10 by 10. */
export const SIGNS: Record<State, string> = {
    dead: "M2 2L8 8M8 2L2 8",
    weak: "M5 1.5V5.8M5 8V8.4",
    good: "M1.5 5.4L4 8L8.5 2.2",
    blind: "M5 1.4A3.6 3.6 0 1 1 4.99 1.4M2.5 7.5L7.5 2.5",
    unknown: "M3 3.4C3 .8 7 .8 7 3.2C7 4.8 5 4.8 5 6.2M5 8.3V8.6",
    never: "M2.4 5H7.6",
};

const FACE = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif";
const HEIGHT = 20;
const BADGE = 14;

function badge(context: CanvasRenderingContext2D, state: State): void {
    context.fillStyle = PAINTS[state].ink;
    context.beginPath();
    context.roundRect(3, 3, BADGE, BADGE, 3);
    context.fill();
    context.save();
    context.translate(5, 5);
    context.strokeStyle = "#fff";
    context.lineWidth = 1.7;
    context.lineCap = "round";
    context.stroke(new Path2D(SIGNS[state]));
    context.restore();
}

/** The sign alone, where there is no room for a name. */
export function sign(state: State, ratio: number): Picture {
    const context = canvas(HEIGHT, HEIGHT, ratio);
    badge(context, state);
    return picture(context);
}

/** A hamlet's name with the sign of its state, as the map's label. */
export function label(name: string, state: State, ratio: number, small: boolean): Picture {
    const font = `600 ${small ? 11.5 : 12.5}px ${FACE}`;
    const probe = canvas(1, 1, 1);
    probe.font = font;
    const width = Math.ceil(probe.measureText(name).width) + BADGE + 13;
    const context = canvas(width, HEIGHT, ratio);
    context.fillStyle = "rgba(255, 255, 255, 0.92)";
    context.strokeStyle = "rgba(20, 40, 46, 0.28)";
    context.lineWidth = 1;
    context.beginPath();
    context.roundRect(0.5, 0.5, width - 1, HEIGHT - 1, 5);
    context.fill();
    context.stroke();
    badge(context, state);
    context.font = font;
    context.textBaseline = "middle";
    context.fillStyle = "#14282e";
    context.fillText(name, BADGE + 7, HEIGHT / 2 + 0.5);
    return picture(context);
}
