/** Who said what, how long the answer took and what it cost, as the channel's events tell it. Knows no DOM. */

import { said } from "../events/families.js";
import { isOver } from "../hub.js";

/** A conversation of a day; the oldest turns go. */
const MOST_TURNS = 5000;

/**
 * @typedef {object} Turn
 * @property {string} id
 * @property {"you" | "model"} who
 * @property {number} at ms since the call began
 * @property {string} text
 * @property {"speaking" | "untranscribed" | "failed" | null} unheard why there is no text
 * @property {boolean} done
 * @property {number | null} answeredAfterMs from the end of what was said, or the message sent, to the first sound
 * @property {{input: number, output: number} | null} tokens of the response
 * @property {{heardMs: number | null} | null} interrupted how much of it was heard, where the provider says so
 */
/** @typedef {{items: Set<string>, asked: number | null, answered: boolean, firstAt: number | null}} Response */

/**
 * Tell the turns of each call to everyone, by `turn`.
 * @param {import("../hub.js").Hub} hub
 * @returns {{readonly now: Turns}} those of the newest call
 */
export function followTurns(hub) {
  const tell = (/** @type {Turn} */ turn) => hub.emit("turn", turn);
  const kept = { now: new Turns(tell) };
  hub.on("state", ({ state }) => {
    if (state === "checking") kept.now = new Turns(tell);
    if (isOver(state)) kept.now.end();
  });
  hub.on("event", (seen) => kept.now.receive(seen));
  return kept;
}

export class Turns {
  /** @type {Map<string, Turn>} */
  #turns = new Map();
  /** @type {Map<string, Response>} */
  #responses = new Map();
  /** @type {number | null} */
  #asked = null;
  /** @type {{input: number, output: number} | null} */
  #tokens = null;
  #onTurn;

  /** @param {(turn: Readonly<Turn>) => void} onTurn */
  constructor(onTurn) {
    this.#onTurn = onTurn;
  }

  /** @returns {Readonly<Turn>[]} */
  get all() {
    return [...this.#turns.values()];
  }

  /** All of it in figures; `median`: ms, null where nothing was answered. */
  get figures() {
    const times = this.all.flatMap(({ answeredAfterMs }) => answeredAfterMs ?? []).sort((a, b) => a - b);
    return {
      you: this.all.filter(({ who }) => who === "you").length,
      model: this.all.filter(({ who }) => who === "model").length,
      interrupted: this.all.filter(({ interrupted }) => interrupted).length,
      median: median(times),
      tokens: this.#tokens,
    };
  }

  /** The call is over: nothing more is said. */
  end() {
    for (const { id, unheard } of this.all.filter(({ done }) => !done)) this.#amend(id, { unheard: unheard === "speaking" ? "untranscribed" : unheard, done: true });
  }

  /** @param {{direction: "in" | "out", event: any, at: number}} seen */
  receive({ direction, event, at }) {
    if (!event || typeof event !== "object") return;
    if (direction === "out") this.#sent(event, at);
    else this.#received(event, at);
  }

  /**
   * @param {any} event
   * @param {number} at
   */
  #sent({ type, event_id: id, item }, at) {
    if (type === "response.create") this.#asked ??= at;
    if (type !== "conversation.item.create" || item?.role !== "user") return;
    const text = (Array.isArray(item.content) ? item.content : []).map((/** @type {any} */ part) => said(part?.text)).join("").trim();
    this.#asked = at;
    if (text) this.#change("you", item.id ?? id, at, { text, done: true });
  }

