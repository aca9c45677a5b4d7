/** Focus is never lost to the body. */

/**
 * Make a change; if it hides or disables what has the focus, the first of `heirs` that can take it gets it.
 * @param {() => void} change
 * @param {() => Iterable<HTMLElement>} heirs
 * @param {Element | null} [focused]
 */
export function keepFocus(change, heirs, focused = document.activeElement) {
  change();
  if (focused instanceof HTMLElement && focused !== document.body && !takesFocus(focused)) pass(heirs);
}

/**
 * Modal. When it is closed, what had the focus gets it back; if it can no longer have it, one of `heirs` does.
 * @param {HTMLDialogElement} dialog
 * @param {() => Iterable<HTMLElement>} heirs
 */
export function showDialog(dialog, heirs) {
  const focused = document.activeElement;
  dialog.showModal();
  dialog.addEventListener("close", () => {
    const { activeElement: now, body } = document;
    const isKept = now instanceof HTMLElement && now !== body && takesFocus(now);
    if (focused !== body && !isKept) pass(heirs);
  }, { once: true });
}

/** @param {() => Iterable<HTMLElement>} heirs */
function pass(heirs) {
  [...heirs()].find(takesFocus)?.focus();
}

/** @param {HTMLElement} node */
function takesFocus(node) {
  return node.isConnected && !node.matches(":disabled") && node.checkVisibility({ visibilityProperty: true });
}
