/** Who goes along with a call: made before the first one begins, so that nothing of it is missed. Knows no DOM. */

import { record } from "../events/record.js";
import { followCall } from "./follow.js";
import { holdToken } from "./held-token.js";
import { Journal } from "./journal.js";
import { RealtimeCall } from "./realtime-call.js";

/**
 * @param {import("../hub.js").Hub} hub
 * @param {Pick<import("../hub.js").Actions, "send" | "wanted">} actions
 */
export function accompany(hub, { send, wanted }) {
  followCall(hub);
  return { RealtimeCall, kept: record(hub, send), journal: Journal(hub), token: holdToken(hub, wanted) };
}
