/** Events that a client may send: proposals, what is checked before one is sent, and what answers it. Knows no DOM. */

import { isObject, readJson, TOOL } from "../session/json.js";
import { words } from "../words.js";
import { said } from "./families.js";

const text = words.compose;

/** By their names in `words.compose.presets`. */
export const PRESETS = Object.freeze({
  session: { type: "session.update", session: { type: "realtime", audio: { output: { voice: "marin" } } } },
  tool: { type: "session.update", session: { type: "realtime", tools: [TOOL], tool_choice: "auto" } },
  item: { type: "conversation.item.create", item: { type: "message", role: "user", content: [{ type: "input_text", text: "Good morning" }] } },
  system: { type: "conversation.item.create", item: { type: "message", role: "system", content: [{ type: "input_text", text: "Answer in rhymes." }] } },
  response: { type: "response.create" },
  outOfBand: { type: "response.create", response: { conversation: "none", output_modalities: ["text"], instructions: "Sum up this conversation in a sentence.", metadata: { purpose: "summary" } } },
  cancel: { type: "response.cancel" },
  commit: { type: "input_audio_buffer.commit" },
  clearInput: { type: "input_audio_buffer.clear" },
  clearOutput: { type: "output_audio_buffer.clear" },
  retrieve: { type: "conversation.item.retrieve", item_id: "item_…" },
  truncate: { type: "conversation.item.truncate", item_id: "item_…", content_index: 0, audio_end_ms: 500 },
  remove: { type: "conversation.item.delete", item_id: "item_…" },
});

/** Types of the events that answer, the first that comes. */
const ANSWERS = /** @type {Record<string, string[]>} */ ({
  "session.update": ["session.updated"],
  "conversation.item.create": ["conversation.item.added", "conversation.item.created", "conversation.item.done"],
  "conversation.item.retrieve": ["conversation.item.retrieved"],
  "conversation.item.truncate": ["conversation.item.truncated"],
  "conversation.item.delete": ["conversation.item.deleted"],
  "response.create": ["response.created"],
  "response.cancel": ["response.done"],
  "input_audio_buffer.commit": ["input_audio_buffer.committed"],
  "input_audio_buffer.clear": ["input_audio_buffer.cleared"],
  "output_audio_buffer.clear": ["output_audio_buffer.cleared"],
});

/**
 * The event that is written; throws Error, which says in words what is wrong.
 * @param {string} written
 * @returns {Record<string, unknown>}
 */
export function parse(written) {
  const value = readJson(written);
  if (!isObject(value)) throw new Error(text.notObject);
  if (typeof value.type !== "string" || !value.type) throw new Error(text.noType);
  if ("event_id" in value && (typeof value.event_id !== "string" || !value.event_id)) throw new Error(text.badId);
  return value;
}

/** @param {unknown} type of what is sent; what answers it, empty where nothing does */
export function answers(type) {
  return Object.hasOwn(ANSWERS, said(type)) ? ANSWERS[said(type)] ?? [] : [];
}

/**
 * Whether an event is the answer, or the refusal.
 * @param {any} event received
 * @param {{id: string, type: unknown}} sent
 * @returns {"answer" | "refusal" | null}
 */
export function bearing(event, { id, type }) {
  if (event?.type === "error") return event.error?.event_id === id ? "refusal" : null;
  return answers(type).includes(event?.type) ? "answer" : null;
}
