/** The service's HTTP calls and their failures. Knows no DOM. */

import { words } from "./words.js";

/** @typedef {{gateway: number | null, provider: number | null, network: number | null}} ServerTiming milliseconds; network is what remains of the exchange */
/** @typedef {{method: string, path: string, status: number | null, ms: number, requestId: string | null, timing: ServerTiming}} Exchange */
/** @typedef {{signal?: AbortSignal, onExchange?: (exchange: Exchange) => void}} Options */

const text = words.errors;

/** The service answered, and the answer is an error. */
export class ApiError extends Error {
  name = "ApiError";

  /**
   * @param {Exchange} exchange
   * @param {{message?: unknown, type?: unknown, code?: unknown, param?: unknown}} body
   * @param {number | null} retryAfterSeconds
   */
  constructor(exchange, body, retryAfterSeconds) {
    super(typeof body.message === "string" ? body.message : text.noReason(exchange.status));
    this.exchange = exchange;
    this.status = /** @type {number} */ (exchange.status);
    this.requestId = exchange.requestId;
    this.type = typeof body.type === "string" ? body.type : null;
    this.code = typeof body.code === "string" ? body.code : null;
    this.param = typeof body.param === "string" ? body.param : null;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Nothing answered: the service is down, or the network is. */
export class NetworkError extends Error {
  name = "NetworkError";
}

/** The service answered with success, but not with what it promises. */
export class AnswerError extends Error {
  name = "AnswerError";
}

/** As long as it may take to learn of the service itself. */
const SOON_MS = 5000;

/**
 * What the operator lets this page know.
 * @returns {Promise<import("./hub.js").Events["settings"]>}
 */
export async function readTester() {
  const { response } = await request("GET", "tester.json", {}, null, { signal: AbortSignal.timeout(SOON_MS) });
  const settings = await json(response);
  return {
    key: typeof settings.key === "string" ? settings.key : null,
    models: names(settings.models),
    demo: settings.demo === true,
    faults: names(settings.faults),
  };
}

/**
 * @param {unknown} given
 * @returns {string[]}
 */
function names(given) {
  return Array.isArray(given) ? given.filter((name) => typeof name === "string") : [];
}

/** A gateway says so for a service that is gone. */
const GONE = [502, 503, 504];

/**
 * Whether anything answers where the page itself came from.
 * @param {{signal: AbortSignal}} options
 */
export async function serviceAnswers({ signal }) {
  try {
    const soon = AbortSignal.any([signal, AbortSignal.timeout(SOON_MS)]);
    const { status } = await fetch("tester.json", { method: "HEAD", signal: soon, cache: "no-store", credentials: "omit" });
    return !GONE.includes(status);
  } catch {
    return false;
  }
}

/**
 * Ask for one of the caller's calls, to learn whether the key is one.
 * @param {string} key
 * @param {Options} [options]
 */
export async function checkKey(key, options = {}) {
  return await request("GET", "v1/realtime/calls?limit=1", { Authorization: `Bearer ${key}` }, null, options);
}

/**
 * Trade the caller's key for a token that starts one call.
 * @param {string} key
 * @param {import("./hub.js").Session} session
 * @param {Options} [options]
 */
export async function mintToken(key, session, options = {}) {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const { response, exchange } = await request("POST", "v1/realtime/client_secrets", headers, JSON.stringify({ session }), options);
  const { value, expires_at: expires, session: minted, calls_url: url } = await json(response);
  if (typeof value !== "string") throw new AnswerError(text.noToken);
  const told = {
    value, expiresAt: typeof expires === "number" ? expires : null,
    session: /** @type {object | null} */ (minted ?? null), callsUrl: typeof url === "string" ? url : null,
  };
  return { token: value, told, exchange };
}

/**
 * Trade an SDP offer for the provider's answer.
 * @param {string} token
 * @param {string} offer
 * @param {Options} [options]
 */
export async function postOffer(token, offer, options = {}) {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" };
  const { response, exchange } = await request("POST", "v1/realtime/calls", headers, offer, options);
  const place = response.headers.get("Location");
  if (!place) throw new AnswerError(text.noLocation);
  const location = new URL(place, response.url);
  if (location.origin !== new URL(response.url).origin) throw new AnswerError(text.elsewhere);
  const callId = decodeURIComponent(location.pathname.split("/").pop() ?? "");
  // Below the address that answered: `Location` is written for those who come through the gateway.
  const address = `${response.url}/${encodeURIComponent(callId)}`;
  return { answer: await response.text(), location: address, callId, exchange };
}

/**
 * End a call; ending it twice is fine. Outlives the page with `keepalive`.
 * @param {string} token
 * @param {string} location
 * @param {Options & {keepalive?: boolean}} [options]
 */
export async function endCall(token, location, options = {}) {
  await request("DELETE", location, { Authorization: `Bearer ${token}` }, null, options);
}

/**
 * @param {string} method
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {string | null} body
 * @param {Options & {keepalive?: boolean}} options
 */
export async function request(method, url, headers, body, { signal, onExchange, keepalive = false }) {
  const began = performance.now();
  /** @type {Exchange} */
  const exchange = { method, path: `/${url}`.replace(/^\/https?:\/\/[^/]*/, ""), status: null, ms: 0, requestId: null, timing: serverTiming(null, 0) };
  let response;
  try {
    response = await fetch(url, { method, headers, body, signal, keepalive, cache: "no-store", credentials: "omit", redirect: "error" });
  } catch (error) {
    exchange.ms = performance.now() - began;
    onExchange?.(exchange);
    if (error instanceof TypeError) throw new NetworkError(text.noAnswer, { cause: error });
    throw error;
  }
  exchange.ms = performance.now() - began;
  exchange.status = response.status;
  exchange.requestId = response.headers.get("X-Request-Id");
  exchange.timing = serverTiming(response.headers.get("Server-Timing"), exchange.ms);
  onExchange?.(exchange);
  if (!response.ok) throw await apiError(response, exchange);
  return { response, exchange };
}

/**
 * @param {Response} response
 * @param {Exchange} exchange
 */
async function apiError(response, exchange) {
  const body = await response.json().catch(() => null); // a proxy in between may answer in HTML
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  return new ApiError(exchange, body?.error ?? {}, Number.isFinite(seconds) ? seconds : null);
}

/**
 * @param {Response} response
 * @returns {Promise<Record<string, unknown>>}
 */
export async function json(response) {
  const body = await response.json().catch(() => null);
  if (body === null || typeof body !== "object") throw new AnswerError(text.notObject);
  return body;
}

/**
 * `gateway;dur=3.1, provider;dur=41.0` in milliseconds.
 * @param {string | null} header
 * @param {number} whole the exchange it came with
 * @returns {ServerTiming}
 */
export function serverTiming(header, whole) {
  const find = (/** @type {string} */ name) => {
    const found = new RegExp(`(?:^|,)\\s*${name}\\s*;[^,]*?\\bdur=([0-9.]+)`).exec(header ?? "");
    return found ? Number(found[1]) : null;
  };
  const gateway = find("gateway");
  const provider = find("provider");
  const network = gateway === null && provider === null ? null : Math.max(0, whole - (gateway ?? 0) - (provider ?? 0));
  return { gateway, provider, network };
}
