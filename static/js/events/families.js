/** What an event is about. Knows no DOM. */

import { words } from "../words.js";

/** @typedef {"in" | "out" | "http"} Direction */
/** @typedef {"http" | "session" | "input" | "item" | "response" | "output" | "tool" | "error" | "other"} Family */

/** In the order of their chips. */
export const FAMILIES = /** @type {readonly Family[]} */ (Object.keys(words.families));

/** The first that matches; an event about a function is one of `tool` whatever its type. */
const BY_TYPE = /** @type {const} */ ([
  ["error", /^error$/],
  ["session", /^(session|transcription_session)\./],
  ["input", /^(input_audio_buffer\.|conversation\.item\.input_audio_transcription\.)/],
  ["output", /^(output_audio_buffer\.|response\.output_audio\.)/],
  ["tool", /function_call|mcp_/],
  ["item", /^conversation\./],
  ["response", /^response\./],
]);

/**
 * @param {Direction} direction
 * @param {any} event
 * @returns {Family}
 */
export function family(direction, event) {
  if (direction === "http") return "http";
  if (said(event?.item?.type).startsWith("function_call")) return "tool";
  const type = title(direction, event);
  return BY_TYPE.find(([, pattern]) => pattern.test(type))?.[0] ?? "other";
}

/**
 * @param {Direction} direction
 * @param {any} event
 */
export function title(direction, event) {
  return (direction === "http" ? `${said(event?.method)} ${said(event?.path)}`.trim() : said(event?.type)) || words.events.noType;
}

/**
 * A text, a number, true or false, as it is written; "" for all else: an object of JSON may have any member, and so a `toString`
 * that is no function.
 * @param {unknown} value
 */
export function said(value) {
  return ["string", "number", "boolean"].includes(typeof value) ? String(value) : "";
}
