/** Always in sight: what is called, how the call stands and for how long, and the buttons that steer it. */

import { advise } from "../advice.js";
import { minutes } from "../amounts.js";
import { element, icon } from "../element.js";
import { endedAfter } from "../ending.js";
import { isBusy, isLive } from "../hub.js";
import { voiceOf } from "../session/settings.js";
import { words } from "../words.js";
import { CallMeter } from "./call-meter.js";

/** @typedef {import("../hub.js").Hub} Hub */
/** @typedef {import("../hub.js").Actions} Actions */

const ICONS = {
  connect: "M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3",
  mute: "M9 6a3 3 0 0 1 6 0v5M9 9v2a3 3 0 0 0 4.6 2.5M5.5 11.5a6.5 6.5 0 0 0 10 5.5M12 18v3M4 4l16 16",
  talk: "M4 10v4M8 7v10M12 4v16M16 7v10M20 10v4",
  interrupt: "M7 7h10v10H7z",
  hangUp: "M3 14c5-5 13-5 18 0l-2.5 2.5-3.5-1.5v-2.5c-2-.6-4-.6-6 0V15l-3.5 1.5z",
};
const IDS = { connect: "connect", mute: "mute", talk: "hold-to-talk", interrupt: "interrupt", hangUp: "hangup" };
const text = words.callBar;

/**
 * @param {HTMLElement} root
 * @param {Hub} hub
 * @param {Actions} actions
 */
export function mount(root, hub, actions) {
  const button = (/** @type {keyof typeof ICONS} */ name, title = "", kind = "") => /** @type {HTMLButtonElement} */ (
    element("button", { class: `button control ${kind}`, type: "button", id: IDS[name], title }, icon(ICONS[name]), element("span", {}, text[name])));
  const [connect, hangUp] = [button("connect", "", "button-primary"), button("hangUp", text.hangUpHint, "button-danger")];
  const [talk, mute, interrupt] = [button("talk", text.talkHint, "control-talk"), button("mute", text.muteHint), button("interrupt", text.interruptHint)];
  const model = element("p", { class: "call-bar-model" });
  const voice = element("p", { class: "call-bar-voice" });
  const word = element("span", {});
  const waited = element("span", { "aria-hidden": "true" }); // a second is not worth being read out
  const detail = element("span", { class: "call-state-detail" });
  const status = element("p", { id: "status", role: "status", class: "call-state" }, element("strong", { class: "call-state-word" }, word, waited), " ", detail);
  const clock = element("span", { class: "call-bar-clock", "aria-hidden": "true" }, "0:00");
  root.append(
    element("h1", { class: "visually-hidden" }, text.title),
    element("div", { class: "call-bar-who" },
      element("img", { src: "favicon.svg", alt: "", width: "36", height: "36" }),
      element("div", {}, model, voice)),
    element("div", { class: "call-bar-state" }, element("span", { class: "call-dot", "aria-hidden": "true" }), status, element("div", { class: "call-bar-meter" }, clock, ...CallMeter(hub))),
    element("div", { class: "call-bar-controls", role: "group", "aria-label": text.controls }, mute, talk, interrupt, element("div", { class: "call-bar-main" }, connect, hangUp)));

  /** @type {import("../hub.js").Stage} */
  let stage = { state: "idle" };
  let known = { key: true, opening: false, step: "", microphone: false, muted: false, held: false, faults: /** @type {string[]} */ ([]) };
  /** @type {import("../hub.js").Events["call"]} */
  let call = null;
  /** @type {import("../hub.js").Events["speaking"]} */
  let speaking = { who: null, interruptible: false, responding: false };
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let ticking;
  let began = 0;
  let interruptedAt = 0;

  pressing(connect, () => void actions.connect());
  pressing(hangUp, () => void actions.hangUp());
  mute.addEventListener("click", () => actions.mute(!known.muted));
  interrupt.addEventListener("click", () => actions.interrupt());
  holding(talk, (held) => actions.talk(held));

  hub.on("settings", ({ key }) => update(() => { known.key = key !== null; }));
  hub.on("session", (session) => {
    model.textContent = session.model || text.noModel;
    voice.textContent = voiceOf(session) ?? text.defaultVoice;
  });
  hub.on("faults", (on) => update(() => { known.faults = on; }));
  hub.on("opening", (now) => update(() => { known.opening = now; }));
  hub.on("step", ({ name, state }) => update(() => { if (state === "active") known.step = name; }));
  hub.on("call", (told) => update(() => { call = told; }));
  hub.on("microphone", (stream) => update(() => { known.microphone = stream !== null; }));
  hub.on("muted", ({ muted, talking }) => update(() => Object.assign(known, { muted, held: talking })));
  hub.on("speaking", (now) => update(() => { speaking = now; }));
  hub.on("state", (changed) => {
    const wasLive = isLive(stage.state);
    update(() => {
      if (changed.state === "interrupted" && stage.state !== "interrupted") interruptedAt = performance.now();
      stage = changed;
      if (changed.state === "checking") Object.assign(known, { step: "", microphone: false });
    });
    if (changed.state === "connected" && !wasLive) leaveHangUp();
  });
  update(() => {});

  /** @param {() => void} change */
  function update(change) {
    change();
    const { state } = stage;
    const live = isLive(state);
    const busy = isBusy(state);
    const { who, interruptible } = speaking;
    const [said, more] = phrase(stage, known, who, call);
    if (word.textContent !== said) word.textContent = said;
    if (detail.textContent !== more) detail.textContent = more;
    root.dataset.state = status.dataset.state = state;
    root.dataset.who = live ? (known.muted && who !== "model" ? "muted" : who ?? "nobody") : "nobody";
    // Two buttons in one place: neither moves the other.
    connect.classList.toggle("is-away", busy);
    connect.setAttribute("aria-busy", String(known.opening));
    hangUp.classList.toggle("is-away", !busy);
    /** @type {HTMLElement} */ (hangUp.lastChild).textContent = live || !busy ? text.hangUp : text.cancel;
    talk.disabled = mute.disabled = !live || !known.microphone;
    mute.title = live && !known.microphone ? text.noMicrophone : text.muteHint;
    talk.title = live && !known.microphone ? text.noMicrophone : text.talkHint;
    mute.setAttribute("aria-pressed", String(live && known.muted));
    talk.setAttribute("aria-pressed", String(known.held));
    interrupt.disabled = !live || !interruptible;
    tell(live, state);
  }

  /**
   * @param {boolean} live
   * @param {string} state
   */
  function tell(live, state) {
    if (live && !ticking) {
      began = performance.now();
      ticking = setInterval(() => {
        clock.textContent = minutes((performance.now() - began) / 1000);
        count();
      }, 1000);
    }
    if (!live) {
      clearInterval(ticking);
      ticking = undefined;
    }
    if (state === "checking") clock.textContent = minutes(0);
    count();
  }

  function count() {
    waited.textContent = stage.state === "interrupted" ? words.details.waited(Math.round((performance.now() - interruptedAt) / 1000)) : "";
  }

  /** It was Cancel until now: Space shall talk, not hang up. A dialog gives the focus back when it closes. */
  function leaveHangUp() {
    const dialog = document.querySelector("dialog[open]");
    if (dialog) dialog.addEventListener("close", leaveHangUp, { once: true });
    else if (document.activeElement === hangUp) heirs().find((each) => !each.disabled)?.focus();
  }

  /** Who gets the focus that would be lost. */
  function heirs() {
    return [talk, hangUp, connect];
  }

  return { heirs };
}

