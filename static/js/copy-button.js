/** A button that copies text and says so; or nothing, where there is no text to copy. */

import { words } from "./words.js";

/**
 * @param {HTMLButtonElement} button
 * @param {() => string | null} text
 */
export function CopyButton(button, text) {
  const name = button.textContent ?? "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  button.addEventListener("click", async () => {
    const given = text();
    if (given === null) return;
    const copied = await copy(given);
    button.textContent = copied ? words.copy.done : words.copy.refused;
    clearTimeout(timer);
    timer = setTimeout(() => { button.textContent = name; }, 1500);
  });
}

/**
 * Whether it was allowed.
 * @param {string} text
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text); // absent on plain http, refused without permission
    return true;
  } catch {
    return false;
  }
}
