// The collector's events as they come, over a fetch so that a token can be sent; reconnects by itself.
//
// Tells two things: that something changed, and whether it hears anything. Refuses to know what is drawn.

import { AskError, open, type Trouble } from "./ask";

export type Hearing =
    /** Not yet, or again. */
    | "connecting"
    /** Changes come as they happen. */
    | "live"
    /** The collector has no room for one listener more; the page asks each minute. */
    | "crowded"
    | "deaf";

export interface Listener {
    /** `hamlet`: where, if the event says so. */
    changed(hamlet: string | null): void;
    hearing(state: Hearing, trouble: Trouble | null): void;
}

/** The collector says something at least every 15 s; after this it is taken for gone. */
const SILENCE_MS = 40_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
const CROWDED_RETRY_MS = 60_000;

/** One event of a stream. */
export interface ServerEvent {
    id: string | null;
    event: string;
    data: string;
}

/** Takes a stream apart; `push` gives the events that became whole. */
export class Parser {
    private rest = "";
    private id: string | null = null;
    private event = "";
    private data: string[] = [];

    push(text: string): ServerEvent[] {
        const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
        this.rest = lines.pop() ?? "";
        const whole: ServerEvent[] = [];
        for (const line of lines) {
            if (line !== "") {
                this.field(line);
                continue;
            }
            if (this.data.length > 0) {
                whole.push({ id: this.id, event: this.event || "message", data: this.data.join("\n") });
            }
            this.event = "";
            this.data = [];
        }
        return whole;
    }

    private field(line: string): void {
        const colon = line.indexOf(":");
        const name = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (name === "id") this.id = value;
        else if (name === "event") this.event = value;
        else if (name === "data") this.data.push(value);
    }
}

/** Listens until the page is closed. `again` makes it try at once, and anew where a token was missing. */
export function listen(listener: Listener): { again(): void } {
    let lastId: string | null = null;
    let wake = () => {};
    let failures = 0;

    const once = async (): Promise<void> => {
        const abort = new AbortController();
        let silence = setTimeout(() => abort.abort(), SILENCE_MS);
        const heard = () => {
            clearTimeout(silence);
            silence = setTimeout(() => abort.abort(), SILENCE_MS);
        };
        try {
            const headers: Record<string, string> = lastId === null ? {} : { "Last-Event-ID": lastId };
            const response = await open("/api/v1/events", abort.signal, headers);
            if (response.body === null) return;
            listener.hearing("live", null);
            failures = 0;
            // What happened before we listened is not told: the page asks once.
            listener.changed(null);
            const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
            const parser = new Parser();
            for (;;) {
                const { done, value } = await reader.read();
                if (done) return;
                heard();
                for (const event of parser.push(value)) {
                    lastId = event.id ?? lastId;
                    listener.changed(hamletOf(event));
                }
            }
        } finally {
            clearTimeout(silence);
            abort.abort();
        }
    };

    const forever = async (): Promise<never> => {
        for (;;) {
            let trouble: Trouble | null = { kind: "unreachable" };
            try {
                await once();
            } catch (error) {
                if (error instanceof AskError) trouble = error.trouble;
            }
            const crowded = trouble.kind === "problem" && trouble.status === 503;
            listener.hearing(crowded ? "crowded" : "deaf", trouble);
            failures += 1;
            const pause = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10));
            const jittered = pause * (0.75 + Math.random() / 2);
            await new Promise<void>((resolve) => {
                wake = resolve;
                setTimeout(resolve, crowded ? CROWDED_RETRY_MS : jittered);
            });
            listener.hearing("connecting", null);
        }
    };
    void forever();
    const again = () => {
        failures = 0;
        wake();
    };
    addEventListener("online", again);
    return { again };
}

function hamletOf(event: ServerEvent): string | null {
    if (event.event === "states") return null;
    try {
        const change = JSON.parse(event.data) as { hamlet?: { code?: string } | null };
        return change.hamlet?.code ?? null;
    } catch {
        return null;
    }
}
