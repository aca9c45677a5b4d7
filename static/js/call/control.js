/** One call at a time: begun, steered and ended, and what is kept of it for who asks later. Knows no DOM. */

import { record } from "../events/record.js";
import { isBusy, isLive } from "../hub.js";
import { followCall } from "./follow.js";
import { holdToken } from "./held-token.js";
import { Journal } from "./journal.js";
import { RealtimeCall } from "./realtime-call.js";
import { Speaking } from "./speaking.js";

/**
 * @param {import("../hub.js").Hub} hub
 * @param {Pick<import("../hub.js").Actions, "wanted" | "keepFocus" | "show">} page
 * @param {() => Promise<unknown>} ready brings what shall miss nothing of a call
 */
export function CallControl(hub, page, ready) {
  /** @type {RealtimeCall | null} */
  let call = null;
  let speaking = new Speaking();
  let [live, busy, muted, opening, usedMicrophone] = [false, false, false, false, true];
  const journal = Journal(hub);
  const kept = record(hub, send);

  followCall(hub);
  hub.on("devices", (chosen) => call?.use(chosen));
  addEventListener("pagehide", () => void call?.hangUp({ keepalive: true }).catch(() => {})); // nobody is left to tell

  /** @param {{withMicrophone?: boolean}} [options] */
  async function connect({ withMicrophone = true } = {}) {
    const all = busy || opening ? null : page.wanted();
    if (!all) return;
    opening = true;
    try {
      await ready();
    } finally {
      opening = false;
    }
    const opened = new RealtimeCall((type, detail) => { if (call === opened) tell(type, detail); });
    call = opened;
    usedMicrophone = withMicrophone;
    void opened.open({ ...all, withMicrophone });
  }

  /**
   * What the call says, to everyone; focus stays on something that is still there.
   * @param {keyof import("../hub.js").Events} type
   * @param {any} detail
   */
  function tell(type, detail) {
    if (type === "state") changed(detail);
    else if (type === "microphone") page.keepFocus(() => hub.emit(type, detail)); // without one there is nothing to mute
    else hub.emit(type, detail);
    if (type !== "event" || detail.direction !== "in") return;
    const { who, interruptible } = speaking.now;
    speaking.receive(detail.event);
    const { now } = speaking;
    if (now.who !== who || now.interruptible !== interruptible) page.keepFocus(() => hub.emit("speaking", now));
  }

  /** @param {import("../hub.js").Stage} stage */
  function changed(stage) {
    live = isLive(stage.state);
    busy = isBusy(stage.state);
    page.keepFocus(() => {
      if (stage.state === "checking") begin();
      hub.emit("state", stage);
    });
  }

  function begin() {
    speaking = new Speaking();
    hub.emit("speaking", speaking.now);
    hub.emit("id", null);
    hub.emit("token", null);
    hub.emit("microphone", null);
    silence(false, false);
    page.show("talk");
  }

  /** As the last time, unless told otherwise; a call that stands is ended first. */
  async function connectAgain({ withMicrophone = usedMicrophone } = {}) {
    if (busy) await hangUp();
    void connect({ withMicrophone });
  }

  async function hangUp() {
    try {
      await call?.hangUp();
    } catch (error) {
      hub.emit("trouble", { step: "hangup", error });
    }
  }

  /**
   * @param {boolean} wanted
   * @param {boolean} talking
   */
  function silence(wanted, talking) {
    muted = wanted;
    call?.mute(muted);
    hub.emit("muted", { muted, talking });
  }

  function interrupt() {
    if (!speaking.now.interruptible) return;
    send({ type: "response.cancel" });
    send({ type: "output_audio_buffer.clear" }); // what is made already and not yet heard
  }

  /** @type {import("../hub.js").Actions["send"]} */
  function send(event) {
    return call?.send(event) ?? false;
  }

  /** @param {string} text */
  function say(text) {
    const sent = send({ type: "conversation.item.create", item: { type: "message", role: "user", content: [{ type: "input_text", text }] } });
    return Boolean(sent && send({ type: "response.create" }));
  }

  return {
    kept,
    /** What the call has shown so far. */
    now: () => ({ live: journal.live, ...journal.now }),
    isLive: () => live,
    toggleMute: () => silence(!muted, false),
    actions: {
      connect, connectAgain, hangUp, interrupt, send, say, ...holdToken(hub, page.wanted),
      mute: (/** @type {boolean} */ wanted) => silence(wanted, false),
      talk: (/** @type {boolean} */ held) => silence(!held, held),
      stats: async () => (await call?.stats()) ?? new Map(),
    },
  };
}
