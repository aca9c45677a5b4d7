/** The steps of a call as a waterfall of milliseconds. */

import { advise, stepAdvice } from "../advice.js";
import { STEPS } from "../call/step-clock.js";
import { CopyButton } from "../copy-button.js";
import { element } from "../element.js";
import { words } from "../words.js";

/** @typedef {import("../call/step-clock.js").Step} Step */

const text = words.steps;
const FIGURES = /** @type {const} */ (["gateway", "provider", "network", "ready"]);

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 */
export function mount(root, hub) {
  const rows = new Map(STEPS.map((name) => [name, row(name)]));
  const figures = FIGURES.map((name) => element("dd", { id: `time-${name}` }));
  const id = element("code", { id: "call-id", "aria-labelledby": "call-id-name" });
  const copy = /** @type {HTMLButtonElement} */ (element("button", { class: "button button-quiet", type: "button", "aria-label": text.copyId }, words.copy.name));
  CopyButton(copy, () => id.textContent ?? "");
  root.append(element("div", { class: "steps" },
    element("dl", { class: "steps-figures" }, ...figures.map((figure, index) => element("div", {}, element("dt", {}, text[FIGURES[index] ?? "ready"]), figure))),
    element("div", { class: "steps-call" }, element("span", { id: "call-id-name" }, text.callId), id, copy),
    element("ol", { class: "steps-list" }, ...[...rows.values()].map(({ item }) => item))));
  root.tabIndex = 0; // it scrolls, and may hold nothing else that takes the focus
  /** @type {Map<string, Step>} */
  let steps = new Map();

  hub.on("step", (step) => {
    steps.set(step.name, step);
    if (step.state === "failed") explain(step.name, stepAdvice(step.name));
    update();
  });
  hub.on("state", ({ state, error }) => {
    if (state === "checking") {
      steps = new Map();
      for (const { note } of rows.values()) note.textContent = "";
      showId(null);
      update();
    }
    if (error) explain(error.step, advise(error.step, error.cause).todo);
  });
  hub.on("id", showId);
  showId(null);
  update();

  function update() {
    const scale = span([...steps.values()]);
    for (const [name, made] of rows) paint(made, steps.get(name), scale);
    const timings = [...steps.values()].flatMap(({ timing }) => timing ?? []);
    const ready = steps.get("session-created");
    const totals = [...(/** @type {const} */ (["gateway", "provider", "network"])).map((name) => sum(timings.map((timing) => timing[name]))), ready?.state === "done" ? ready.to : null];
    figures.forEach((figure, index) => { figure.textContent = milliseconds(totals[index] ?? null); });
  }

  /**
   * Say how to fix a failed step.
   * @param {string} name
   * @param {string} todo
   */
  function explain(name, todo) {
    const found = rows.get(name);
    if (found) found.note.textContent = todo;
  }

  /** @param {string | null} known */
  function showId(known) {
    id.textContent = known ?? text.noCall;
    copy.classList.toggle("is-away", known === null);
  }
}

/** @typedef {ReturnType<typeof row>} Row */

/** @param {string} name */
function row(name) {
  const state = element("span", { class: "visually-hidden" }, text.states.pending);
  const time = element("span", { class: "step-time" });
  const bar = element("span", { class: "step-bar", "aria-hidden": "true" });
  const note = element("p", { class: "step-note" });
  const item = element("li", { class: "step", "data-step": name, "data-state": "pending" },
    element("span", { class: "step-mark", "aria-hidden": "true" }), element("span", { class: "step-name" }, /** @type {Record<string, string>} */ (text.names)[name] ?? name), state, bar, time, note);
  return { item, state, time, bar, note };
}

/**
 * @param {Row} row
 * @param {Step | undefined} step
 * @param {number} scale
 */
function paint({ item, state, time, bar, note }, step, scale) {
  item.dataset.state = step?.state ?? "pending";
  state.textContent = text.states[step?.state ?? "pending"];
  const ms = step && step.to !== null && step.state !== "pending" ? step.to - step.from : null;
  if (ms === null) delete item.dataset.ms;
  else item.dataset.ms = ms.toFixed(1);
  time.textContent = step?.state === "skipped" ? text.states.skipped : ms === null ? "" : milliseconds(ms);
  bar.style.setProperty("--from", String(step && ms !== null ? Math.min(0.97, step.from / scale) : 0));
  bar.style.setProperty("--to", String(step?.to && ms !== null ? Math.min(1, step.to / scale) : 0));
  if (step?.timing) note.textContent = apart(step.timing);
  else if (step?.state === "active") note.textContent = /** @type {Record<string, string>} */ (text.waiting)[step.name] ?? "";
  else if (step?.state !== "failed") note.textContent = "";
}

/** @param {import("../api.js").ServerTiming} timing */
function apart({ gateway, provider, network }) {
  return network === null ? "" : text.apart(figure(gateway), figure(provider), milliseconds(network));
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
