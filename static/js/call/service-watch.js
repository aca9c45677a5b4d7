/** Whether the service answers while a call, which does not pass through it, goes on. Knows no DOM. */

import { serviceAnswers } from "../api.js";

const EVERY_MS = 2000;

/**
 * @param {AbortSignal} signal
 * @param {(answers: boolean) => void} onChange not called as long as it answers
 */
export function watchService(signal, onChange) {
  let known = true;
  const look = async () => {
    const answers = await serviceAnswers({ signal });
    if (signal.aborted) return;
    if (answers !== known) onChange(known = answers);
    timer = setTimeout(look, EVERY_MS);
  };
  let timer = setTimeout(look, EVERY_MS);
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
}
