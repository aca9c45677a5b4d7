/** Whether a microphone hears anything: its level for some seconds, and a verdict in a sentence. */

import { listen } from "../call/microphone.js";
import { element } from "../element.js";
import { words } from "../words.js";

const text = words.devices;
/** Some -46 dBFS: above the noise of a microphone, below a quiet voice. */
const AUDIBLE = 0.23;
const [SILENT_MS, TEST_MS] = [3000, 10_000];
/** Screen readers get a calmer figure than the eye. */
const SPOKEN_EVERY_MS = 500;
/** How much of its level the meter keeps from one look to the next. */
const FALL = 0.9;

/**
 * @param {() => import("../call/devices.js").Devices} devices what to listen to
 * @param {() => void} onOpened
 * @param {(error: unknown) => void} onFailed it could not be opened
 */
export function MicrophoneTest(devices, onOpened, onFailed) {
  const button = /** @type {HTMLButtonElement} */ (element("button", { class: "button", type: "button" }, text.test));
  const meter = Meter();
  const verdict = element("p", { class: "hint microphone-test-verdict", role: "status" });
  /** @type {AbortController | null} */
  let testing = null;

  button.addEventListener("click", () => { if (testing) stop(); else void start(); });

  async function start() {
    testing?.abort();
    const mine = testing = new AbortController();
    button.textContent = text.stop;
    say("opening");
    try {
      await listen(devices(), mine.signal, judge());
      if (!mine.signal.aborted) onOpened();
    } catch (error) {
      if (testing !== mine) return;
      stop();
      onFailed(error);
    }
  }

  /** What is made of the levels of one test. */
  function judge() {
    let [began, told, heard] = [0, false, false];
    return (/** @type {number | null} */ level) => {
      began ||= performance.now();
      const ms = performance.now() - began;
      meter.show(level ?? 0);
      told ||= level !== null;
      heard ||= level !== null && level > AUDIBLE;
      say(heard ? "heard" : ms < SILENT_MS ? "listening" : told ? "silence" : "untold");
      if (ms > TEST_MS) stop();
    };
  }

  /** @param {keyof typeof text.heard} what */
  function say(what) {
    if (verdict.textContent !== text.heard[what]) verdict.textContent = text.heard[what];
    verdict.dataset.heard = what;
  }

  function stop() {
    if (!testing) return;
    testing.abort();
    testing = null;
    button.textContent = text.test;
    meter.clear();
    if (verdict.dataset.heard === "listening") say("opening");
  }

  return {
    nodes: [element("div", { class: "microphone-test" }, button, meter.root), verdict],
    button,
    stop,
    /** With another microphone, if a test goes on. */
    restart() { if (testing) void start(); },
    /** @param {string} what is said of the microphone otherwise */
    remark(what) {
      verdict.textContent = what;
      delete verdict.dataset.heard;
    },
    /** @param {boolean} live there is a call, and its level is elsewhere */
    yield(live) {
      if (live) say("live");
      else if (verdict.dataset.heard === "live") say("opening");
    },
  };
}

function Meter() {
  const bar = element("span", { class: "microphone-test-level" });
  const root = element("div", { class: "microphone-test-meter", role: "meter", "aria-label": text.level, "aria-valuemin": "0", "aria-valuemax": "100" }, bar);
  let [shown, loudest, told] = [0, 0, 0];

  /** @param {number} level */
  function tell(level) {
    root.setAttribute("aria-valuenow", String(Math.round(level * 100)));
    [loudest, told] = [0, performance.now()];
  }
  /** @param {number} level */
  function draw(level) {
    shown = level;
    bar.style.setProperty("--level", level.toFixed(2));
  }
  tell(0);
  return {
    root,
    /** @param {number} level from 0 to 1 */
    show(level) {
      draw(Math.max(level, shown * FALL)); // or a short sound could not be seen
      loudest = Math.max(loudest, level);
      if (performance.now() - told > SPOKEN_EVERY_MS) tell(loudest);
    },
    clear() {
      draw(0);
      tell(0);
    },
  };
}
