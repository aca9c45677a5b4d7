/** Wires the page's elements to one call at a time. */

import { advise, stepAdvice } from "./advice.js";
import { readTester } from "./api.js";
import { CallForm } from "./call-form.js";
import { CopyButton } from "./copy-button.js";
import { EventLog } from "./event-log.js";
import { LevelMeter } from "./level-meter.js";
import { MessageForm } from "./message-form.js";
import { Notice } from "./notice.js";
import { RealtimeCall } from "./realtime-call.js";
import { SessionEditor } from "./session-editor.js";
import { StatusLine } from "./status-line.js";
import { StepLadder } from "./step-ladder.js";
import { Transcript } from "./transcript.js";

const find = (/** @type {string} */ selector) => /** @type {any} */ (document.querySelector(selector));

/** @type {RealtimeCall | null} */
let call = null;

const status = StatusLine(find(".status-line"));
const notice = Notice(find("#error"));
const ladder = StepLadder(find("#steps"));
const log = EventLog(find(".card-events"));
const transcript = Transcript(find("#transcript"), find("#transcript-empty"), find("#transcript-scroll"));
const meters = { out: LevelMeter(find('[data-level="out"]')), in: LevelMeter(find('[data-level="in"]')) };
const session = SessionEditor(find("#session-form"), (event) => call?.send(event) ?? false);
const message = MessageForm(find("#message-form"), say);
const form = CallForm(find("#call-form"), { onConnect: connect, onMute: (muted) => call?.mute(muted), onHangUp: hangUp });
/** @type {HTMLAudioElement} */ const voice = find("#voice");
/** @type {HTMLButtonElement} */ const play = find("#play");
const callId = find("#call-id");
const copyId = find("#call-id-copy");

CopyButton(copyId, () => callId.textContent);
play.addEventListener("click", () => void listen());
addEventListener("pagehide", () => void call?.hangUp({ keepalive: true }).catch(() => {})); // nobody is left to tell
readTester().then((settings) => form.fill(settings), (error) => {
  form.fill({ key: null, models: [], demo: false });
  notice.show("page", error);
});

/**
 * @param {string} key
 * @param {string} model
 */
function connect(key, model, withMicrophone = true) {
  notice.hide();
  ladder.clear();
  transcript.clear();
  session.reset();
  showCallId(null);
  const opened = new RealtimeCall();
  call = opened;
  const on = (/** @type {string} */ type, /** @type {(detail: any) => void} */ listener) =>
    opened.addEventListener(type, (event) => { if (call === opened) listener(/** @type {CustomEvent} */ (event).detail); });
  on("step", (step) => {
    ladder.set(step);
    if (step.state === "failed") ladder.explain(step.name, stepAdvice(step.name));
  });
  on("exchange", (exchange) => log.add("http", `${exchange.method} ${exchange.path} ${exchange.status ?? "no answer"}`, exchange));
  on("event", ({ direction, event }) => {
    log.add(direction, String(event?.type ?? "(no type)"), event);
    if (direction === "in" && event) receive(event);
  });
  on("id", showCallId);
  on("microphone", (stream) => meters.out.listen(stream));
  on("voice", (stream) => {
    voice.srcObject = stream;
    meters.in.listen(stream);
    void listen();
  });
  on("state", ({ state, by, error }) => changed(state, by, error, () => connect(key, model, false)));
  void opened.open({ key, model, withMicrophone });
}

/**
 * @param {string} state
 * @param {"us" | "them" | undefined} by
 * @param {import("./realtime-call.js").StepFailure | undefined} error
 * @param {() => void} withoutMicrophone
 */
function changed(state, by, error, withoutMicrophone) {
  const sentence = {
    connecting: "Connecting", connected: "Connected", interrupted: "Interrupted, waiting for the network",
    ended: by === "them" ? "The provider ended the call" : "Call ended", failed: "Could not connect",
  }[state] ?? state;
  const running = state === "connected" || state === "interrupted";
  status.update(state, error?.step === "connection" ? "Connection lost" : sentence);
  form.update(running ? "live" : state === "connecting" ? "connecting" : "idle");
  message.update(running);
  if (error) {
    notice.show(error.step, error.cause, error.step === "microphone" ? { label: "Connect without a microphone", run: withoutMicrophone } : undefined);
    ladder.explain(error.step, advise(error.step, error.cause).todo);
  }
  if (state === "ended" || state === "failed") release();
}

function release() {
  meters.in.stop();
  meters.out.stop();
  voice.srcObject = null;
  play.hidden = true;
  session.reset();
}

async function hangUp() {
  try {
    await call?.hangUp();
  } catch (error) {
    notice.show("hangup", error);
  }
}

/** Browsers may hold sound back until a gesture; then a button asks for one. */
async function listen() {
  try {
    await voice.play();
    play.hidden = true;
  } catch (error) {
    play.hidden = /** @type {Error} */ (error).name !== "NotAllowedError";
  }
}

/** @param {string} text */
function say(text) {
  call?.send({ type: "conversation.item.create", item: { type: "message", role: "user", content: [{ type: "input_text", text }] } });
  call?.send({ type: "response.create" });
  transcript.wrote(text);
}

/** @param {object} event */
function receive(event) {
  transcript.receive(event);
  session.receive(event);
}

/** @param {string | null} id */
function showCallId(id) {
  callId.textContent = id ?? "none yet";
  copyId.hidden = id === null;
}
