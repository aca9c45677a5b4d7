/** Money and times, as they are shown. */

import { words } from "./words.js";

const text = words.amounts;

/** @param {number} seconds */
export function minutes(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** @param {number} ms Unix time */
export function clock(ms) {
  return new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/**
 * @param {{usd: string | null, label: string} | null | undefined} cost
 * @returns {string} a partial one is the least it can be
 */
export function money(cost) {
  if (cost?.usd === null || cost?.usd === undefined) return text.unknown;
  const usd = Number(cost.usd);
  const said = usd > 0 && usd < 0.0001 ? "< $0.0001" : `$${usd.toFixed(usd < 1 ? 4 : 2)}`;
  return cost.label === "partial" ? text.atLeast(said) : said;
}
