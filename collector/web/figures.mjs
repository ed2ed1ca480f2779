// Prints what a build weighs, as one line of JSON: our own JavaScript, and with the library, in kB (1000 bytes) gzipped.
// As a module: `figures()` gives the same object.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const ASSETS = new URL("./dist/assets/", import.meta.url);

/** `{own_js_gzip_kb, all_js_gzip_kb, css_gzip_kb}` of collector/web/dist. */
export function figures() {
    const sum = (wanted) => {
        const names = readdirSync(ASSETS).filter(wanted);
        const bytes = names.map((name) => gzipSync(readFileSync(new URL(name, ASSETS)), { level: 9 }).length);
        return Math.round(bytes.reduce((all, one) => all + one, 0) / 100) / 10;
    };
    const script = (name) => /\.m?js$/.test(name);
    return {
        own_js_gzip_kb: sum((name) => script(name) && !name.startsWith("maplibre")),
        all_js_gzip_kb: sum(script),
        css_gzip_kb: sum((name) => name.endsWith(".css")),
    };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    console.log(JSON.stringify(figures()));
}
