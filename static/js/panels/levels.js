/** How loud both sides are, and a button for a browser that holds the sound back. */

import { LevelSource } from "../call/levels.js";
import { element } from "../element.js";
import { words } from "../words.js";

/** Screen readers get a calmer figure than the eye. */
const SPOKEN_EVERY_MS = 500;
const FALL_PER_FRAME = 0.02;

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const bar = (/** @type {"you" | "model"} */ who) => element("div", { class: "level-bar", "data-level": who, role: "meter", "aria-label": words.levels.names[who], "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0" });
  const bars = { you: bar("you"), model: bar("model") };
  const row = (/** @type {"you" | "model"} */ who) => element("div", { class: "level", "data-who": who }, element("span", { class: "level-name", "aria-hidden": "true" }, words.levels[who]), bars[who]);
  const voice = /** @type {HTMLAudioElement} */ (element("audio", { autoplay: "" }));
  const play = element("button", { class: "button button-primary is-away", id: "play", type: "button" }, words.transcript.play);
  const meters = { you: LevelMeter(bars.you), model: LevelMeter(bars.model) };
  root.append(element("div", { class: "levels" }, row("you"), row("model"), play), voice);

  play.addEventListener("click", () => void listen());
  hub.on("microphone", (stream) => { if (stream) meters.you.listen(stream); });
  hub.on("voice", (stream) => {
    voice.srcObject = stream;
    if (!stream) return;
    meters.model.listen(stream);
    void listen();
  });
  hub.on("state", ({ state }) => {
    if (state !== "ended" && state !== "failed") return;
    for (const meter of Object.values(meters)) meter.stop();
    voice.srcObject = null;
    offer(false);
  });

  /** Browsers may hold sound back until a gesture; then a button asks for one. */
  async function listen() {
    try {
      await voice.play();
      offer(false);
    } catch (error) {
      offer(/** @type {Error} */ (error).name === "NotAllowedError");
    }
  }

  /** @param {boolean} offered */
  function offer(offered) {
    actions.keepFocus(() => play.classList.toggle("is-away", !offered));
  }
}

/** @param {HTMLElement} bar */
function LevelMeter(bar) {
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
