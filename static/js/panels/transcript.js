/** What both sides said, as it is said. */

import { element, icon } from "../element.js";
import { StickyScroll } from "../sticky-scroll.js";
import { words } from "../words.js";

const MOST_TURNS = 200;
const WAVE = "M3 10v4M6.5 7v10M10 4v16M13.5 9v6M17 6v12M20.5 10v4";
const said = words.transcript;

/** @typedef {{type?: string, item_id?: string, delta?: string, transcript?: string, text?: string}} ServerEvent */

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 */
export function mount(root, hub) {
  const empty = element("p", { class: "empty" }, icon(WAVE), said.empty);
  const list = element("ol", { class: "transcript-list", id: "transcript", "aria-label": said.label });
  const log = element("div", { role: "log", "aria-label": said.label }, list);
  const scroll = element("div", { class: "transcript-scroll", tabindex: "0", role: "region", "aria-label": said.heading }, empty, log);
  root.append(scroll);
  /** @type {Map<string, {item: HTMLElement, text: HTMLElement, heard: boolean}>} */
  const turns = new Map();
  const sticky = StickyScroll(scroll);

  hub.on("state", ({ state }) => { if (state === "checking") clear(); });
  hub.on("event", ({ direction, event }) => { if (direction === "in" && event) receive(event); });
  hub.on("wrote", (text) => update("you", `page ${turns.size} ${performance.now()}`, { set: text, done: true }));

  /**
   * @param {"you" | "model"} who
   * @param {string} id
   */
  function turn(who, id) {
    const known = turns.get(id);
    if (known) return known;
    const text = element("p", { class: "turn-text" });
    const item = element("li", { class: "turn", "data-who": who, "aria-busy": "true" }, element("span", { class: "turn-who" }, said[who]), text);
    const made = { item, text, heard: false };
    turns.set(id, made);
    list.append(item);
    for (const [oldest, { item: old }] of turns) {
      if (turns.size <= MOST_TURNS) break;
      turns.delete(oldest);
      old.remove();
    }
    return made;
  }

  /**
   * @param {"you" | "model"} who
   * @param {string} id
   * @param {{add?: string, set?: string, hint?: string, done?: boolean}} change
   */
  function update(who, id, { add, set, hint, done = false }) {
    sticky.keep(() => {
      const { item, text, heard } = turn(who, id);
      if (hint !== undefined && !heard) {
        item.dataset.hint = "";
        text.textContent = hint;
      }
      if (add !== undefined || set !== undefined) {
        text.textContent = set ?? (heard ? text.textContent : "") + add;
        delete item.dataset.hint;
        /** @type {any} */ (turns.get(id)).heard = true;
      }
      item.setAttribute("aria-busy", String(!done));
      empty.hidden = true;
    });
  }

  function clear() {
    turns.clear();
    list.replaceChildren();
    empty.hidden = false;
  }

  /** @param {ServerEvent} event */
  function receive({ type, item_id: id = "", delta = "", transcript = "", text = "" }) {
    switch (type) {
      case "input_audio_buffer.speech_started":
        return update("you", id, { hint: said.speaking });
      case "input_audio_buffer.speech_stopped":
        return update("you", id, { hint: said.untranscribed, done: true });
      case "conversation.item.input_audio_transcription.delta":
        return update("you", id, { add: delta });
      case "conversation.item.input_audio_transcription.completed":
        return update("you", id, { set: transcript, done: true });
      case "conversation.item.input_audio_transcription.failed":
        return update("you", id, { hint: said.failed, done: true });
      case "response.output_audio_transcript.delta":
      case "response.output_text.delta":
        return update("model", id, { add: delta });
      case "response.output_audio_transcript.done":
        return update("model", id, { set: transcript, done: true });
      case "response.output_text.done":
        return update("model", id, { set: text, done: true });
      default:
        return undefined;
    }
  }
}
