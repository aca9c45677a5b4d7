/** Follow the newest line, unless the reader has scrolled away from it. */

const NEAR_PIXELS = 40;

/** @param {HTMLElement} box */
export function StickyScroll(box) {
  return {
    /** @param {() => void} change */
    keep(change) {
      const follow = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PIXELS;
      change();
      if (follow) box.scrollTop = box.scrollHeight;
    },
  };
}
