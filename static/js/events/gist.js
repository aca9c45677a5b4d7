/** The gist of an event in one line. Knows no DOM. */

import { words } from "../words.js";

const text = words.gist;
const LONGEST = 200; // characters; no row is wider

/** @typedef {import("./families.js").Direction} Direction */

/**
 * Whether it tells of a failure.
 * @param {Direction} direction
 * @param {any} event
 */
export function isBad(direction, event) {
  if (direction === "http") return !(event?.status < 400);
  const type = String(event?.type);
  return type === "error" || type.endsWith(".failed") || ["failed", "incomplete"].includes(event?.response?.status);
}

/**
 * What one would look for in it first, such as "voice: marin"; empty where there is nothing to say.
 * @param {Direction} direction
 * @param {any[]} events one, or the deltas of one item
 */
export function gist(direction, events) {
  const [event] = events;
  const said = events.length > 1 || typeof event?.delta === "string" ? joined(events) : one(direction, event);
  const line = said.slice(0, LONGEST + 1).replace(/\s+/g, " ").trim();
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}

/**
 * What deltas say together.
 * @param {any[]} events
 */
export function joined(events) {
  return events.map((event) => (typeof event?.delta === "string" ? event.delta : "")).join("");
}

/**
 * @param {Direction} direction
 * @param {any} event
 * @returns {string}
 */
function one(direction, event) {
  if (event === null || typeof event !== "object") return JSON.stringify(event) ?? "";
  if (direction === "http") return event.status === null ? text.noAnswer : text.answered(event.status, Math.round(event.ms ?? 0));
  if (event.error) return [event.error.code ?? event.error.type, event.error.message].filter(Boolean).join(": ");
  if (event.session) return session(event.session);
  if (event.item) return item(event.item);
  if (event.response && event.type !== "response.create") return response(event.response);
  if (event.part) return [event.part.type, event.part.transcript ?? event.part.text].filter(Boolean).join(": ");
  if (Array.isArray(event.rate_limits)) return list(event.rate_limits.map((/** @type {any} */ { name, remaining, limit }) => text.remaining(name, remaining, limit)));
  const spoken = event.transcript ?? event.text ?? event.arguments;
  if (typeof spoken === "string") return event.name ? `${event.name} ${spoken}` : spoken;
  const ms = event.audio_start_ms ?? event.audio_end_ms;
  if (typeof ms === "number") return text.atSeconds((ms / 1000).toFixed(2));
  return members(event.response ?? event);
}

/** @param {any} session */
function session({ model, audio, instructions, tools, output_modalities: modalities, tool_choice: choice }) {
  const turns = audio?.input?.turn_detection;
  return list([
    model && `model: ${model}`, audio?.output?.voice && `voice: ${audio.output.voice}`,
    turns === null ? text.noTurns : turns?.type, audio?.input?.transcription?.model,
    tools?.length && text.tools(tools.length), typeof choice === "string" && choice !== "auto" && `tool_choice: ${choice}`,
    modalities?.length === 1 && modalities[0] !== "audio" && modalities[0], instructions && `“${instructions}”`,
  ]);
}

/** @param {any} item */
function item({ type, role, content, name, arguments: given, output }) {
  if (type === "function_call") return `${name}(${given ?? ""})`;
  if (type === "function_call_output") return String(output);
  const parts = Array.isArray(content) ? content : [];
  const said = parts.map((part) => part?.text ?? part?.transcript ?? "").join(" ");
  return [role ?? type, said].filter(Boolean).join(": ");
}

/** @param {any} response */
function response({ status, status_details: details, usage, output }) {
  const calls = Array.isArray(output) ? output.filter((each) => each?.type === "function_call").map(({ name }) => `${name}()`) : [];
  return list([
    [status, details?.error?.message ?? details?.reason].filter(Boolean).join(": "), ...calls,
    usage && text.tokens(usage.input_tokens ?? 0, usage.output_tokens ?? 0),
  ]);
}

/** @param {any} event */
function members(event) {
  const plain = Object.entries(event).filter(([name, value]) => !["type", "event_id"].includes(name) && ["string", "number", "boolean"].includes(typeof value));
  return list(plain.slice(0, 3).map(([name, value]) => `${name}: ${value}`));
}

/** @param {(string | number | false | null | undefined)[]} parts */
function list(parts) {
  return parts.filter(Boolean).join(" · ");
}
