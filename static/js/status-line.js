/** One line that says how the call stands, and for how long. */

/** @param {HTMLElement} root */
export function StatusLine(root) {
  const text = /** @type {HTMLElement} */ (root.querySelector("#status"));
  const clock = /** @type {HTMLElement} */ (root.querySelector(".status-clock"));
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  let began = 0;

  function tick() {
    const seconds = Math.floor((performance.now() - began) / 1000);
    clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  return {
    /**
     * @param {string} state
     * @param {string} sentence
     */
    update(state, sentence) {
      root.dataset.state = state;
      text.dataset.state = state;
      if (text.textContent !== sentence) text.textContent = sentence;
      const running = state === "connected" || state === "interrupted";
      if (running && !timer) {
        began = performance.now();
        timer = setInterval(tick, 1000);
        tick();
      }
      if (!running) {
        clearInterval(timer);
        timer = undefined;
        if (state === "connecting") clock.textContent = "";
      }
    },
  };
}
