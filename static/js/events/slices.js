/** Long work in short slices, so that the page answers in between. Knows no DOM. */

const SLICE_MS = 8;

/**
 * Returns what its steps have given, or null if it did not come to its end.
 * @template T
 * @param {Iterator<T | undefined, void>} work a step of it is short
 * @param {AbortSignal} [signal]
 */
export async function slices(work, signal) {
  /** @type {T[]} */
  const given = [];
  for (;;) {
    const until = performance.now() + SLICE_MS;
    do {
      if (signal?.aborted) return null;
      const { done, value } = work.next();
      if (done) return given;
      if (value !== undefined) given.push(value);
    } while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve));
  }
}
