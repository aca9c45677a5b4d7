/**
 * The calls of a key, kept up to date by the service's feed of events. Read with `fetch`, as an EventSource sends no key.
 * Knows no DOM.
 */

import { ApiError, NetworkError } from "../api.js";
import { words } from "../words.js";
import { listCalls, openFeed, readCall } from "./api.js";

const text = words.errors.feed;

/** @typedef {import("./api.js").Call} Call */
/** @typedef {{state: "connecting" | "following"} | {state: "waiting", error: unknown, until: number} | {state: "refused", error: ApiError}} FeedState until: `performance.now()` of the next attempt */
/** @typedef {{id?: string, retry?: number, event: string, data: string}} Message */

/** The service says something every 15 s: who is silent for so long is gone. */
const SILENT_MS = 40_000;
const LONGEST_WAIT_MS = 15_000;
/** A stream that ends sooner was not served, though it was answered with 200. */
const SHORT_MS = 5_000;
const MOST_PAGES = 20;
/** Calls that ended while somebody looked; older ones are in the list. */
const MOST_ENDED = 500;

export class Feed {
  /** Live calls, and those that ended since: by id. @type {Map<string, Call>} */
  calls = new Map();
  #key;
  #tell;
  #lastId = "";
  #complete = false;
  #retryMs = 1000;
  #failures = 0;
  /** Told by the feed since the list was asked for, so newer than what the list says. @type {Set<string>} */
  #told = new Set();
  /** @type {AbortController | null} */
  #running = null;
  #hurry = () => {};

  /**
   * @param {string} key
   * @param {{state: (state: FeedState) => void, call: (call: Call) => void, gone: (id: string) => void}} tell
   */
  constructor(key, tell) {
    this.#key = key;
    this.#tell = tell;
  }

  /** Follow until `stop`; goes on where it was. */
  start() {
    if (this.#running) return;
    this.#running = new AbortController();
    void this.#run(this.#running.signal);
  }

  stop() {
    this.#running?.abort();
    this.#running = null;
  }

  /** Try again now. */
  retry() {
    this.#hurry();
  }

  /**
   * A call as it is now, wherever that was learned.
   * @param {Call} call
   */
  take(call) {
    const known = this.calls.get(call.id);
    if (!known && call.status !== "live") return;
    this.calls.set(call.id, call);
    this.#tell.call(call);
    if (call.status === "live" || known?.status === "ended") return;
    const ended = [...this.calls.values()].filter(({ status }) => status !== "live");
    for (const { id } of ended.slice(0, Math.max(0, ended.length - MOST_ENDED))) this.drop(id);
  }

  /** @param {string} id */
  drop(id) {
    if (this.calls.delete(id)) this.#tell.gone(id);
  }

  /** @param {AbortSignal} stop */
  async #run(stop) {
    if (!this.#complete) this.#tell.state({ state: "connecting" });
    while (!stop.aborted) {
      const began = performance.now();
      /** @type {unknown} */
      let error = null;
      try {
        await this.#follow(stop);
      } catch (caught) {
        error = caught;
      }
      if (stop.aborted) return;
      if (error instanceof ApiError && error.status < 500 && error.status !== 429) {
        this.#running = null;
        this.#tell.state({ state: "refused", error });
        return;
      }
      // The service ends a stream now and then, so that whoever follows proves itself anew.
      if (!error && performance.now() - began > SHORT_MS) continue;
      await this.#wait(error ?? new NetworkError(text.ended), stop);
    }
  }

  /**
   * @param {unknown} error
   * @param {AbortSignal} stop
   */
  async #wait(error, stop) {
    const patience = Math.min(LONGEST_WAIT_MS, this.#retryMs * 2 ** this.#failures) * (0.8 + 0.4 * Math.random());
    const asked = error instanceof ApiError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
    const ms = Math.max(patience, asked);
    this.#failures += 1;
    this.#tell.state({ state: "waiting", error, until: performance.now() + ms });
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#hurry = () => resolve(clearTimeout(timer));
      stop.addEventListener("abort", this.#hurry, { once: true });
    });
    if (!stop.aborted) this.#tell.state({ state: "connecting" });
  }