  /**
   * @param {any} event
   * @param {number} at
   */
  #received(event, at) {
    const { type, item_id: id = "", delta = "" } = event;
    switch (type) {
      case "input_audio_buffer.speech_started":
        return this.#change("you", id, at, { unheard: "speaking" });
      case "input_audio_buffer.speech_stopped":
        this.#asked = at;
        return this.#change("you", id, at, { unheard: "untranscribed", done: true });
      case "session.updated": // without turn detection nobody tells when you stop
        if (event.session?.audio?.input?.turn_detection !== null) return undefined;
        return this.all.filter(({ unheard }) => unheard === "speaking").forEach((turn) => this.#amend(turn.id, { unheard: "untranscribed", done: true }));
      case "conversation.item.input_audio_transcription.delta":
        return this.#add("you", id, at, delta);
      case "conversation.item.input_audio_transcription.completed":
        return this.#change("you", id, at, { text: event.transcript ?? "", unheard: null, done: true });
      case "conversation.item.input_audio_transcription.failed":
        return this.#change("you", id, at, { unheard: "failed", done: true });
      case "response.created":
        this.#responses.set(event.response?.id, { items: new Set(), asked: this.#asked, answered: false, firstAt: null });
        this.#asked = null;
        forget(this.#responses);
        return undefined;
      case "response.output_audio_transcript.delta":
      case "response.output_text.delta":
        this.#belongs(id, event.response_id, at);
        this.#add("model", id, at, delta);
        return type === "response.output_text.delta" ? this.#answered(event.response_id, at) : undefined;
      case "response.output_audio_transcript.done":
      case "response.output_text.done":
        this.#belongs(id, event.response_id, at);
        return this.#change("model", id, at, { text: event.transcript ?? event.text ?? "", done: true });
      case "output_audio_buffer.started":
        return this.#answered(event.response_id, at);
      case "output_audio_buffer.cleared":
        return this.#interrupted(event.response_id);
      case "conversation.item.truncated":
        return this.#amend(id, { interrupted: { heardMs: event.audio_end_ms ?? null } });
      case "response.done":
        return this.#responded(event.response ?? {});
      default:
        return undefined;
    }
  }

  /** @param {any} response */
  #responded({ id, status, usage }) {
    const known = this.#responses.get(id);
    if (!known) return;
    if (!known.answered && known.firstAt !== null) this.#answered(id, known.firstAt); // nobody said when the sound began
    if (usage) {
      const { input_tokens: input = 0, output_tokens: output = 0 } = usage;
      this.#tokens = { input: input + (this.#tokens?.input ?? 0), output: output + (this.#tokens?.output ?? 0) };
      this.#amend([...known.items].at(-1), { tokens: { input, output } }); // what several items cost together is said once
    }
    if (status === "cancelled") this.#interrupted(id);
  }

  /**
   * The first sound, or word, of a response.
   * @param {string} response
   * @param {number} at
   */
  #answered(response, at) {
    const known = this.#responses.get(response);
    if (!known || known.answered) return;
    known.answered = true;
    known.firstAt = at;
    this.#tellAnswer(known);
  }

  /** @param {Response} response of which either the item or the sound came first */
  #tellAnswer({ items, asked, answered, firstAt }) {
    const [first] = items;
    if (answered && asked !== null && firstAt !== null) this.#amend(first, { answeredAfterMs: firstAt - asked });
  }

  /** @param {string} response */
  #interrupted(response) {
    for (const item of this.#responses.get(response)?.items ?? []) {
      this.#amend(item, { interrupted: this.#turns.get(item)?.interrupted ?? { heardMs: null }, done: true });
    }
  }

  /**
   * @param {string} item
   * @param {string} response
   * @param {number} at
   */
  #belongs(item, response, at) {
    const known = this.#responses.get(response);
    if (!known || known.items.has(item)) return;
    known.items.add(item);
    known.firstAt ??= at;
    this.#turn("model", item, at);
    this.#tellAnswer(known);
  }

  /**
   * @param {"you" | "model"} who
   * @param {string} id
   * @param {number} at
   * @param {string} delta
   */
  #add(who, id, at, delta) {
    this.#change(who, id, at, { text: this.#turn(who, id, at).text + delta, unheard: null, done: false });
  }

  /**
   * @param {"you" | "model"} who
   * @param {string} id
   * @param {number} at
   * @param {Partial<Turn>} change
   */
  #change(who, id, at, change) {
    this.#turn(who, id, at);
    this.#amend(id, change);
  }

  /**
   * @param {string | undefined} id of a turn that may be unknown, or forgotten
   * @param {Partial<Turn>} change
   */
  #amend(id, change) {
    const turn = this.#turns.get(id ?? "");
    if (!turn) return;
    if (turn.text && change.unheard) delete change.unheard; // what was heard stays
    this.#onTurn(Object.freeze({ ...Object.assign(turn, change) }));
  }

  /**
   * @param {"you" | "model"} who
   * @param {string} id
   * @param {number} at
   * @returns {Turn}
   */
  #turn(who, id, at) {
    const known = this.#turns.get(id);
    if (known) return known;
    /** @type {Turn} */
    const made = { id, who, at, text: "", unheard: null, done: false, answeredAfterMs: null, tokens: null, interrupted: null };
    this.#turns.set(id, made);
    forget(this.#turns);
    return made;
  }
}

/** @param {Map<string, unknown>} kept in which the oldest stand first */
function forget(kept) {
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST_TURNS) break;
    kept.delete(oldest);
  }
}

/** @param {number[]} sorted */
function median(sorted) {
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}
