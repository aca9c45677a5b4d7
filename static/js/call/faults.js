/** The demo's faults: which of them are on, and switching them. Knows no DOM. */

import { json, request } from "../api.js";

const PATH = "demo/faults";
/** As long as an answer may be held back: longer than the demo's service waits for one. */
const SLOW_SECONDS = 30;
const PATIENCE_MS = 10_000;

/** @typedef {Record<string, unknown>} Faults by name: true, or a number of seconds above 0, is on */

/**
 * @param {string} key
 * @returns {Promise<Faults>}
 */
export async function readFaults(key) {
  const { response } = await request("GET", PATH, { Authorization: `Bearer ${key}` }, null, { signal: AbortSignal.timeout(PATIENCE_MS) });
  return json(response);
}

/**
 * One of them; the others stay as somebody has set them.
 * @param {string} key
 * @param {string} name
 * @param {boolean} on
 */
export async function switchFault(key, name, on) {
  const before = await readFaults(key);
  return setFaults(key, { ...before, [name]: typeof before[name] === "number" ? (on ? SLOW_SECONDS : 0) : on });
}

/**
 * What is not named is off afterwards.
 * @param {string} key
 * @param {Faults} faults
 * @returns {Promise<Faults>}
 */
export async function setFaults(key, faults) {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const { response } = await request("PUT", PATH, headers, JSON.stringify(faults), { signal: AbortSignal.timeout(PATIENCE_MS) });
  return json(response);
}
