/** The steps of a call as a waterfall of milliseconds. */

import { WAITING } from "./advice.js";
import { element } from "./element.js";
import { STEPS } from "./step-clock.js";

/** @typedef {import("./step-clock.js").Step} Step */

const NAMES = /** @type {Record<string, string>} */ ({
  microphone: "Microphone", token: "Token", offer: "Offer", answer: "Answer", ice: "ICE", dtls: "DTLS",
  "data-channel": "Data channel", "session-created": "session.created", "first-audio": "First audio",
});

/** @param {HTMLElement} root */
export function StepLadder(root) {
  const list = /** @type {HTMLElement} */ (root.querySelector(".step-ladder-list"));
  const totals = ["gateway", "provider", "ready"].map((name) => /** @type {HTMLElement} */ (root.querySelector(`#time-${name}`)));
  const rows = new Map(STEPS.map((name) => [name, row(name)]));
  /** @type {Map<string, Step>} */
  let steps = new Map();
  list.append(...[...rows.values()].map(({ item }) => item));

  function update() {
    const scale = span([...steps.values()]);
    for (const name of STEPS) paint(/** @type {Row} */ (rows.get(name)), steps.get(name), scale);
    const timings = [...steps.values()].flatMap(({ timing }) => timing ?? []);
    const ready = steps.get("session-created");
    const figures = [sum(timings.map(({ gateway }) => gateway)), sum(timings.map(({ provider }) => provider)), ready?.state === "done" ? ready.to : null];
    totals.forEach((node, index) => { node.textContent = milliseconds(figures[index] ?? null); });
  }

  return {
    clear() {
      steps = new Map();
      for (const { note } of rows.values()) note.textContent = "";
      update();
    },
    /** @param {Step} step */
    set(step) {
      steps.set(step.name, step);
      update();
    },
    /** Say how to fix a failed step. */
    explain(/** @type {string} */ name, /** @type {string} */ todo) {
      const found = rows.get(name);
      if (found) found.note.textContent = todo;
    },
  };
}

/** @typedef {ReturnType<typeof row>} Row */

/** @param {string} name */
function row(name) {
  const state = element("span", { class: "visually-hidden" }, "not started");
  const time = element("span", { class: "step-time" });
  const bar = element("span", { class: "step-bar", "aria-hidden": "true" });
  const note = element("p", { class: "step-note" });
  const item = element("li", { class: "step", "data-step": name, "data-state": "pending" },
    element("span", { class: "step-mark", "aria-hidden": "true" }), element("span", { class: "step-name" }, NAMES[name] ?? name), state, bar, time, note);
  return { item, state, time, bar, note };
}

/**
 * @param {Row} row
 * @param {Step | undefined} step
 * @param {number} scale
 */
function paint({ item, state, time, bar, note }, step, scale) {
  item.dataset.state = step?.state ?? "pending";
  state.textContent = { pending: "not started", active: "under way", done: "done", failed: "failed", skipped: "skipped" }[step?.state ?? "pending"];
  const ms = step && step.to !== null && step.state !== "pending" ? step.to - step.from : null;
  if (ms === null) delete item.dataset.ms;
  else item.dataset.ms = ms.toFixed(1);
  time.textContent = step?.state === "skipped" ? "skipped" : ms === null ? "" : milliseconds(ms);
  bar.style.setProperty("--from", String(step && ms !== null ? Math.min(0.97, step.from / scale) : 0));
  bar.style.setProperty("--to", String(step?.to && ms !== null ? Math.min(1, step.to / scale) : 0));
  if (step?.timing) note.textContent = apart(step.timing, ms ?? 0);
  else if (step?.state === "active") note.textContent = WAITING[step.name] ?? "";
  else if (step?.state !== "failed") note.textContent = "";
}

/**
 * @param {import("./api.js").ServerTiming} timing
 * @param {number} whole
 */
function apart({ gateway, provider }, whole) {
  if (gateway === null && provider === null) return "";
  const rest = Math.max(0, whole - (gateway ?? 0) - (provider ?? 0));
  return `gateway ${figure(gateway)} · provider ${figure(provider)} · network ${milliseconds(rest)}`;
}

/**
 * A first word that came long after the call was ready must not squeeze the rest.
 * @param {Step[]} steps
 */
function span(steps) {
  const ends = (/** @type {Step[]} */ of) => Math.max(1, ...of.map(({ to }) => to ?? 0));
  const ready = ends(steps.filter(({ name }) => name !== "first-audio"));
  return Math.min(ends(steps), ready * 1.5);
}

/** @param {(number | null)[]} values */
function sum(values) {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((a, b) => a + b, 0) : null;
}

/** @param {number | null} value */
function milliseconds(value) {
  if (value === null) return "–";
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return `${figure(value)} ms`;
}

/** @param {number | null} value */
function figure(value) {
  return value === null ? "–" : value < 10 ? value.toFixed(1) : String(Math.round(value));
}
