/** Focus is never lost to the body. */

/**
 * Make a change; if it hides or disables what has the focus, the first of `heirs` that can take it gets it.
 * @param {() => void} change
 * @param {() => Iterable<HTMLElement>} heirs
 */
export function keepFocus(change, heirs) {
  const focused = document.activeElement;
  change();
  if (!(focused instanceof HTMLElement) || focused === document.body || takesFocus(focused)) return;
  for (const heir of heirs()) {
    if (!takesFocus(heir)) continue;
    heir.focus();
    return;
  }
}

/** @param {HTMLElement} node */
function takesFocus(node) {
  return node.isConnected && !node.matches(":disabled") && node.checkVisibility({ visibilityProperty: true });
}
