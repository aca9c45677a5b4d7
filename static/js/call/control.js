/** One call at a time: begun, steered and ended. What makes it comes when it is asked for. Knows no DOM. */

import { isBusy } from "../hub.js";
import { Speaking } from "./speaking.js";

/** @typedef {typeof import("./realtime-call.js").RealtimeCall} Call */

/**
 * @param {import("../hub.js").Hub} hub
 * @param {Pick<import("../hub.js").Actions, "wanted" | "keepFocus" | "show">} page
 * @param {() => Promise<Call | null>} bring what makes a call, once those that shall miss nothing of it are there; null: they do not come, and that is told
 */
export function CallControl(hub, page, bring) {
  /** @type {InstanceType<Call> | null} */
  let call = null;
  let speaking = new Speaking();
  let muted = false;
  let talking = false;
  let usedMicrophone = true;
  /** Something was written that no response has been asked for yet. */
  let unanswered = false;
  const busy = () => isBusy(hub.latest("state")?.state);

  hub.on("devices", (chosen) => call?.use(chosen));

  /** @param {{withMicrophone?: boolean}} [options] */
  async function connect({ withMicrophone = true } = {}) {
    const asked = busy() || hub.latest("opening") ? null : page.wanted();
    if (!asked) return;
    /** @type {Promise<void> | undefined} */
    let opened;
    hub.emit("opening", true);
    try {
      const Made = await bring();
      if (Made) opened = open(Made, { ...asked, withMicrophone });
    } finally {
      hub.emit("opening", false);
    }
    await opened;
  }

  /**
   * @param {Call} Made
   * @param {import("../hub.js").Wanted & {withMicrophone: boolean}} asked
   */
  async function open(Made, asked) {
    const opened = new Made((type, detail) => { if (call === opened) tell(type, detail); });
    call = opened;
    usedMicrophone = asked.withMicrophone;
    await opened.open(asked);
  }

  /**
   * What the call says, to everyone; focus stays on something that is still there.
   * @param {keyof import("../hub.js").Events} type
   * @param {any} detail
   */
  function tell(type, detail) {
    if (type === "state") page.keepFocus(() => changed(detail));
    else if (type === "microphone") page.keepFocus(() => hub.emit(type, detail)); // without one there is nothing to mute
    else hub.emit(type, detail);
    if (type !== "event" || detail.direction !== "in") return;
    const { who, interruptible } = speaking.now;
    speaking.receive(detail.event);
    if (isTaken(detail.event)) unanswered = true;
    if (detail.event?.type === "response.done") answer();
    const { now } = speaking;
    if (now.who !== who || now.interruptible !== interruptible) page.keepFocus(() => hub.emit("speaking", now));
  }

  /** @param {import("../hub.js").Stage} stage */
  function changed(stage) {
    if (stage.state === "checking") begin();
    hub.emit("state", stage);
  }

  function begin() {
    speaking = new Speaking();
    unanswered = false;
    hub.emit("speaking", speaking.now);
    hub.emit("id", null);
    hub.emit("token", null);
    hub.emit("microphone", null);
    silence(false, false);
    page.show("talk");
  }

  /** As the last time, unless told otherwise; a call that stands is ended first. */
  async function connectAgain({ withMicrophone = usedMicrophone } = {}) {
    if (busy()) await hangUp();
    await connect({ withMicrophone });
  }

  async function hangUp() {
    try {
      await call?.hangUp();
    } catch (error) {
      hub.emit("trouble", { step: "hangup", error });
    }
  }

  /** @param {boolean} wanted */
  function mute(wanted) {
    if (hub.latest("microphone")) silence(wanted, false);
  }

  /** @param {boolean} held */
  function talk(held) {
    if (held ? hub.latest("microphone") : talking) silence(!held, held);
  }

  /**
   * @param {boolean} nowMuted
   * @param {boolean} nowTalking
   */
  function silence(nowMuted, nowTalking) {
    muted = nowMuted;
    talking = nowTalking;
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
    if (!sent) return false;
    unanswered = true;
    answer();
    return true;
  }

  /** There is one response at a time: what is written meanwhile is answered after it. */
  function answer() {
    if (!unanswered || speaking.now.responding) return;
    unanswered = false;
    send({ type: "response.create" });
  }

  return {
    toggleMute: () => mute(!muted),
    /** With the page: nobody is left to tell how it went. */
    leave: async () => { await call?.hangUp({ keepalive: true }).catch(() => {}); },
    actions: { connect, connectAgain, hangUp, mute, talk, interrupt, send, say, stats: async () => (await call?.stats()) ?? new Map() },
  };
}

/**
 * Whether a response was asked for a moment after another one had begun.
 * @param {any} event
 */
function isTaken(event) {
  return event?.type === "error" && event.error?.code === "conversation_already_has_active_response";
}
