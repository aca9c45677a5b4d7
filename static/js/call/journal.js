/**
 * What a call has shown so far, for whoever asks later: the tests of "I hear nothing", and a report to save. Bounded; knows no DOM.
 */

import { isLive } from "../hub.js";

const MOST = 300;

/** @param {import("../hub.js").Hub} hub */
export function Journal(hub) {
  /** @type {import("../hub.js").Stage[]} */
  let states = [];
  /** @type {Map<string, import("../call/step-clock.js").Step>} */
  let steps = new Map();
  /** @type {import("../hub.js").Events["exchange"][]} */
  let exchanges = [];
  /** @type {import("../hub.js").Events["candidate"][]} */
  let candidates = [];
  /** @type {import("../hub.js").Events["description"][]} */
  let descriptions = [];
  /** @type {import("../hub.js").Events["event"][]} */
  let events = [];
  let spoke = false;
  let muted = false;
  /** @type {string | null} */
  let id = null;
  /** @type {MediaStream | null} */
  let microphone = null;

  hub.on("state", (stage) => {
    if (stage.state === "checking") {
      [states, exchanges, candidates, descriptions, events, spoke, microphone] = [[], [], [], [], [], false, null];
      steps = new Map();
    }
    states = [...states, stage].slice(-MOST);
  });
  hub.on("step", (step) => steps.set(step.name, step));
  hub.on("exchange", (exchange) => { exchanges = [...exchanges, exchange].slice(-MOST); });
  hub.on("candidate", (candidate) => { candidates = [...candidates, candidate].slice(-MOST); });
  hub.on("description", (description) => { descriptions = [...descriptions, description].slice(-2); });
  hub.on("id", (known) => { id = known; });
  hub.on("muted", (now) => { muted = now.muted; });
  hub.on("microphone", (stream) => { microphone = stream; });
  hub.on("event", (event) => {
    events.push(event);
    if (events.length > 2 * MOST) events = events.slice(-MOST);
    if (event.direction === "in" && event.event?.type === "output_audio_buffer.started") spoke = true;
  });

  return {
    get shown() {
      return { live: isLive(hub.latest("state")?.state), states, steps: [...steps.values()], exchanges, candidates, descriptions, events: events.slice(-MOST), spoke, muted, id, microphone, session: hub.latest("session") ?? null };
    },
  };
}

/** @typedef {ReturnType<typeof Journal>["shown"]} Known */
