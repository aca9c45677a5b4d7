/** What both sides sound like, how loud the model is played, and a button for a browser that holds the sound back. */

import { LevelSource } from "../call/levels.js";
import { playOn } from "../call/speaker.js";
import { element, icon } from "../element.js";
import { isOver } from "../hub.js";
import { words } from "../words.js";
import { Waveform } from "./waveform.js";

/** Screen readers get a calmer figure than the eye. */
const SPOKEN_EVERY_MS = 500;
const LOUDSPEAKER = "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9a4 4 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11";
const WHO = /** @type {const} */ (["you", "model"]);
const text = words.levels;

/** @typedef {typeof WHO[number]} Who */

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const canvas = () => /** @type {HTMLCanvasElement} */ (element("canvas", { class: "lane-wave", "aria-hidden": "true" }));
  const canvases = { you: canvas(), model: canvas() };
  const meter = (/** @type {Who} */ who) => element("div", { class: "lane-meter", role: "meter", "aria-label": text.names[who], "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0" }, canvases[who]);
  const meters = { you: meter("you"), model: meter("model") };
  const lane = (/** @type {Who} */ who) => element("div", { class: "lane", "data-who": who }, element("span", { class: "lane-name", "aria-hidden": "true" }, text[who]), meters[who]);
  const voice = /** @type {HTMLAudioElement} */ (element("audio", { autoplay: "" }));
  const play = element("button", { class: "button button-primary is-away", id: "play", type: "button" }, words.transcript.play);
  const volume = /** @type {HTMLInputElement} */ (element("input", { id: "volume", type: "range", min: "0", max: "100", step: "5", value: "100" }));
  const answer = element("p", { class: "lanes-answer" });
  const lanes = element("div", { class: "lanes" }, lane("you"), lane("model"), element("div", { class: "lanes-foot" },
    answer, play, element("label", { class: "volume", for: "volume" }, icon(LOUDSPEAKER), element("span", { class: "visually-hidden" }, text.volume), volume)));
  root.append(lanes, voice);

  const waveform = Waveform(canvases);
  /** @type {Partial<Record<Who, LevelSource>>} */
  let sources = {};
  let heard = { you: 0, model: 0 };
  let answered = "";
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let telling;

  play.addEventListener("click", () => void listen());
  volume.addEventListener("input", () => { voice.volume = volume.valueAsNumber / 100; });
  // The tests of what may be wrong turn it up, too.
  voice.addEventListener("volumechange", () => { volume.valueAsNumber = Math.round(100 * voice.volume); });
  const chosen = hub.latest("devices");
  if (chosen) void playOn(voice, chosen.speaker);
  hub.on("devices", ({ speaker }) => void playOn(voice, speaker));
  hub.on("microphone", (stream) => { if (stream) follow("you", stream); });
  hub.on("voice", (stream) => {
    voice.srcObject = stream;
    if (!stream) return;
    follow("model", stream);
    void listen();
  });
  hub.on("event", ({ direction, event }) => { if (direction === "in") mark(event); });
  hub.on("turn", ({ id, answeredAfterMs }) => {
    if (answeredAfterMs === null || id === answered) return;
    answered = id;
    waveform.answered(words.milliseconds(answeredAfterMs));
    answer.textContent = text.answer(answeredAfterMs);
  });
  hub.on("state", ({ state }) => {
    if (state === "checking") {
      waveform.clear();
      answer.textContent = "";
    }
    if (isOver(state)) stop();
  });

  /**
   * @param {Who} who
   * @param {MediaStream} stream
   */
  function follow(who, stream) {
    sources[who]?.close();
    sources[who] = new LevelSource(stream);
    waveform.start((each) => {
      const level = sources[each]?.read() ?? 0;
      heard[each] = Math.max(heard[each], level); // a word between two looks is told too
      return level;
    });
    clearInterval(telling);
    telling = setInterval(tellMeters, SPOKEN_EVERY_MS);
  }

  function tellMeters() {
    for (const who of WHO) meters[who].setAttribute("aria-valuenow", String(Math.round(heard[who] * 100)));
    heard = { you: 0, model: 0 };
  }

  function stop() {
    for (const source of Object.values(sources)) source.close();
    sources = {};
    heard = { you: 0, model: 0 };
    clearInterval(telling);
    tellMeters();
    for (const who of WHO) waveform.stops(who);
    waveform.stop();
    voice.srcObject = null;
    offer(false);
  }

  /** @param {any} event */
  function mark(event) {
    switch (event?.type) {
      case "input_audio_buffer.speech_started": return waveform.speaks("you");
      case "input_audio_buffer.speech_stopped": return waveform.stops("you");
      case "session.updated": // without turn detection nobody tells when you stop
        return event.session?.audio?.input?.turn_detection === null ? waveform.stops("you") : undefined;
      case "output_audio_buffer.started": return waveform.speaks("model");
      case "output_audio_buffer.stopped": return waveform.stops("model");
      case "output_audio_buffer.cleared": return waveform.stops("model", true);
      default: return undefined;
    }
  }

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
