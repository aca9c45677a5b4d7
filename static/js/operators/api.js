/** What the service tells of calls to whoever has a key: one, a list, events, and its own state. Knows no DOM. */

import { AnswerError, json, request } from "../api.js";
import { words } from "../words.js";

/**
 * A `realtime.call` object; times are Unix seconds.
 * @typedef {object} Call
 * @property {string} id
 * @property {"live" | "ended" | "unknown"} status
 * @property {string} caller
 * @property {string} model
 * @property {string} deployment
 * @property {Record<string, string>} metadata
 * @property {number} started_at
 * @property {number | null} ended_at
 * @property {number} ends_by
 * @property {string | null} ended_by
 * @property {{by: string, since: number}} [ending]
 * @property {"watched" | "lost" | "clock"} supervision
 * @property {Record<string, any>} usage
 * @property {{usd: string | null, label: string}} cost
 * @property {{from: number, to: number | null}[]} gaps
 * @property {{at: number, reason: string}[]} [warnings]
 * @property {{at: number, fields: string[]}[]} [drift]
 */
/** @typedef {{deployments: {id: string, model: string, provider: string, rests_until: number | null}[], store: {kind: string, reachable: boolean, seconds: number | null}, live_calls: number | null, replays: number}} ServiceState */
/** @typedef {import("../api.js").Options} Options */

const CALLS = "v1/realtime/calls";
const bearer = (/** @type {string} */ key) => ({ Authorization: `Bearer ${key}` });
const place = (/** @type {string} */ id) => `${CALLS}/${encodeURIComponent(id)}`;
let aheadMs = 0;

/** The service's clock, as far as its answers tell: Unix seconds. */
export const now = () => (Date.now() + aheadMs) / 1000;

/**
 * A page of calls, those begun last first.
 * @param {string} key
 * @param {Record<string, string>} query
 * @param {Options} [options]
 * @returns {Promise<{calls: Call[], lastId: string | null, hasMore: boolean}>}
 */
export async function listCalls(key, query, options = {}) {
  const { response } = await request("GET", `${CALLS}?${new URLSearchParams(query)}`, bearer(key), null, options);
  const date = Date.parse(response.headers.get("Date") ?? "");
  // The header has no fractions: what is off by less than two seconds is not off.
  if (Number.isFinite(date)) aheadMs = Math.abs(date - Date.now()) < 2000 ? 0 : date - Date.now();
  const { data, last_id: lastId, has_more: hasMore } = await json(response);
  if (!Array.isArray(data)) throw new AnswerError(words.errors.notCalls);
  return { calls: data, lastId: typeof lastId === "string" ? lastId : null, hasMore: hasMore === true };
}

/**
 * @param {string} key
 * @param {string} id
 * @param {Options} [options]
 * @returns {Promise<Call>}
 */
export async function readCall(key, id, options = {}) {
  const { response } = await request("GET", place(id), bearer(key), null, options);
  return /** @type {any} */ (await json(response));
}

/**
 * Returns once the provider has confirmed it.
 * @param {string} key
 * @param {string} id
 */
export async function endCall(key, id) {
  await request("DELETE", place(id), bearer(key), null, {});
}

/**
 * The feed's bytes, from after an event on; "": from now on.
 * @param {string} key
 * @param {string} lastId
 * @param {Options} [options]
 * @returns {Promise<ReadableStream<Uint8Array>>}
 */
export async function openFeed(key, lastId, options = {}) {
  const headers = { ...bearer(key), Accept: "text/event-stream", ...(lastId && { "Last-Event-ID": lastId }) };
  const { response } = await request("GET", `${CALLS}/events`, headers, null, options);
  if (!response.body) throw new AnswerError(words.errors.noEvents);
  return response.body;
}

/**
 * How the service stands; for the master key only.
 * @param {string} key
 * @param {Options} [options]
 * @returns {Promise<ServiceState>}
 */
export async function readState(key, options = {}) {
  const { response } = await request("GET", "v1/realtime/state", bearer(key), null, options);
  return /** @type {any} */ (await json(response));
}
