/** Several calls one after another, to see how long each step takes as a rule and at worst. Knows no DOM. */

import { RealtimeCall } from "./realtime-call.js";
import { STEPS, StepFailure } from "./steps.js";

/** All that a call passes before it can be used; first audio waits for somebody to speak. */
export const MEASURED = STEPS.filter((name) => name !== "first-audio");

/** @typedef {{name: string, p50: number, p95: number}} Figure milliseconds */

/**
 * Each call is ended before the next begins. Resolves when all are done, or after `signal` has ended the one under way;
 * rejects with the StepFailure of a call that fails.
 * @param {number} times
 * @param {import("../hub.js").Wanted & {withMicrophone: boolean}} wanted
 * @param {AbortSignal} signal
 * @param {(taken: Map<string, number>) => void} onCall milliseconds of each step of a call that could be used; skipped ones are missing
 */
export async function repeat(times, wanted, signal, onCall) {
  for (let count = 0; count < times && !signal.aborted; count++) {
    const taken = await once(wanted, signal);
    if (taken) onCall(taken);
  }
}

/**
 * @param {Parameters<typeof repeat>[1]} wanted
 * @param {AbortSignal} signal
 * @returns {Promise<Map<string, number> | null>} null when it was stopped
 */
async function once(wanted, signal) {
  /** @type {Map<string, number>} */
  const taken = new Map();
  const over = new AbortController();
  const ready = new Promise((resolve, reject) => {
    const call = new RealtimeCall((type, detail) => {
      if (type === "step" && detail.state === "done") taken.set(detail.name, detail.to - detail.from);
      if (type === "step" && detail.state === "done" && detail.name === "session-created") resolve(call);
      if (type === "trouble") reject(new StepFailure(detail.step, detail.error));
      if (type === "state" && detail.error) reject(detail.error);
      if (type === "state" && detail.state === "ended") resolve(call);
    });
    const end = () => void call.hangUp({ keepalive: true }).catch(() => {}); // stopped, or the page goes
    signal.addEventListener("abort", end, { once: true, signal: over.signal });
    void call.open(wanted);
  });
  try {
    const call = /** @type {RealtimeCall} */ (await ready);
    if (signal.aborted) return null;
    await call.hangUp();
    return taken;
  } finally {
    over.abort();
  }
}

/**
 * By nearest rank: of ten, the 95th per cent is the slowest.
 * @param {Map<string, number>[]} calls
 * @returns {Figure[]} in the order of the steps; those that none has taken are missing
 */
export function figures(calls) {
  return MEASURED.flatMap((name) => {
    const taken = calls.flatMap((call) => call.get(name) ?? []).sort((a, b) => a - b);
    if (taken.length === 0) return [];
    const rank = (/** @type {number} */ share) => taken[Math.ceil(share * taken.length) - 1] ?? 0;
    return [{ name, p50: rank(0.5), p95: rank(0.95) }];
  });
}
