/** Functions that the model calls: they wait until somebody answers, or a rule does. Knows no DOM. */

import { said } from "../events/families.js";

/** Answers by rule after which a person must be heard: a session that always requires a call would never end. */
const MOST_IN_A_ROW = 8;
const MOST_REMEMBERED = 50;

/** @typedef {{id: string, name: string, arguments: string, response: string}} FunctionCall arguments: JSON, as the model wrote it */
/** @typedef {FunctionCall & {output: string | null, by: "hand" | "rule" | null}} Answered null: the call ended before */

export class Tools {
  /** @type {FunctionCall[]} oldest first */
  waiting = [];
  /** @type {Answered[]} newest first */
  answered = [];
  /** @type {Map<string, string>} the JSON that a function gives back, by its name */
  rules = new Map();

  #send;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  #inARow = 0;
  #responding = false;
  #owed = false; // a response.create

  /** @param {(event: Record<string, unknown>) => string | false} send */
  constructor(send) {
    this.#send = send;
  }

  /** Whether rules have answered so often in a row that they rest. */
  get resting() {
    return this.#inARow >= MOST_IN_A_ROW;
  }

  /** @param {() => void} changed */
  listen(changed) {
    this.#listeners.add(changed);
  }

  /**
   * @param {"in" | "out"} direction
   * @param {any} event
   */
  receive(direction, event) {
    const spoken = direction === "in" ? event?.type === "input_audio_buffer.speech_started" : event?.item?.role === "user";
    if (spoken) this.#inARow = 0;
    if (direction !== "in") return;
    if (event?.type === "response.created") this.#responding = true;
    if (event?.type === "response.done") this.#done(event.response);
  }

  /** The call is over: what waits is never answered. */
  end() {
    for (const call of this.waiting) this.#remember({ ...call, output: null, by: null });
    this.waiting = [];
    this.#inARow = 0;
    this.#responding = this.#owed = false;
    this.#changed();
  }

  /**
   * Give a function's result back; false when it could not be sent.
   * @param {string} id
   * @param {string} output JSON
   * @param {"hand" | "rule"} [by]
   */
  answer(id, output, by = "hand") {
    const call = this.waiting.find((each) => each.id === id);
    if (!call || this.#send({ type: "conversation.item.create", item: { type: "function_call_output", call_id: id, output } }) === false) return false;
    this.#inARow = by === "hand" ? 0 : this.#inARow + 1;
    this.waiting = this.waiting.filter((each) => each !== call);
    this.#remember({ ...call, output, by });
    // A response may call several functions; the model goes on when it has all results.
    if (!this.waiting.some(({ response }) => response === call.response)) this.#owed = true;
    this.#settle();
    this.#changed();
    return true;
  }

  /**
   * From now on, and what waits already.
   * @param {string} name
   * @param {string} output JSON
   */
  rule(name, output) {
    this.rules.set(name, output);
    this.#changed();
    this.#obey();
  }

  /** @param {string} name */
  forget(name) {
    this.rules.delete(name);
    this.#changed();
  }

  /** @param {any} response that is over: only then may its calls be answered by another response */
  #done(response) {
    this.#responding = false;
    const output = response?.status === "completed" && Array.isArray(response.output) ? response.output : [];
    for (const item of output) {
      if (item?.type !== "function_call") continue;
      this.waiting.push({ id: said(item.call_id), name: said(item.name), arguments: said(item.arguments), response: said(response.id) });
    }
    this.#changed();
    queueMicrotask(() => { // others hear of the event before they hear of the answer
      this.#settle();
      this.#obey();
    });
  }

  #obey() {
    for (const { id, name } of this.waiting) {
      const output = this.rules.get(name);
      if (output !== undefined && !this.resting) this.answer(id, output, "rule");
    }
    if (this.resting) this.#changed();
  }

  /** One response at a time: a second one would be refused. */
  #settle() {
    if (!this.#owed || this.#responding) return;
    this.#owed = false;
    this.#send({ type: "response.create" });
  }

  #changed() {
    for (const listener of this.#listeners) listener();
  }

  /** @param {Answered} answered */
  #remember(answered) {
    this.answered = [answered, ...this.answered].slice(0, MOST_REMEMBERED);
  }
}