/**
 * The state in large words, and what to know about it.
 * @param {import("../hub.js").Stage} stage
 * @param {{key: boolean, opening: boolean, step: string, microphone: boolean, muted: boolean, held: boolean, faults: string[]}} known
 * @param {"you" | "model" | null} who
 * @param {import("../hub.js").Events["call"]} call
 * @returns {[string, string]}
 */
function phrase(stage, { key, opening, step, microphone, muted, held, faults }, who, call) {
  const { state, by, error, seconds = 0 } = stage;
  const { states, details } = words;
  if (opening && !isBusy(state)) return [states.connecting, ""];
  switch (state) {
    case "idle": return [states.idle, faults.length ? words.faults.on(faults) : key ? details.idle : details.idleWithoutKey];
    case "checking":
    case "connecting": {
      const waiting = /** @type {Record<string, string>} */ (words.steps.waiting)[step];
      return [states.connecting, waiting ?? /** @type {Record<string, string>} */ (words.steps.names)[step] ?? ""];
    }
    case "interrupted": return [states.interrupted, details.interrupted];
    case "ended": return [states.ended, by === "us" && !seconds ? details.byUs : endedAfter(stage, call, minutes(seconds))];
    case "failed": return error?.step === "connection" ? [states.ended, endedAfter(stage, call, minutes(seconds))] : [states.failed, error ? advise(error.step, error.cause).title : ""];
  }
  if (who === "model") return [states.model, muted ? details.modelMuted : microphone ? details.model : ""];
  if (muted) return [states.muted, details.muted];
  if (who === "you") return [states.you, details.you];
  return [states.listening, held || microphone ? details.listening : details.withoutMicrophone];
}

/**
 * Two buttons lie in one place: the second click of a double one, or a key that is held, is not meant for the other.
 * @param {HTMLButtonElement} button
 * @param {() => void} onPress
 */
function pressing(button, onPress) {
  button.addEventListener("click", ({ detail }) => { if (detail < 2) onPress(); });
  button.addEventListener("keydown", (event) => { if (event.repeat) event.preventDefault(); });
}

/**
 * Pressed as long as finger, pointer or key are down. Assistive technology, which only clicks, turns it on and off.
 * @param {HTMLButtonElement} button
 * @param {(held: boolean) => void} onHeld
 */
function holding(button, onHeld) {
  let held = false;
  const hold = (/** @type {boolean} */ wanted) => {
    if (wanted === held) return;
    held = wanted;
    onHeld(held);
  };
  const isKey = (/** @type {KeyboardEvent} */ { key }) => key === " " || key === "Enter";
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    button.setPointerCapture(event.pointerId);
    hold(true);
  });
  button.addEventListener("lostpointercapture", () => hold(false));
  button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long touch
  button.addEventListener("keydown", (event) => {
    if (!isKey(event)) return;
    event.preventDefault(); // a click would follow
    hold(true);
  });
  button.addEventListener("keyup", (event) => {
    if (!isKey(event)) return;
    event.preventDefault();
    hold(false);
  });
  button.addEventListener("blur", () => hold(false));
  button.addEventListener("click", ({ detail }) => { if (detail === 0) hold(!held); });
}
