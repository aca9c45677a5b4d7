/** "I hear nothing": tests one thing after another, stops at the first that fails, and has a button that mends it. */

import { TESTS, counted, examine } from "../call/hearing.js";
import { LevelSource } from "../call/levels.js";
import { element } from "../element.js";
import { words } from "../words.js";

const text = words.hearing;
/** A fair time to say a word in. */
const LISTEN_MS = 2500;
/** Packets come every 20 ms, to a busy machine in bursts. */
const MOMENT_MS = 1000;
const LOOK_EVERY_MS = 50;

/** @typedef {import("../call/hearing.js").Seen} Seen */
/** @typedef {import("../call/hearing.js").Mend} Mend */

/** @typedef {import("../call/journal.js").Known} Known */

/**
 * @param {() => Known} read what is known now
 * @param {import("../hub.js").Actions} actions
 */
export function Hearing(read, actions) {
  const rows = new Map(TESTS.map((name) => [name, row(name)]));
  const said = element("p", { class: "hearing-said", role: "status" });
  const mend = /** @type {HTMLButtonElement} */ (element("button", { class: "button button-primary is-away", type: "button" }));
  const close = element("button", { class: "button", type: "button" }, text.close);
  const dialog = /** @type {HTMLDialogElement} */ (element("dialog", { class: "hearing", "aria-labelledby": "hearing-title" },
    element("h2", { id: "hearing-title" }, text.heading),
    element("ol", { class: "hearing-tests" }, ...[...rows.values()].map(({ item }) => item)),
    said, element("div", { class: "hearing-buttons" }, mend, close)));
  document.body.append(dialog);
  /** @type {Mend | null} */
  let remedy = null;
  let runs = 0;

  close.addEventListener("click", () => dialog.close());
  mend.addEventListener("click", () => void repair());

  async function run() {
    const mine = ++runs;
    remedy = null;
    mend.setAttribute("aria-busy", "true");
    paint({});
    const known = read();
    said.textContent = known.live ? text.listening : text.whys.noCall;
    try {
      const seen = await look(known);
      if (dialog.open && mine === runs) tell(examine(seen));
    } finally {
      if (mine === runs) mend.removeAttribute("aria-busy");
    }
  }

  /** @param {ReturnType<typeof examine>} examined */
  function tell({ verdicts, failed, why, mend: found }) {
    paint(verdicts);
    said.dataset.state = failed ? "bad" : "good";
    said.textContent = /** @type {Record<string, string>} */ (text.whys)[why] ?? "";
    remedy = found;
    mend.textContent = found ? text.mends[found] : "";
    mend.classList.remove("is-away");
  }

  /** @param {Record<string, string>} verdicts */
  function paint(verdicts) {
    for (const [name, { item, verdict }] of rows) {
      const now = verdicts[name] ?? "untested";
      item.dataset.verdict = now;
      verdict.textContent = /** @type {Record<string, string>} */ (text.verdicts)[now] ?? "";
    }
  }

  async function repair() {
    const voice = actions.voice();
    if (remedy === null) return; // it is still looking
    switch (remedy) {
      case "unmute": actions.mute(false); break;
      case "ask": actions.send({ type: "response.create" }); break;
      case "play":
        if (voice) Object.assign(voice, { muted: false, volume: 1 });
        await voice?.play().catch(() => {});
        break;
      case "output": actions.useSystemSpeaker(); break;
      case "connect":
      case "reconnect":
        dialog.close();
        return actions.connectAgain();
      case "devices":
        dialog.close();
        return actions.chooseDevice("microphone");
    }
    return run();
  }

  return {
    open() {
      actions.showDialog(dialog);
      void run();
    },
  };

  /**
   * @param {Known} now
   * @returns {Promise<Seen>}
   */
  async function look({ live, muted, microphone, spoke }) {
    const voice = actions.voice();
    const track = microphone?.getAudioTracks()[0];
    const before = live ? counted(await actions.stats()) : null;
    const began = performance.now();
    const loudest = live && microphone && !muted && track?.readyState === "live" ? await loudness(microphone) : 0;
    if (before) await later(Math.max(0, MOMENT_MS - (performance.now() - began)));
    const after = before ? counted(await actions.stats()) : null;
    return {
      live, muted, loudest,
      microphone: track ? { ended: track.readyState === "ended", silenced: track.muted } : null,
      packetsSent: (after?.packetsSent ?? 0) - (before?.packetsSent ?? 0), packetsReceived: (after?.packetsReceived ?? 0) - (before?.packetsReceived ?? 0),
      energyReceived: after?.energyReceived ?? 0,
      element: { there: Boolean(voice?.srcObject), paused: voice?.paused ?? true, silent: !voice || voice.muted || voice.volume === 0 },
      output: await output(voice), started: spoke || read().spoke,
    };
  }
}

/**
 * The loudest moment, as amplitude; returns as soon as there is something to hear. Null: the browser does not tell.
 * @param {MediaStream} microphone
 */
async function loudness(microphone) {
  const source = new LevelSource(microphone);
  const until = performance.now() + LISTEN_MS;
  /** @type {number | null} */
  let loudest = null;
  try {
    while (performance.now() < until && (loudest ?? 0) < 0.02) {
      await later(LOOK_EVERY_MS);
      const level = source.read();
      if (level !== null) loudest = Math.max(loudest ?? 0, level > 0 ? 10 ** ((level - 1) * 3) : 0); // from its scale of 60 dB
    }
  } finally {
    source.close();
  }
  return loudest;
}

/** @param {HTMLMediaElement | null} voice */
async function output(voice) {
  const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => null)) ?? [];
  const outputs = devices.filter(({ kind }) => kind === "audiooutput");
  const chosen = /** @type {any} */ (voice)?.sinkId ?? "";
  const known = "setSinkId" in HTMLMediaElement.prototype && devices.length > 0;
  return { known, any: outputs.length > 0, found: outputs.length > 0 && (chosen === "" || outputs.some(({ deviceId }) => deviceId === chosen)) };
}

/** @param {number} ms */
function later(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @param {string} name */
function row(name) {
  const verdict = element("span", { class: "hearing-verdict" });
  const item = element("li", { class: "hearing-test", "data-test": name, "data-verdict": "untested" },
    element("span", { class: "hearing-mark", "aria-hidden": "true" }), element("span", {}, /** @type {Record<string, string>} */ (text.tests)[name] ?? name), " ", verdict);
  return { item, verdict };
}
