/** Wires the page: one hub, the parts mounted on it, and one call at a time. */

import { readTester } from "./api.js";
import { followCall } from "./call/follow.js";
import { holdToken } from "./call/held-token.js";
import { Journal } from "./call/journal.js";
import { RealtimeCall } from "./call/realtime-call.js";
import { Speaking } from "./call/speaking.js";
import { element, icon } from "./element.js";
import { record } from "./events/record.js";
import { keepFocus } from "./focus.js";
import { Hub, isBusy, isLive } from "./hub.js";
import { late, loaded } from "./late.js";
import { Layout } from "./layout.js";
import * as callBar from "./panels/call-bar.js";
import * as deviceCheck from "./panels/device-check.js";
import * as failureSheet from "./panels/failure-sheet.js";
import * as sessionForm from "./panels/session-form.js";
import * as steps from "./panels/steps.js";
import { Pages } from "./pages.js";
import { listenForShortcuts } from "./shortcuts.js";
import { words } from "./words.js";

/**
 * The inspector's tabs, in their order: each has its name in `words.views`. To add one is to add a line. With `load` it comes,
 * with its stylesheet of the same name, when it is first shown; what was told before, it finds in `hub.latest`.
 * @type {Record<string, {mount: Function} | {load: () => Promise<{mount: Function}>}>}
 */
const TABS = {
  steps,
  events: { load: () => import("./panels/events.js") },
  health: { load: () => import("./panels/health.js") },
  usage: { load: () => import("./panels/usage.js") },
  token: { load: () => import("./panels/token.js") },
  code: { load: () => import("./panels/code.js") },
  session: { load: () => import("./panels/session-editor.js") },
};
/** @type {typeof TABS} */
const PARTS = { talk: { load: () => import("./panels/talk.js") }, ...TABS };
/** Those that shall miss nothing of a call. */
const IN_TIME = ["talk", "health"];

const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
const hub = new Hub();
/** @type {RealtimeCall | null} */
let call = null;
let speaking = new Speaking();
let [live, busy, muted, opening, usedMicrophone] = [false, false, false, false, true];
const journal = Journal(hub);
const hearing = late("hearing", () => import("./panels/hearing.js"), ({ Hearing }) => Hearing(() => ({ live: journal.live, ...journal.now }), actions));
const shortcuts = late("shortcuts", () => import("./panels/shortcuts-dialog.js"), ({ ShortcutsDialog }) => ShortcutsDialog());
const faults = late("faults", () => import("./panels/faults.js"), ({ mount }) => mount(find("#demo-note"), hub));

/** @type {import("./hub.js").Actions} */
const actions = {
  connect,
  connectAgain,
  hangUp,
  mute: (wanted) => silence(wanted, false),
  talk: (held) => silence(!held, held),
  interrupt,
  send: (event) => call?.send(event) ?? false,
  say,
  wanted,
  hearNothing: async () => (await loaded(hub, hearing()))?.open(),
  endFaults: async () => (await faults()).end(),
  saveDiagnostics: async () => (await loaded(hub, import("./diagnostics.js")))?.save(journal.now, await call?.stats()),
  stats: async () => (await call?.stats()) ?? new Map(),
  voice: () => document.querySelector("audio"),
  chooseDevice: (kind) => devices.choose(kind),
  useSystemSpeaker: () => devices.useSystemSpeaker(),
  keepFocus: (change) => keepFocus(change, () => [...bar.heirs(), find("#calls")]),
  show: (view) => layout.show(view),
  key: () => setup.key(),
  setKey: (key) => setup.setKey(key),
  correct: (field) => setup.correct(field),
};

const kept = record(hub, actions.send);
/** @type {Map<string, () => Promise<unknown>>} */
const lateParts = new Map();
for (const [name, part] of Object.entries(PARTS)) if ("load" in part) lateParts.set(name, late(name, part.load, ({ mount }) => mountLate(find(`#${name}`), mount)));
hub.on("show", (name) => void bring(name));
hub.on("settings", () => { find("#setup").dataset.settings = "known"; }); // it is shown once it is whole, and moves no more
for (const name of Object.keys(TABS)) find("#inspector-panels").append(panel(name));
const layout = Layout(hub, Object.keys(TABS));
const bar = callBar.mount(find("#call-bar"), hub, actions);
const setup = sessionForm.mount(find("#setup"), hub, actions);
const devices = deviceCheck.mount(find("#setup"), hub, actions);
hub.on("devices", (chosen) => call?.use(chosen));
failureSheet.mount(find("#work"), hub, actions);
for (const [name, part] of Object.entries(TABS)) if ("mount" in part) part.mount(find(`#${name}`), hub, actions, kept);
Pages(hub, actions);
followCall(hub);
Object.assign(actions, holdToken(hub, setup.read));
listenForShortcuts({ ...actions, live: () => live, toggleMute: () => actions.mute(!muted), help });

