/** How a call's fields are written. Knows no DOM. */

import { words } from "../words.js";

/** @typedef {import("./api.js").Call} Call */
/** @typedef {{text: string, bad: boolean}} Note what became of a hang up */

const text = words.operators;
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const named = (/** @type {Record<string, string>} */ names, /** @type {string | null} */ name) => names[name ?? ""] ?? name ?? "";

/** @param {number} seconds `0:07`, `12:04`, `1:02:33` */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const last = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${last}` : `${minutes}:${last}`;
}

/** @param {number | null} seconds since 1970, as a date and a time of this machine */
export const moment = (seconds) => (typeof seconds === "number" ? MOMENT.format(seconds * 1000) : "");

/** @param {number} seconds since 1970: the time if it was today, else the day */
export function shortMoment(seconds) {
  const at = new Date(seconds * 1000);
  return at.toDateString() === new Date().toDateString() ? TIME.format(at) : DAY.format(at);
}

/** @param {number} amount of all calls that are shown; one call costs cents, and shows their hundredths */
export const dollars = (amount) => `$${amount.toFixed(2)}`;

/** @param {Call} call what it costs: `≥` before what is partial, `?` for what nobody knows */
export function cost({ cost: { usd, label } }) {
  if (label === "unknown" || usd === null) return { shown: "?", said: text.costs.unknown };
  const shown = `$${Number(usd).toFixed(4)}`;
  return label === "partial" ? { shown: `≥ ${shown}`, said: text.costs.partial } : { shown, said: "" };
}

/**
 * @param {Call} call
 * @param {number} now
 */
export const age = (call, now) => duration((call.ended_at ?? now) - call.started_at);

/**
 * @param {Call} call
 * @param {number} now
 * @returns {{shown: string, soon: boolean}}
 */
export function endsBy(call, now) {
  if (call.status !== "live") return { shown: shortMoment(call.ended_at ?? call.ends_by), soon: false };
  const left = call.ends_by - now;
  return { shown: left > 0 ? text.inTime(duration(left)) : text.overdue, soon: left < 60 };
}

/** @param {Call} call */
export function supervision({ supervision: how, gaps, warnings, drift }) {
  const more = [
    ...(gaps.length ? [text.gaps(gaps.length)] : []),
    ...(warnings?.length ? [text.warned] : []),
    ...(drift?.length ? [text.drifted] : []),
  ];
  return [named(text.supervision, how), ...more].join(" · ");
}

/**
 * @param {Call} call
 * @param {Note | undefined} note
 * @returns {{shown: string, tone: "live" | "ended" | "wait" | "bad"}}
 */
export function status(call, note) {
  if (call.status === "ended") return { shown: text.endedBy(endedBy(call.ended_by)), tone: "ended" };
  if (note) return { shown: note.text, tone: note.bad ? "bad" : "wait" };
  if (call.ending) return { shown: text.statuses.ending, tone: "wait" };
  return call.status === "live" ? { shown: text.statuses.live, tone: "live" } : { shown: text.statuses.unknown, tone: "wait" };
}

/** @param {string | null} by */
export const endedBy = (by) => named(text.enders, by);
