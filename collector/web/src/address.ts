// What a link to the page says: hamlet, network, language and area, after the `#`.

import { parseView, type View, writeView } from "./model";
import type { Lang } from "./text";

const LANGUAGE = "phusong-lang";

export interface Address {
    hamlet: string | null;
    /** Null: nobody chose one. */
    view: View | null;
    lang: Lang;
    area: string | null;
}

function stored(): string | null {
    try {
        return localStorage.getItem(LANGUAGE);
    } catch {
        // A browser that keeps nothing is no reason to stop.
        return null;
    }
}

export function read(): Address {
    const given = new URLSearchParams(location.hash.slice(1));
    const lang = given.get("lang") ?? stored();
    return {
        hamlet: given.get("hamlet"),
        view: parseView(given.get("network")),
        lang: lang === "en" ? "en" : "vi",
        area: given.get("area"),
    };
}

export function write({ hamlet, view, lang, area }: Address): void {
    const out = new URLSearchParams();
    if (area !== null) out.set("area", area);
    if (hamlet !== null) out.set("hamlet", hamlet);
    if (view !== null) out.set("network", writeView(view));
    out.set("lang", lang);
    // Readable in a message: a colon may stand in a fragment.
    const hash = `#${out.toString().replaceAll("%3A", ":")}`;
    if (hash !== location.hash) history.replaceState(null, "", hash);
    try {
        localStorage.setItem(LANGUAGE, lang);
    } catch {
        // As above.
    }
}
