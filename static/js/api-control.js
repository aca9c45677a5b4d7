/** The service's routes to look at calls and tokens, and to take a token back. Knows no DOM. */

import { json, request } from "./api.js";

/** @typedef {{active: boolean, jti?: string, caller?: string, model?: string, iat?: number, exp?: number, uses_left?: number, origins?: string[] | null, metadata?: Record<string, string>}} Introspection */

const TOKENS = "v1/realtime/client_secrets";

/**
 * A call as the service tells it to whoever holds its token.
 * @param {string} token
 * @param {string} id
 * @param {import("./api.js").Options} [options]
 */
export async function readCall(token, id, options = {}) {
  const { response } = await request("GET", `v1/realtime/calls/${encodeURIComponent(id)}`, { Authorization: `Bearer ${token}` }, null, options);
  return /** @type {import("./call/follow.js").CallObject} */ (/** @type {unknown} */ (await json(response)));
}

/**
 * What a token can still do; to look does not use it up.
 * @param {string} key
 * @param {string} token
 * @param {import("./api.js").Options} [options]
 */
export async function introspect(key, token, options = {}) {
  const { response } = await about("introspect", key, token, options);
  return /** @type {Introspection} */ (/** @type {unknown} */ (await json(response)));
}

/**
 * Let a token start no more calls.
 * @param {string} key
 * @param {string} token
 * @param {import("./api.js").Options} [options]
 */
export async function revokeToken(key, token, options = {}) {
  await about("revoke", key, token, options);
}

/**
 * How often tokens of a caller were used once too often, as the service's metrics count it; for the master key only.
 * @param {string} key
 * @param {string} caller
 */
export async function countReplays(key, caller) {
  const { response } = await request("GET", "metrics", { Authorization: `Bearer ${key}` }, null, {});
  const counted = (await response.text()).split("\n").find((line) => line.startsWith(`signaller_replays_total{caller="${caller}"}`));
  return Number(counted?.split(" ").at(-1) ?? 0);
}

/**
 * @param {"introspect" | "revoke"} what
 * @param {string} key
 * @param {string} token
 * @param {import("./api.js").Options} options
 */
async function about(what, key, token, options) {
  return await request("POST", `${TOKENS}/${what}`, { Authorization: `Bearer ${key}`, "Content-Type": "application/json" }, JSON.stringify({ token }), options);
}