const helpButton = element("button", { class: "button button-quiet help-open", type: "button", "aria-label": words.shortcuts.open, title: words.shortcuts.open }, "?");
helpButton.addEventListener("click", () => void help());
find("#stage-tabs").after(helpButton);
for (const place of ["#stage-head", ".call-bar-state"]) find(place).append(hearNothing());

addEventListener("pagehide", () => void call?.hangUp({ keepalive: true }).catch(() => {})); // nobody is left to tell
readTester().then(async (settings) => {
  // First the switches of the faults, or the form below them would move; the page goes on without them.
  if (settings.faults.length) await faults().catch(() => {});
  hub.emit("settings", settings);
}, (error) => {
  hub.emit("settings", { key: null, models: [], demo: false, faults: [] });
  hub.emit("trouble", { step: "page", error });
});

async function help() {
  (await loaded(hub, shortcuts()))?.open();
}

/** @param {{withMicrophone?: boolean}} [options] */
async function connect({ withMicrophone = true } = {}) {
  const all = busy || opening ? null : wanted();
  if (!all) return;
  opening = true;
  try {
    await Promise.all(IN_TIME.map(bring));
  } finally {
    opening = false;
  }
  const opened = new RealtimeCall((type, detail) => { if (call === opened) tell(type, detail); });
  call = opened;
  usedMicrophone = withMicrophone;
  void opened.open({ ...all, withMicrophone });
}

function wanted() {
  const asked = setup.read();
  return asked && { ...asked, devices: devices.now() };
}

/**
 * What the call says, to everyone; focus stays on something that is still there.
 * @param {keyof import("./hub.js").Events} type
 * @param {any} detail
 */
function tell(type, detail) {
  if (type === "state") changed(detail);
  else if (type === "microphone") actions.keepFocus(() => hub.emit(type, detail)); // without one there is nothing to mute
  else hub.emit(type, detail);
  if (type !== "event" || detail.direction !== "in") return;
  const { who, interruptible } = speaking.now;
  speaking.receive(detail.event);
  const { now } = speaking;
  if (now.who !== who || now.interruptible !== interruptible) actions.keepFocus(() => hub.emit("speaking", now));
}

/** @param {import("./hub.js").Stage} stage */
function changed(stage) {
  const { state } = stage;
  const wasWaiting = document.activeElement?.id === "hangup" && !live;
  live = isLive(state);
  busy = isBusy(state);
  actions.keepFocus(() => {
    if (state === "checking") begin();
    hub.emit("state", stage);
  });
  if (state === "connected" && wasWaiting) bar.heirs().find((each) => !each.disabled)?.focus(); // Space shall talk now, not hang up
}

function begin() {
  speaking = new Speaking();
  hub.emit("speaking", speaking.now);
  hub.emit("id", null);
  hub.emit("token", null);
  hub.emit("microphone", null);
  silence(false, false);
  layout.show("talk");
}

/** As the last time, unless told otherwise; a call that stands is ended first. */
async function connectAgain({ withMicrophone = usedMicrophone } = {}) {
  if (busy) await hangUp();
  connect({ withMicrophone });
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
  call?.send({ type: "response.cancel" });
  call?.send({ type: "output_audio_buffer.clear" }); // what is made already and not yet heard
}

/** @param {string} text */
function say(text) {
  const sent = call?.send({ type: "conversation.item.create", item: { type: "message", role: "user", content: [{ type: "input_text", text }] } });
  if (!sent) return false;
  call?.send({ type: "response.create" });
  return true;
}

/** Always in reach: beside the call's views, or on a phone beside its state. */
function hearNothing() {
  const made = element("button", { class: "button button-quiet hear-nothing", type: "button", "aria-label": words.hearing.open, title: words.hearing.open },
    icon("M4 10v4h3l4 4V6l-4 4zM15 10l5 5M20 10l-5 5"), element("span", {}, words.hearing.open));
  made.addEventListener("click", () => void actions.hearNothing());
  return made;
}

/** @param {string} name */
function panel(name) {
  const made = document.createElement("section");
  made.id = name;
  made.className = "panel";
  made.setAttribute("role", "tabpanel");
  return made;
}

/**
 * Load a part, if it is one that comes late.
 * @param {string} name
 */
async function bring(name) {
  try {
    await lateParts.get(name)?.();
  } catch (error) {
    find(`#${name}`).textContent = words.layout.notLoaded; // tried again when it is next asked for
    if (!(error instanceof TypeError)) throw error; // so a browser tells of a module that it could not fetch
  }
}

/**
 * @param {HTMLElement} root
 * @param {Function} mount
 */
function mountLate(root, mount) {
  root.replaceChildren();
  return mount(root, hub, actions, kept);
}
