/** Before a call: whether there is a microphone and a speaker, which ones, and whether they work. The choice is remembered. */

import { DeviceGone, KINDS, PROCESSING, alike, available, isNamed, listed, otherwise, remember, remembered, standing } from "../call/devices.js";
import { close, openMicrophone } from "../call/microphone.js";
import { canChoose, playTone } from "../call/speaker.js";
import { element } from "../element.js";
import { isBusy, isLive } from "../hub.js";
import { words } from "../words.js";
import { MicrophoneTest } from "./microphone-test.js";

const text = words.devices;
/** It lasts for one second. */
const TONE_MS = 4000;

/** @typedef {import("../call/devices.js").Devices} Devices */
/** @typedef {import("../call/devices.js").Kind} Kind */

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const button = (/** @type {string} */ name) => /** @type {HTMLButtonElement} */ (element("button", { class: "button", type: "button" }, name));
  const line = (/** @type {string} */ name) => element("p", { class: `hint ${name}`, role: "status" });
  const said = element("p", { class: "devices-standing", id: "devices-standing", role: "status" });
  const [allow, tone] = [button(text.allow), button(text.tone)];
  const picker = (/** @type {Kind} */ kind) => /** @type {HTMLSelectElement} */ (element("select", { id: `${kind}-device`, "aria-describedby": "devices-standing" }));
  const pickers = { microphone: picker("microphone"), speaker: picker("speaker") };
  const [played, processed] = [line("devices-played"), line("devices-processed")];
  const test = MicrophoneTest(() => used, allowed, failed);
  const switches = new Map(PROCESSING.map((name) => [name, /** @type {HTMLInputElement} */ (element("input", { type: "checkbox", role: "switch" }))]));
  const field = (/** @type {Kind} */ kind, /** @type {HTMLElement[]} */ ...rest) => element("div", { class: "field devices-field" }, element("label", { for: `${kind}-device` }, text.names[kind]), ...rest);
  root.append(element("section", { class: "devices", "aria-labelledby": "devices-title" },
    element("div", { class: "devices-head" }, element("h2", { id: "devices-title" }, text.heading), allow),
    said,
    element("div", { class: "devices-pair" },
      field("microphone", pickers.microphone, ...test.nodes),
      canChoose ? field("speaker", pickers.speaker, tone, played)
        : element("div", { class: "field devices-field" }, element("p", { class: "devices-name" }, text.names.speaker), element("p", { class: "devices-fixed" }, text.fixedSpeaker), tone, played)),
    element("div", { class: "devices-processing", role: "group", "aria-labelledby": "devices-processing" },
      element("p", { id: "devices-processing", class: "devices-name" }, text.processing),
      element("div", { class: "devices-switches" }, ...[...switches].map(([name, box]) => element("label", { class: "devices-switch" }, box, text.switches[name])))),
    processed));

  const { mediaDevices } = navigator;
  const chosen = remembered();
  let used = { ...chosen };
  /** @type {MediaDeviceInfo[]} */
  let found = [];
  /** @type {PermissionStatus | null} */
  let permission = null;
  let refused = false;
  let looks = 0;
  let [busy, live] = [false, false];

  for (const [name, box] of switches) {
    box.checked = chosen[name];
    box.addEventListener("change", () => choose({ [name]: box.checked }));
  }
  for (const kind of KINDS) pickers[kind].addEventListener("change", () => choose({ [kind]: pickers[kind].value }));
  allow.addEventListener("click", () => void ask());
  tone.addEventListener("click", () => void play());
  mediaDevices?.addEventListener("devicechange", () => void look());
  hub.on("microphone", (stream) => {
    const [track] = stream?.getTracks() ?? [];
    const names = track ? otherwise(track.getSettings(), used) : [];
    processed.textContent = names.length ? text.otherwise(names.map((name) => text.switches[name])) : "";
    if (stream) allowed();
  });
  hub.on("state", ({ state, error }) => {
    live = isLive(state);
    if (state === "checking") test.stop();
    busy = isBusy(state);
    if (error?.step === "microphone") refuse(error.cause);
    update();
    if (state === "connected" || !live) test.yield(live);
  });
  hub.emit("devices", { ...used });
  update();
  void look();
  navigator.permissions?.query({ name: /** @type {PermissionName} */ ("microphone") }).then((status) => {
    permission = status;
    status.addEventListener("change", () => {
      refused = false;
      void look();
    });
    update();
  }, () => {}); // this browser does not tell

  /** What is there now. */
  async function look() {
    const mine = ++looks;
    const seen = (await mediaDevices?.enumerateDevices().catch(() => null)) ?? [];
    if (mine !== looks) return; // something has changed meanwhile
    const before = found;
    found = seen;
    follow(before);
    update();
  }

  /**
   * Use what was chosen, or the system's own as long as that is not there; and say so.
   * @param {MediaDeviceInfo[]} before
   */
  function follow(before) {
    const now = available(chosen, found);
    for (const kind of KINDS) {
      if (now[kind] === used[kind]) continue;
      if (kind === "microphone") test.stop(); // its verdict is about the one before
      const isGone = now[kind] === "";
      const label = listed(isGone ? before : found, kind).devices.find(({ id }) => id === chosen[kind])?.label ?? "";
      remark(kind, isGone ? text.gone(text.names[kind], label) : text.back(text.names[kind], label));
      if (isGone && live) hub.emit("trouble", { step: "devices", error: new DeviceGone(kind, label) });
    }
    tell(now);
  }

  /** @param {Devices} now */
  function tell(now) {
    used = now;
    hub.emit("devices", { ...now });
  }

  /** @param {Partial<Devices>} changes */
  function choose(changes) {
    Object.assign(chosen, changes);
    remember(chosen);
    for (const kind of KINDS) if (kind in changes) remark(kind, "");
    processed.textContent = ""; // told anew by whoever opens it
    const [before, now] = [used, available(chosen, found)];
    tell(now);
    if (!alike(before, now)) test.restart();
    update();
  }

  function update() {
    const now = standing({ secure: Boolean(mediaDevices), permission: refused ? "denied" : permission?.state ?? null, found });
    if (said.textContent !== text.standing[now]) said.textContent = text.standing[now];
    said.dataset.standing = now;
    const named = isNamed(found);
    for (const kind of KINDS) {
      fill(pickers[kind], listed(found, kind), used[kind]);
      pickers[kind].disabled = !named;
    }
    actions.keepFocus(() => { test.button.disabled = busy || now === "none" || now === "insecure"; });
    const hadFocus = document.activeElement === allow;
    allow.classList.toggle("is-away", !["unasked", "refused"].includes(now));
    if (hadFocus && now === "allowed") pickers.microphone.focus();
  }

  async function ask() {
    try {
      close(await openMicrophone(used));
      allowed();
    } catch (error) {
      failed(error);
    }
  }

  function allowed() {
    refused = false;
    void look(); // names are known now
  }

  /** @param {unknown} error */
  function refuse(error) {
    refused = error instanceof DOMException && error.name === "NotAllowedError";
    void look();
  }

  /** @param {unknown} error */
  function failed(error) {
    refuse(error);
    if (!refused) remark("microphone", text.failed);
  }

  /**
   * Below its picker.
   * @param {Kind} kind
   * @param {string} what
   */
  function remark(kind, what) {
    if (kind === "microphone") test.remark(what);
    else played.textContent = what;
  }

  async function play() {
    if (tone.getAttribute("aria-busy") === "true") return;
    tone.setAttribute("aria-busy", "true");
    remark("speaker", text.playing);
    const label = listed(found, "speaker").devices.find(({ id }) => id === used.speaker)?.label ?? text.systemSpeaker;
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), TONE_MS);
    try {
      const there = await playTone(used.speaker, patience.signal);
      remark("speaker", there ? text.played(label) : text.playedElsewhere);
    } catch {
      remark("speaker", text.notPlayed);
    } finally {
      clearTimeout(timer);
      tone.removeAttribute("aria-busy");
    }
  }

  return {
    now: () => ({ ...used }),
    /** @param {Kind} kind */
    choose(kind) {
      actions.show("setup");
      [pickers[kind], allow, test.button].find((each) => !each.disabled && each.checkVisibility({ visibilityProperty: true }))?.focus();
    },
    useSystemSpeaker: () => choose({ speaker: "" }),
  };
}

/**
 * Built anew only when the devices have changed: that closes a list from which somebody chooses.
 * @param {HTMLSelectElement} picker
 * @param {ReturnType<typeof listed>} list
 * @param {string} value
 */
function fill(picker, { system, devices }, value) {
  const wanted = [{ id: "", label: text.system(system) }, ...devices];
  const is = [...picker.options].map(({ value: id, text: label }) => ({ id, label }));
  if (JSON.stringify(is) !== JSON.stringify(wanted)) picker.replaceChildren(...wanted.map(({ id, label }) => element("option", { value: id }, label)));
  picker.value = wanted.some(({ id }) => id === value) ? value : ""; // as long as names are not known, nor is what was remembered
}
