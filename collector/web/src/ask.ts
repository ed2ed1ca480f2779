// Questions to the collector: with the token where one is needed, errors as a closed set, and the collector's clock.

const TOKEN = "phusong-token";
/** An answer that takes longer is none. */
const PATIENCE_MS = 20_000;

export type Trouble =
    /** Nobody answered. */
    | { kind: "unreachable" }
    /** A token is needed, or the given one is wrong. */
    | { kind: "token"; given: boolean }
    /** The collector refused or failed, and said why. */
    | { kind: "problem"; status: number; detail: string; parameter: string | null };

export class AskError extends Error {
    constructor(readonly trouble: Trouble) {
        super(trouble.kind === "problem" ? trouble.detail : trouble.kind);
    }
}

let clockAheadMs = 0;

/** The collector's time, which may be another than this device's. */
export function nowMs(): number {
    return Date.now() + clockAheadMs;
}

export function setToken(token: string): void {
    sessionStorage.setItem(TOKEN, token);
}

function authorization(): Record<string, string> {
    const token = sessionStorage.getItem(TOKEN);
    return token === null ? {} : { Authorization: `Bearer ${token}` };
}

/** The response of a GET, once its status is good. `signal` ends it; without one it has `PATIENCE_MS`. */
export async function open(path: string, signal?: AbortSignal, headers: Record<string, string> = {}): Promise<Response> {
    let response: Response;
    try {
        response = await fetch(path, {
            headers: { ...headers, ...authorization() },
            cache: "no-store",
            signal: signal ?? AbortSignal.timeout(PATIENCE_MS),
        });
    } catch (error) {
        if (signal?.aborted) throw error;
        throw new AskError({ kind: "unreachable" });
    }
    const date = Date.parse(response.headers.get("date") ?? "");
    // The header tells whole seconds; smaller differences mean nothing.
    if (Number.isFinite(date) && Math.abs(date - Date.now()) > 2_000) clockAheadMs = date - Date.now();
    else if (Number.isFinite(date)) clockAheadMs = 0;
    if (response.ok) return response;
    if (response.status === 401) {
        throw new AskError({ kind: "token", given: sessionStorage.getItem(TOKEN) !== null });
    }
    throw new AskError(await problem(response));
}

export async function ask<T>(path: string): Promise<T> {
    const response = await open(path);
    try {
        return (await response.json()) as T;
    } catch {
        throw new AskError({ kind: "unreachable" });
    }
}

async function problem(response: Response): Promise<Trouble> {
    const body = (await response.json().catch(() => ({}))) as { detail?: unknown; parameter?: unknown };
    const detail = typeof body.detail === "string" ? body.detail : `HTTP ${response.status}`;
    const parameter = typeof body.parameter === "string" ? body.parameter : null;
    return { kind: "problem", status: response.status, detail, parameter };
}
