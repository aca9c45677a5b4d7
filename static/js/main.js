/** Wires the page: one hub, and the parts mounted on it. What only a call needs comes after the first paint. */

import { readTester } from "./api.js";
import { CallControl } from "./call/control.js";
import { element, icon } from "./element.js";
import { keepFocus, showDialog } from "./focus.js";
import { Hub, isLive } from "./hub.js";
import { fetched, late, loaded, once, passOver, stylesheet } from "./late.js";
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
const PARTS = { talk: { load: loadTalk }, ...TABS };
/** Those that shall miss nothing of a call. */
const IN_TIME = ["talk", "health"];

const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
const hub = new Hub();
const control = CallControl(hub, { wanted, keepFocus: keepOnPage, show: (view) => layout.show(view) }, bringCall);
const company = once(async () => (await fetched(import("./call/company.js"))).accompany(hub, { send: control.actions.send, wanted }));
const hearing = knowing("hearing", () => import("./panels/hearing.js"), ({ Hearing }, { journal }) => Hearing(() => journal.shown, actions));
const shortcuts = late("shortcuts", () => import("./panels/shortcuts-dialog.js"), ({ ShortcutsDialog }) => ShortcutsDialog(actions));
const faults = late("faults", () => import("./panels/faults.js"), ({ mount }) => mount(find("#demo-note"), hub));

/** @type {import("./hub.js").Actions} */
const actions = {
  ...control.actions,
  async connect(options) {
    await settled; // a key may be given yet
    await control.actions.connect(options);
  },
  getToken: async () => (await loaded(hub, company()))?.token.getToken(),
  revoke: async () => (await loaded(hub, company()))?.token.revoke(),
  useAgain: async () => (await loaded(hub, company()))?.token.useAgain(),
  wanted,
  hearNothing: async () => (await loaded(hub, hearing()))?.open(),
  endFaults: async () => (await faults()).end(),
  saveDiagnostics,
  voice: () => document.querySelector("audio"),
  chooseDevice: (kind) => devices.choose(kind),
  useSystemSpeaker: () => devices.useSystemSpeaker(),
  keepFocus: keepOnPage,
  showDialog: (dialog) => showDialog(dialog, heirs),
  show: (view) => layout.show(view),
  key: () => setup.key(),
  setKey: (key) => setup.setKey(key),
  correct: (field) => setup.correct(field),
};

/** @type {Map<string, () => Promise<unknown>>} */
const lateParts = new Map();
for (const [name, part] of Object.entries(PARTS)) {
  if ("load" in part) lateParts.set(name, knowing(name, part.load, ({ mount }, { kept }) => mountLate(find(`#${name}`), mount, kept)));
}
hub.on("show", (name) => void bring(name).catch(passOver)); // tried again when it is next asked for
hub.on("settings", () => {
  find("#setup").dataset.settings = "known"; // it is shown once it is whole, and moves no more
  requestAnimationFrame(() => setTimeout(() => void company().catch(passOver))); // painted; it is asked for again when it is needed
});
for (const name of Object.keys(TABS)) find("#inspector-panels").append(panel(name));
const layout = Layout(hub, Object.keys(TABS));
const bar = callBar.mount(find("#call-bar"), hub, actions);
const setup = sessionForm.mount(find("#setup"), hub, actions);
const devices = deviceCheck.mount(find("#setup"), hub, actions);
failureSheet.mount(find("#work"), hub, actions);
for (const [name, part] of Object.entries(TABS)) if ("mount" in part) part.mount(find(`#${name}`), hub, actions);
Pages(hub, actions);
listenForShortcuts(actions, { live: () => isLive(hub.latest("state")?.state), toggleMute: control.toggleMute, help: () => void help() });
addEventListener("pagehide", () => void control.leave());

const helpButton = element("button", { class: "button button-quiet help-open", type: "button", "aria-label": words.shortcuts.open, title: words.shortcuts.open }, "?");
helpButton.addEventListener("click", () => void help());
find("#stage-tabs").after(helpButton);
for (const place of ["#stage-head", ".call-bar-state"]) find(place).append(hearNothing());

const settled = readTester().then(async (settings) => {
  try { // first the switches of the faults, or the form below them would move; the page goes on without them
    if (settings.faults.length) await faults().catch(passOver);
  } finally {
    hub.emit("settings", settings);
  }
}, (error) => {
  hub.emit("settings", { key: null, models: [], demo: false, faults: [] });
  hub.emit("trouble", { step: "page", error });
});

/** What makes a call, once those are there that shall miss nothing of it. */
async function bringCall() {
  const all = await loaded(hub, Promise.all([company(), ...IN_TIME.map(bring)]));
  return all && all[0].RealtimeCall;
}

/**
 * A part that is late, and is built with what is kept of the calls so far.
 * @template Module, Part
 * @param {string} name
 * @param {() => Promise<Module>} load
 * @param {(module: Module, all: Awaited<ReturnType<typeof company>>) => Part} build
 */
function knowing(name, load, build) {
  const part = late(name, load, (module) => module);
  return once(async () => build(...(await Promise.all([part(), company()]))));
}

/** It has the stylesheets of its parts, too. */
async function loadTalk() {
  const [talk] = await Promise.all([import("./panels/talk.js"), ...["levels", "transcript"].map((name) => stylesheet(`../css/${name}.css`))]);
  return talk;
}

/** Who gets the focus that would be lost. */
function heirs() {
  return [...bar.heirs(), find("#calls")];
}

/** @param {() => void} change */
function keepOnPage(change) {
  keepFocus(change, heirs);
}

async function help() {
  (await loaded(hub, shortcuts()))?.open();
}

function wanted() {
  const asked = setup.read();
  return asked && { ...asked, devices: devices.now() };
}

async function saveDiagnostics() {
  const all = await loaded(hub, Promise.all([company(), fetched(import("./diagnostics.js"))]));
  if (!all) return;
  const [{ journal }, { save }] = all;
  await save(journal.shown, await actions.stats());
}

/** Always in reach: beside the call's views, or where those are not, beside its state. */
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
 * Load a part, if it is one that comes late; where it does not, its place says so.
 * @param {string} name
 */
async function bring(name) {
  try {
    await lateParts.get(name)?.();
  } catch (error) {
    find(`#${name}`).textContent = words.layout.notLoaded;
    throw error;
  }
}

/**
 * @param {HTMLElement} root
 * @param {Function} mount
 * @param {import("./events/record.js").Kept} kept
 */
function mountLate(root, mount, kept) {
  root.replaceChildren();
  return mount(root, hub, actions, kept);
}
