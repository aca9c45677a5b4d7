/** When each step of a call began and ended. Knows no DOM and no WebRTC. */

import { STEPS } from "./steps.js";

/** @typedef {"pending" | "active" | "done" | "failed" | "lost" | "skipped"} StepState lost: it was done, and the call is no more */
/** @typedef {{name: string, state: StepState, from: number, to: number | null, timing: import("../api.js").ServerTiming | null, patience: number | null}} Step milliseconds since the first began; patience: seconds it may take */

export class StepClock {
  #zero = performance.now();
  /** @type {Map<string, Step>} */
  #steps = new Map();
  #onChange;

  /** @param {(step: Readonly<Step>) => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    for (const name of STEPS) this.#steps.set(name, { name, state: "pending", from: 0, to: null, timing: null, patience: null });
  }

  /** @param {string} name */
  state(name) {
    return this.#step(name).state;
  }

  /**
   * @param {string} name
   * @param {number | null} [patience]
   */
  begin(name, patience = null) {
    if (this.state(name) === "pending") this.#set(name, { state: "active", from: this.#now(), patience });
  }

  /**
   * @param {string} name
   * @param {import("../api.js").ServerTiming | null} [timing]
   */
  done(name, timing = null) {
    this.begin(name);
    if (this.state(name) === "active") this.#set(name, { state: "done", to: this.#now(), timing });
  }

  /**
   * @param {string} name
   * @param {import("../api.js").ServerTiming | null} [timing]
   */
  fail(name, timing = null) {
    this.begin(name);
    if (this.state(name) === "active") this.#set(name, { state: "failed", to: this.#now(), timing });
  }

  /** The call has gone: the last step that it had reached says so. */
  lose() {
    const reached = [...this.#steps.values()].filter(({ state }) => state === "done").at(-1);
    if (reached) this.#set(reached.name, { state: "lost" });
  }

  /** @param {string} name */
  skip(name) {
    this.#set(name, { state: "skipped" });
  }

  /** The call is over: what was still under way never happened. */
  stop() {
    for (const step of this.#steps.values()) if (step.state === "active") this.#set(step.name, { state: "pending" });
  }

  #now() {
    return performance.now() - this.#zero;
  }

  /** @param {string} name */
  #step(name) {
    const step = this.#steps.get(name);
    if (!step) throw new RangeError(`there is no step ${name}`);
    return step;
  }

  /**
   * @param {string} name
   * @param {Partial<Step>} change
   */
  #set(name, change) {
    this.#onChange(Object.assign(this.#step(name), change));
  }
}
