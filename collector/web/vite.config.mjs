// Builds the page into dist/: hashed assets, each with its gzip beside it, which the collector embeds and serves.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig } from "vite";

const PACKED = /\.(html|js|mjs|css|svg)$/;

/** Writes name.gz beside each text, so that the collector compresses nothing at run time. */
function gzipped() {
    let dist = "dist";
    return {
        name: "gzipped",
        apply: "build",
        configResolved(config) {
            dist = join(config.root, config.build.outDir);
        },
        closeBundle() {
            for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
                const path = join(entry.parentPath ?? entry.path, entry.name);
                if (entry.isFile() && PACKED.test(entry.name)) {
                    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
                }
            }
        },
    };
}

/** The collector that `npm run dev` asks; its own page is not needed for that. */
const collector = process.env.PHUSONG_COLLECTOR ?? "http://127.0.0.1:8480";

export default defineConfig({
    plugins: [gzipped()],
    build: {
        target: "es2022",
        // Nothing inline: the page's Content-Security-Policy allows no data: scripts or fonts.
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
        chunkSizeWarningLimit: 2000,
        rollupOptions: {
            output: {
                // The library apart from what we wrote: it changes rarely and its weight is told apart.
                manualChunks: (id) => (id.includes("/maplibre-gl/") ? "maplibre" : undefined),
            },
        },
    },
    worker: {
        format: "es",
        rollupOptions: { output: { entryFileNames: "assets/maplibre-worker-[hash].mjs" } },
    },
    server: { proxy: { "/api": collector } },
});
