/** Keys for what is done by ear: hold Space to talk, M, I, H; and ? for help. Off while typing, and while a dialog is open. */

/** Where a letter is a letter. */
const TYPING = "input:not([type=checkbox], [type=range]), select, textarea, [contenteditable]";
/** Where Space presses what has the focus. */
const PRESSED = `${TYPING}, input, button, a, summary, [role="tab"], [role="separator"]`;

/**
 * @param {Pick<import("./hub.js").Actions, "talk" | "interrupt" | "hangUp">} actions
 * @param {{live: () => boolean, toggleMute: () => void, help: () => void}} more
 * @param {AbortSignal} [signal]
 */
export function listenForShortcuts(actions, { live, toggleMute, help }, signal) {
  let held = false;
  const release = () => {
    if (held) actions.talk(false);
    held = false;
  };
  const letters = new Map([["m", toggleMute], ["i", actions.interrupt], ["h", () => void actions.hangUp()]]);

  addEventListener("keydown", (event) => {
    const at = event.target instanceof Element ? event.target : document.body;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "?" && !at.matches(TYPING)) help();
    if (!live()) return;
    if (event.key === " " && (held || !at.matches(PRESSED))) {
      event.preventDefault(); // it would scroll
      if (event.repeat || held) return;
      actions.talk(true);
      held = true;
      return;
    }
    if (event.repeat || at.matches(TYPING)) return;
    letters.get(event.key.toLowerCase())?.();
  }, { signal });
  addEventListener("keyup", (event) => { if (event.key === " ") release(); }, { signal });
  addEventListener("blur", release, { signal });
}
