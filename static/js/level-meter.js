/** A bar that shows how loud a stream is. */

import { LevelSource } from "./level-source.js";

/** Screen readers get a calmer figure than the eye. */
const SPOKEN_EVERY_MS = 500;
const FALL_PER_FRAME = 0.02;

/** @param {HTMLElement} bar */
export function LevelMeter(bar) {
  /** @type {LevelSource | null} */
  let source = null;
  let shown = 0;
  let spokenAt = 0;

  /** @param {number} level */
  function update(level) {
    shown = Math.max(level, shown - FALL_PER_FRAME, 0);
    bar.style.setProperty("--level", shown.toFixed(3));
    const now = performance.now();
    if (source && now - spokenAt < SPOKEN_EVERY_MS) return;
    spokenAt = now;
    bar.setAttribute("aria-valuenow", String(Math.round(shown * 100)));
  }

  function frame() {
    if (!source) return;
    update(source.read());
    requestAnimationFrame(frame);
  }

  return {
    /** @param {MediaStream} stream */
    listen(stream) {
      source?.close();
      const idle = source === null;
      source = new LevelSource(stream);
      if (idle) requestAnimationFrame(frame);
    },
    stop() {
      source?.close();
      source = null;
      shown = 0;
      update(0);
    },
  };
}
