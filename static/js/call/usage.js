/** What a call has used, as its channel tells it, and how that compares with the service's account. Knows no DOM. */

/** @typedef {Record<string, any>} Usage as the API of calls shows it; a number is null where nobody knows */
/** @typedef {"unread" | "unheard" | "unwatched" | "same" | "behind" | "gaps" | "more" | "less"} Why */

/** The numbers of a usage, by their paths. */
export const FIGURES = Object.freeze({
  responses: ["responses"],
  input: ["input_tokens"],
  inputText: ["input_token_details", "text_tokens"],
  inputAudio: ["input_token_details", "audio_tokens"],
  cached: ["input_token_details", "cached_tokens"],
  output: ["output_tokens"],
  outputText: ["output_token_details", "text_tokens"],
  outputAudio: ["output_token_details", "audio_tokens"],
  transcribed: ["transcription", "tokens"],
  transcribedSeconds: ["transcription", "seconds"],
});

/** Adds up what the provider tells this page: each response and each transcription once. */
export class ChannelUsage {
  /** @type {Set<string>} */
  #counted = new Set();
  #begun = new Set();
  /** @type {Record<string, number>} */
  #sums = Object.fromEntries(Object.keys(FIGURES).map((name) => [name, 0]));
  #untold = false;

  /**
   * @param {any} event from the provider
   * @returns {boolean} whether it has changed anything
   */
  receive(event) {
    switch (event?.type) {
      case "response.created": this.#begun.add(event.response?.id); return false;
      case "response.done": return this.#once(`response ${event.response?.id}`, () => this.#responded(event.response));
      case "conversation.item.input_audio_transcription.completed":
        return this.#once(`transcription ${event.item_id} ${event.content_index}`, () => this.#transcribed(event.usage));
      default: return false;
    }
  }

  /** @returns {Usage} */
  get now() {
    /** @type {Usage} */
    const usage = { label: this.#untold || this.#begun.size > 0 ? "partial" : "complete" };
    for (const [name, [first = "", second]] of Object.entries(FIGURES)) {
      if (second) (usage[first] ??= {})[second] = this.#sums[name];
      else usage[first] = this.#sums[name];
    }
    return usage;
  }

  /**
   * @param {string} id
   * @param {() => void} count
   */
  #once(id, count) {
    if (this.#counted.has(id)) return false;
    this.#counted.add(id);
    count();
    return true;
  }

  /** @param {any} response */
  #responded(response) {
    this.#begun.delete(response?.id);
    this.#add({ responses: 1 });
    if (!response?.usage) {
      this.#untold = true;
      return;
    }
    this.#add(Object.fromEntries(Object.keys(FIGURES).filter((name) => /^(in|out|cached)/.test(name)).map((name) => [name, figure(response.usage, name)])));
  }

  /** @param {any} usage billed by time, or by tokens */
  #transcribed(usage) {
    if (usage?.type === "duration") this.#add({ transcribedSeconds: usage.seconds });
    else if (usage?.type === "tokens") this.#add({ transcribed: (usage.input_tokens ?? 0) + (usage.output_tokens ?? 0) });
    else this.#untold = true;
  }

  /** @param {Record<string, number | null>} more */
  #add(more) {
    for (const [name, value] of Object.entries(more)) this.#sums[name] = (this.#sums[name] ?? 0) + (Number(value) || 0);
  }
}

/**
 * One number of a usage; null where nobody knows it.
 * @param {Usage | null | undefined} usage
 * @param {string} name of FIGURES
 * @returns {number | null}
 */
export function figure(usage, name) {
  const [first = "", second] = /** @type {Record<string, string[]>} */ (FIGURES)[name] ?? [];
  const value = second ? usage?.[first]?.[second] : usage?.[first];
  return typeof value === "number" ? value : null;
}

/**
 * Which figures the two accounts do not share.
 * @param {Usage} channel
 * @param {Usage | null | undefined} record
 */
export function differing(channel, record) {
  return Object.keys(FIGURES).filter((name) => {
    const [here, there] = [figure(channel, name), figure(record, name)];
    return here !== null && there !== null && Math.abs(here - there) > 1e-6;
  });
}

/**
 * Why they differ, or that they do not.
 * @param {Usage} channel
 * @param {import("./follow.js").CallObject | null} call
 * @param {boolean} over whether the call has ended and what is told of it will not change
 * @returns {Why}
 */
export function compare(channel, call, over) {
  if (!call) return "unread";
  if (call.usage.label === "unknown") return over ? "unwatched" : "unheard";
  const names = differing(channel, call.usage);
  if (names.length === 0) return "same";
  if (!over && call.gaps.length === 0) return "behind";
  if (names.some((name) => (figure(call.usage, name) ?? 0) > (figure(channel, name) ?? 0))) return over ? "more" : "behind";
  return call.gaps.length > 0 ? "gaps" : "less";
}
