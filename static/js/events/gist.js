/** The gist of an event in one line. Knows no DOM. */

import { words } from "../words.js";
import { said } from "./families.js";

const text = words.gist;
const LONGEST = 200; // characters; no row is wider

/** @typedef {import("./families.js").Direction} Direction */

/**
 * Whether it tells of a failure.
 * @param {Direction} direction
 * @param {any} event
 */
export function isBad(direction, event) {
  if (direction === "http") return !(Number(said(event?.status) || NaN) < 400);
  const type = said(event?.type);
  return type === "error" || type.endsWith(".failed") || ["failed", "incomplete"].includes(event?.response?.status);
}

/**
 * What one would look for in it first, such as "voice: marin"; empty where there is nothing to say.
 * @param {Direction} direction
 * @param {any[]} events one, or the deltas of one item
 */
export function gist(direction, events) {
  const [event] = events;
  const whole = events.length > 1 || typeof event?.delta === "string" ? joined(events) : one(direction, event);
  const line = whole.slice(0, LONGEST + 1).replace(/\s+/g, " ").trim();
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
 * Any JSON may come: what is not of the kind that is read here is left out.
 * @param {Direction} direction
 * @param {any} event
 * @returns {string}
 */
function one(direction, event) {
  if (event === null || typeof event !== "object") return JSON.stringify(event) ?? "";
  if (direction === "http") return event.status === null ? text.noAnswer : text.answered(said(event.status), Math.round(Number(said(event.ms))));
  const { error, session: terms, item: entry, response: made, part, rate_limits: limits } = event;
  if (error) return joinedBy(": ", [said(error.code) || error.type, error.message]);
  if (terms) return session(terms);
  if (entry) return item(entry);
  if (made && event.type !== "response.create") return response(made);
  if (part) return joinedBy(": ", [part.type, said(part.transcript) || part.text]);
  if (Array.isArray(limits)) return list(limits.map((each) => text.remaining(said(each?.name), said(each?.remaining), said(each?.limit))));
  const spoken = event.transcript ?? event.text ?? event.arguments;
  if (typeof spoken === "string") return joinedBy(" ", [event.name, spoken]);
  const ms = event.audio_start_ms ?? event.audio_end_ms;
  if (typeof ms === "number") return text.atSeconds((ms / 1000).toFixed(2));
  return members(made ?? event);
}

/** @param {any} session */
function session({ model, audio, instructions, tools, output_modalities: modalities, tool_choice: choice }) {
  const turns = audio?.input?.turn_detection;
  const voice = said(audio?.output?.voice);
  return list([
    said(model) && `model: ${said(model)}`, voice && `voice: ${voice}`,
    turns === null ? text.noTurns : turns?.type, audio?.input?.transcription?.model,
    Array.isArray(tools) && tools.length > 0 && text.tools(tools.length), typeof choice === "string" && choice !== "auto" && `tool_choice: ${choice}`,
    Array.isArray(modalities) && modalities.length === 1 && modalities[0] !== "audio" && modalities[0], said(instructions) && `“${said(instructions)}”`,
  ]);
}

/** @param {any} item */
function item({ type, role, content, name, arguments: given, output }) {
  if (type === "function_call") return `${said(name)}(${said(given)})`;
  if (type === "function_call_output") return said(output);
  const parts = Array.isArray(content) ? content : [];
  return joinedBy(": ", [said(role) || type, joinedBy(" ", parts.map((part) => said(part?.text) || part?.transcript))]);
}

/** @param {any} response */
function response({ status, status_details: details, usage, output }) {
  const calls = Array.isArray(output) ? output.filter((each) => each?.type === "function_call").map(({ name }) => `${said(name)}()`) : [];
  return list([
    joinedBy(": ", [status, said(details?.error?.message) || details?.reason]), ...calls,
    usage && text.tokens(said(usage.input_tokens) || 0, said(usage.output_tokens) || 0),
  ]);
}

/** @param {any} event */
function members(event) {
  const plain = Object.entries(event).filter(([name, value]) => !["type", "event_id"].includes(name) && said(value));
  return list(plain.slice(0, 3).map(([name, value]) => `${name}: ${value}`));
}

/** @param {unknown[]} parts */
function list(parts) {
  return joinedBy(" · ", parts);
}

/**
 * @param {string} between
 * @param {unknown[]} parts
 */
function joinedBy(between, parts) {
  return parts.filter(Boolean).map(said).filter(Boolean).join(between);
}
