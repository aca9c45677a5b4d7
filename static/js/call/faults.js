/** The demo's faults: which of them are on, and switching them. Knows no DOM. */

import { json, request } from "../api.js";

const PATH = "demo/faults";
/** As long as an answer may be held back: longer than the demo's service waits for one. */
const SLOW_SECONDS = 30;

/**
 * @param {string} key
 * @returns {Promise<string[]>}
 */
export async function readFaults(key) {
  const { response } = await request("GET", PATH, { Authorization: `Bearer ${key}` }, null, {});
  return on(await json(response));
}

/**
 * These on and all others off.
 * @param {string} key
 * @param {string[]} names
 * @returns {Promise<string[]>}
 */
export async function switchFaults(key, names) {
  const wanted = Object.fromEntries(names.map((name) => [name, name.endsWith("_seconds") ? SLOW_SECONDS : true]));
  const { response } = await request("PUT", PATH, { Authorization: `Bearer ${key}`, "Content-Type": "application/json" }, JSON.stringify(wanted), {});
  return on(await json(response));
}

/** @param {Record<string, unknown>} faults */
function on(faults) {
  return Object.keys(faults).filter((name) => faults[name]);
}
