// From figures and words of the API to what a person reads: times in Vietnam, spans, speeds, names, causes.

import { nowMs } from "./ask";
import { isFixed, type State } from "./model";
import { language, t, word } from "./text";

const ZONE = "Asia/Ho_Chi_Minh";
const MINUTE_MS = 60_000;
const NAMES: Record<string, string> = {
    viettel: "Viettel",
    vinaphone: "VinaPhone",
    mobifone: "MobiFone",
    vietnamobile: "Vietnamobile",
    gmobile: "Gmobile",
    itelecom: "iTel",
    wintel: "Wintel",
    vnpt: "VNPT",
    fpt: "FPT",
    "viettel-ftth": "Viettel FTTH",
    "vnpt-ftth": "VNPT FTTH",
    "fpt-ftth": "FPT FTTH",
};

function parts(ms: number): Record<"hour" | "minute" | "day" | "month" | "year", string> {
    const format = new Intl.DateTimeFormat("en-GB", {
        timeZone: ZONE,
        hour: "2-digit",
        minute: "2-digit",
        day: "2-digit",
        month: "2-digit",
        year: "numeric",
        hourCycle: "h23",
    });
    const found = { hour: "", minute: "", day: "", month: "", year: "" };
    for (const { type, value } of format.formatToParts(ms)) if (type in found) found[type as keyof typeof found] = value;
    return found;
}

/** As `09:40`. */
export function clock(ms: number): string {
    const at = parts(ms);
    return `${at.hour}:${at.minute}`;
}

/** `09:40` today, else with the day. */
export function moment(ms: number): string {
    const [at, now] = [parts(ms), parts(nowMs())];
    if (at.year !== now.year) return `${at.hour}:${at.minute} ${at.day}/${at.month}/${at.year}`;
    if (at.month !== now.month || at.day !== now.day) return `${at.hour}:${at.minute} ${at.day}/${at.month}`;
    return `${at.hour}:${at.minute}`;
}

/** From .. to, the day said once where it is the same. */
export function interval(fromMs: number, toMs: number): string {
    const [from, to] = [parts(fromMs), parts(toMs)];
    const same = from.day === to.day && from.month === to.month && from.year === to.year;
    return same ? `${from.hour}:${from.minute}–${moment(toMs)}` : `${moment(fromMs)} – ${moment(toMs)}`;
}

export function number(value: number, digits = 0): string {
    return new Intl.NumberFormat(language() === "vi" ? "vi-VN" : "en-GB", { maximumFractionDigits: digits }).format(value);
}

/** In two units at most. */
export function span(ms: number): string {
    const minutes = Math.floor(Math.max(0, ms) / MINUTE_MS);
    if (minutes < 1) return t().lessThanAMinute;
    const [days, hours, rest] = [Math.floor(minutes / 1_440), Math.floor((minutes % 1_440) / 60), minutes % 60];
    const all = [
        days > 0 && t().days(number(days)),
        hours > 0 && t().hours(number(hours)),
        days === 0 && rest > 0 && t().minutes(number(rest)),
    ];
    return all.filter(Boolean).join(" ");
}

export function speed(bitsPerSecond: number | null): string {
    if (bitsPerSecond === null) return "–";
    const mega = bitsPerSecond / 1e6;
    return `${number(mega, mega < 10 ? 1 : 0)} Mbit/s`;
}

function provider(name: string): string {
    return Object.hasOwn(NAMES, name) ? (NAMES[name] ?? name) : name;
}

/** A network as people call it. */
export function network(name: string): string {
    if (name === "") return t().noName;
    return isFixed(name) ? t().fixed(provider(name.slice("fixed:".length))) : provider(name);
}

/** The state in a word; `dead` says whether there was a signal, where that is known. */
export function stateWord(state: State, name: string | null, reason: string | null, fixedView: boolean): string {
    if (state !== "dead") return (fixedView ? t().stateFixed : t().stateMobile)[state];
    if (name === null ? fixedView : isFixed(name)) return t().noConnection;
    if (reason === "no_signal") return t().noSignal;
    if (reason === "no_answer") return t().signalNoService;
    return t().stateMobile.dead;
}

/** A cause with how sure it is. */
export function cause(name: string, confidence: string): string {
    const text = name === "power" && confidence === "guess" ? t().powerGuess : word(t().cause, name);
    return confidence === "none" || name === "unknown" ? text : `${text} (${word(t().confidence, confidence)})`;
}

/** What proves it; empty where nothing does. */
export function proof(name: string): string {
    return name === "nothing" || name === "" ? "" : word(t().proof, name);
}

export function reason(name: string): string {
    return word(t().reasonSentence, name);
}

export function capital(text: string): string {
    return text.charAt(0).toLocaleUpperCase("vi") + text.slice(1);
}