  /** @param {AbortSignal} stop */
  async #follow(stop) {
    const cut = new AbortController();
    /** @type {unknown} */
    let why = null;
    const cutOff = (/** @type {unknown} */ error) => {
      why = error;
      cut.abort();
    };
    const signal = AbortSignal.any([stop, cut.signal]);
    const silent = () => cutOff(new NetworkError(text.silent));
    let watchdog = setTimeout(silent, SILENT_MS);
    try {
      const body = await openFeed(this.#key, this.#lastId, { signal });
      const following = () => this.#tell.state({ state: "following" });
      // The list comes after the feed is open: nothing happens between the two unheard.
      if (this.#complete) following();
      else void this.#read(signal).then(following, cutOff);
      for await (const message of messages(body)) {
        clearTimeout(watchdog);
        watchdog = setTimeout(silent, SILENT_MS);
        this.#failures = 0;
        if (message.event === "reset") void this.#read(signal).then(following, cutOff);
        else if (message.data) this.#heard(JSON.parse(message.data));
        // Only now: whoever is cut off before this hears it again.
        this.#lastId = message.id ?? this.#lastId;
        this.#retryMs = message.retry ?? this.#retryMs;
      }
    } catch (error) {
      throw why ?? (error instanceof TypeError ? new NetworkError(text.cut, { cause: error }) : error);
    } finally {
      clearTimeout(watchdog);
      cut.abort();
    }
    if (why) throw why;
  }

  /** @param {Call} call */
  #heard(call) {
    this.#told.add(call.id);
    this.take(call);
  }

  /**
   * All live calls, and what became of those that are no longer among them.
   * @param {AbortSignal} signal
   */
  async #read(signal) {
    this.#complete = false;
    this.#told = new Set();
    const found = new Set();
    let after = "";
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const { calls, lastId, hasMore } = await listCalls(this.#key, { status: "live", limit: "100", ...(after && { after }) }, { signal });
      for (const call of calls) {
        found.add(call.id);
        if (!this.#told.has(call.id)) this.take(call);
      }
      if (!hasMore || !lastId) {
        await this.#missed(found, signal);
        break;
      }
      after = lastId;
    }
    this.#complete = true;
  }

  /**
   * @param {Set<string>} found
   * @param {AbortSignal} signal
   */
  async #missed(found, signal) {
    for (const { id, status } of [...this.calls.values()]) {
      if (status !== "live" || found.has(id) || this.#told.has(id)) continue;
      try {
        this.take(await readCall(this.#key, id, { signal }));
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
        this.drop(id);
      }
    }
  }
}

/**
 * Server-sent events (WHATWG HTML, 9.2.6), those without data too: they tell where to go on.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<Message>}
 */
export async function* messages(body) {
  const reader = body.pipeThrough(/** @type {ReadableWritablePair<string, Uint8Array>} */ (new TextDecoderStream())).getReader();
  let rest = "";
  /** @type {Message} */
  let message = { event: "", data: "" };
  /** @type {string[]} */
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      // A carriage return at the very end may be the first half of a line's end.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") {
          yield { ...message, data: data.join("\n") };
          [message, data] = [{ event: "", data: "" }, []];
          continue;
        }
        const [, field, text] = /** @type {RegExpExecArray} */ (/^([^:]*):? ?(.*)$/s.exec(line));
        if (field === "data") data.push(text ?? "");
        else if (field === "event") message.event = text ?? "";
        else if (field === "id") message.id = text ?? "";
        else if (field === "retry" && /^\d+$/.test(text ?? "")) message.retry = Number(text);
      }
    }
  } finally {
    await reader.cancel().catch(() => {}); // it may have been cut off
  }
}
