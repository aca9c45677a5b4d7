/** What a failure is and what to do about it: which of the words fit it. Knows no DOM. */

import { AnswerError, ApiError, NetworkError } from "./api.js";
import { DeviceGone, MicrophoneLost } from "./call/devices.js";
import { CallLost } from "./call/steps.js";
import { fieldAt } from "./session/settings.js";
import { words } from "./words.js";

/** @typedef {"key" | "session" | import("./session/settings.js").Name} Field of the session form; session: one that only its JSON has */
/**
 * What mends it, as far as a button can: `reconnect` is for a call that stood, `token` for a token that is spent or over,
 * `devices` leads to the choice of a microphone.
 * @typedef {"again" | "reconnect" | "token" | "withoutMicrophone" | "devices" | Field | null} Remedy
 */
/** @typedef {{title: string, message: string, todo: string, field?: Field, remedy: Remedy}} Advice */

/** @typedef {Record<"titles" | "answers" | "codes" | "said" | "statuses" | "connection" | "anotherMicrophone", Record<string, string>>} Named by step, code, status, or the browser's name for a fault */

const text = /** @type {typeof words.advice & Named & {microphone: Record<string, [string, string]>}} */ (words.advice);
/** The field at fault, for what can be put right in the session form. */
const FIELDS = new Map(/** @type {[string, Field][]} */ ([
  ["invalid_api_key", "key"], ["invalid_jwt", "key"], ["insufficient_scope", "key"], ["model_not_allowed", "model"], ["model_not_found", "model"],
]));

/**
 * @param {string} step
 * @param {unknown} error
 * @returns {Advice}
 */
export function advise(step, error) {
  const title = text.titles[step] ?? text.other.title;
  const message = error instanceof Error ? error.message : String(error);
  const remedy = remedyFor(step, error);
  if (error instanceof CallLost) return { ...text.lost[error.why], remedy };
  if (error instanceof ApiError) {
    const code = error.code ?? "";
    const todo = text.codes[code] ?? text.statuses[error.status] ?? text.statuses[error.status < 500 ? 400 : 500];
    const wait = error.retryAfterSeconds === null ? "" : text.wait(error.retryAfterSeconds);
    return { title: (step === "answer" && text.answers[code]) || title, remedy, message: inWords(error), field: fieldOf(error), todo: todo + wait };
  }
  if (step === "service") return { title, remedy, message: text.service, todo: text.connection.service };
  if (step === "part") return { title, remedy, ...text.part };
  if (error instanceof DOMException && error.name === "TimeoutError") return { title, remedy, message: text.timeout, todo: text.statuses[504] };
  if (error instanceof NetworkError) {
    if (step === "hangup") return { title, remedy, message, todo: text.connection.hangup };
    return { title: step === "key" ? text.titles.service : title, remedy, message, todo: text.network };
  }
  if (error instanceof AnswerError) return { title, remedy, message, todo: text.answerChanged };
  if (error instanceof DeviceGone) return { ...text.deviceGone(error.kind, error.label), remedy: error.kind === "microphone" ? remedy : null };
  if (error instanceof MicrophoneLost) {
    const { message: why, todo } = advise(step, error.cause);
    return { ...text.microphoneLost(why), remedy, todo };
  }
  if (step === "devices" && error instanceof Error) {
    return { title, remedy, message: text.microphone[error.name]?.[0] ?? message, todo: text.anotherMicrophone[error.name] ?? text.other.device };
  }
  if (step === "microphone" && error instanceof Error) {
    const [what, todo] = text.microphone[error.name] ?? [message, text.other.microphone];
    return { title, remedy, message: what, todo };
  }
  return { title, remedy, message, todo: text.connection[step] ?? text.other.todo };
}

/**
 * What the service says, for people.
 * @param {ApiError} error
 */
export function inWords({ code, message }) {
  return text.said[code ?? ""] ?? message;
}

/**
 * @param {string} step
 * @param {unknown} error
 * @returns {Remedy}
 */
function remedyFor(step, error) {
  if (["hangup", "page", "part", "service"].includes(step)) return null;
  if (step === "devices") return "devices";
  if (step === "microphone") return /** @type {Error} */ (error).name === "NotReadableError" ? "devices" : "withoutMicrophone";
  if (step === "connection" || step === "session-created") return "reconnect";
  if (!(error instanceof ApiError)) return "again";
  if (error.code === "token_rejected") return "token";
  return fieldOf(error) ?? "again";
}

/**
 * What was refused is what `param` names, and else what its code is about.
 * @param {ApiError} error
 * @returns {Field | undefined}
 */
function fieldOf({ status, code, param }) {
  const named = status < 500 && status !== 429 ? fieldAt(param ?? "") : null;
  return named ?? FIELDS.get(code ?? "");
}
