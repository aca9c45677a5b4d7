/** Why a call is over, in words: by what the page saw, and by what the service tells of it a little later. Knows no DOM. */

import { advise } from "./advice.js";
import { words } from "./words.js";

const { byUs, lost, enders, after, afterBy } = words.details;

/** @typedef {import("./hub.js").Stage} Stage */
/** @typedef {import("./call/follow.js").CallObject | null} CallObject */

/**
 * @param {Pick<Stage, "by" | "error">} stage
 * @param {CallObject} call
 */
export function howEnded({ by, error }, call) {
  if (by === "them") return ender(call);
  if (!error) return byUs;
  return error.step === "connection" ? lost : advise(error.step, error.cause).title.replace(/\.$/, "");
}

/**
 * Beside the large "Ended".
 * @param {Stage} stage
 * @param {CallObject} call
 * @param {string} time how long it lasted
 */
export function endedAfter(stage, call, time) {
  const how = howEnded(stage, call);
  return stage.by === "them" ? afterBy(time, how) : after(how, time);
}

/**
 * In a sentence, without its full stop.
 * @param {Stage} stage
 * @param {CallObject} call
 */
export function whyEnded(stage, call) {
  const how = howEnded(stage, call);
  return stage.by === "them" ? words.summary.endedBy(how) : how;
}

/** @param {CallObject} call */
function ender(call) {
  const by = call?.status === "ended" ? call.ended_by : null;
  return /** @type {Record<string, string>} */ (enders)[by ?? "unknown"] ?? by ?? enders.unknown;
}
