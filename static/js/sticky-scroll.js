/** Follow the newest line, unless the reader has scrolled away from it. */

const NEAR_PIXELS = 40;

/** @param {HTMLElement} box */
export function StickyScroll(box) {
  let follows = true;
  const catchUp = () => { if (follows) box.scrollTop = box.scrollHeight; };
  box.addEventListener("scroll", () => {
    if (box.clientHeight) follows = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PIXELS; // out of sight it measures nothing
  });
  new ResizeObserver(catchUp).observe(box); // back in sight, too
  return {
    /** @param {() => void} change */
    keep(change) {
      change();
      catchUp();
    },
  };
}
