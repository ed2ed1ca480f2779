// The sign of a state in a small box, for the legend, the list and the panel.

import { svg } from "./dom";
import type { State } from "./model";
import { PAINTS, SIGNS } from "./paint";

/** Decoration: the word always stands beside it. */
export function swatch(state: State): SVGElement {
    const { fill, ink } = PAINTS[state];
    return svg(
        "svg",
        { class: "swatch", viewBox: "0 0 18 18", "aria-hidden": "true", "data-swatch": state },
        svg("rect", { x: 0.75, y: 0.75, width: 16.5, height: 16.5, rx: 4, fill, stroke: ink, "stroke-width": 1.5 }),
        svg("path", {
            d: SIGNS[state],
            transform: "translate(4 4)",
            fill: "none",
            stroke: state === "dead" || state === "good" ? "#fff" : ink,
            "stroke-width": 1.9,
            "stroke-linecap": "round",
        }),
    );
}
