/** Long work in short slices, so that the page answers in between. Knows no DOM. */

const SLICE_MS = 8;

/**
 * Returns whether it came to its end.
 * @param {Iterator<unknown>} work a step of it is short
 * @param {AbortSignal} [signal]
 */
export async function slices(work, signal) {
  for (;;) {
    const until = performance.now() + SLICE_MS;
    do {
      if (signal?.aborted) return false;
      if (work.next().done) return true;
    } while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve));
  }
}
