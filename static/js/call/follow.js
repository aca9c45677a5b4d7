/** Reads a call's record at the service while it lasts, and adds up what its channel tells. Knows no DOM. */

import { readCall } from "../api-control.js";
import { isOver } from "../hub.js";
import { ChannelUsage, compare } from "./usage.js";

/**
 * @typedef {object} CallObject the API's `realtime.call`, as far as this page reads it; times are Unix seconds
 * @property {"live" | "ended" | "unknown"} status
 * @property {string} caller
 * @property {string} model
 * @property {Record<string, string>} metadata
 * @property {number} started_at
 * @property {number | null} ended_at
 * @property {number} ends_by
 * @property {string | null} ended_by
 * @property {"watched" | "lost" | "clock"} supervision
 * @property {import("./usage.js").Usage} usage
 * @property {{usd: string | null, label: "complete" | "partial" | "unknown"}} cost
 * @property {{from: number, to: number}[]} gaps
 */
/** @typedef {{channel: import("./usage.js").Usage, call: CallObject | null, why: import("./usage.js").Why, answers: boolean}} Account answers: whether the service did when it was asked last */

const EVERY_MS = 5000;
/** After the end: it is told once the provider has confirmed it, and what the watch still heard a little later. */
const AFTER_MS = [1000, 3000, 10_000];

/** @param {import("../hub.js").Hub} hub */
export function followCall(hub) {
  /** @type {Follower | null} */
  let follower = null;
  hub.on("state", ({ state }) => {
    if (state === "checking") {
      follower?.leave();
      follower = new Follower(hub);
    }
    if (state === "connected") follower?.begin();
    if (isOver(state)) follower?.end();
  });
  hub.on("token", (token) => follower?.hold(token?.value ?? null));
  hub.on("id", (id) => follower?.know(id));
  hub.on("event", ({ direction, event }) => { if (direction === "in") follower?.receive(event); });
}

/** Of one call. */
class Follower {
  #hub;
  #channel = new ChannelUsage();
  /** @type {CallObject | null} */
  #call = null;
  #answers = true;
  #over = false;
  #left = new AbortController();
  /** @type {string | null} */
  #token = null;
  /** @type {string | null} */
  #id = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #reading = false;

  /** @param {import("../hub.js").Hub} hub */
  constructor(hub) {
    this.#hub = hub;
    this.#tell();
    hub.emit("call", null);
  }

  /** @param {string | null} token */
  hold(token) { this.#token = token; }

  /** @param {string | null} id */
  know(id) { this.#id = id; }

  begin() {
    if (this.#reading) return;
    this.#reading = true;
    void this.#readOn();
  }

  end() {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    void this.#readOut();
  }

  leave() {
    clearTimeout(this.#timer);
    this.#left.abort();
  }

  /** @param {any} event */
  receive(event) {
    if (this.#channel.receive(event)) this.#tell();
  }

  async #readOn() {
    await this.#read();
    if (!this.#over && !this.#left.signal.aborted) this.#timer = setTimeout(() => void this.#readOn(), EVERY_MS);
  }

  async #readOut() {
    let waited = 0;
    for (const at of AFTER_MS) {
      await new Promise((resolve) => { this.#timer = setTimeout(resolve, at - waited); });
      waited = at;
      await this.#read();
      if (this.#call?.status === "ended" && this.#call.usage.label !== "partial") return;
    }
  }

  async #read() {
    if (!this.#token || !this.#id) return;
    const { signal } = this.#left;
    try {
      this.#call = await readCall(this.#token, this.#id, { signal });
      this.#answers = true;
    } catch {
      this.#answers = false;
    }
    if (signal.aborted) return;
    if (this.#answers) this.#hub.emit("call", this.#call);
    this.#tell();
  }

  #tell() {
    const channel = this.#channel.now;
    const why = compare(channel, this.#call, this.#call?.status === "ended");
    this.#hub.emit("usage", { channel, call: this.#call, why, answers: this.#answers });
  }
}
