/** The steps of a call as a waterfall of milliseconds. The one that fails opens in place. */

import { advise } from "../advice.js";
import { STEPS } from "../call/steps.js";
import { CopyButton } from "../copy-button.js";
import { element } from "../element.js";
import { endedByThem, isBusy, isOver } from "../hub.js";
import { late, loaded } from "../late.js";
import { figure, milliseconds } from "../milliseconds.js";
import { words } from "../words.js";
import { explained } from "./failure.js";
import { FaultLine } from "./fault-line.js";

/** @typedef {import("../call/step-clock.js").Step} Step */

const text = words.steps;
const FIGURES = /** @type {const} */ (["gateway", "provider", "network", "ready"]);
const KINDS = ["host", "srflx", "relay"];

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const rows = new Map(STEPS.map((name) => [name, row(name)]));
  const figures = FIGURES.map((name) => element("dd", { id: `time-${name}` }));
  const id = element("code", { id: "call-id", "aria-labelledby": "call-id-name" });
  const copy = /** @type {HTMLButtonElement} */ (element("button", { class: "button button-quiet", type: "button", "aria-label": text.copyId }, words.copy.name));
  CopyButton(copy, () => id.textContent ?? "");
  const list = element("ol", { class: "steps-list" }, ...[...rows.values()].map(({ item }) => item));
  const rest = element("p", { class: "steps-rest", hidden: "" });
  const measured = element("div", {});
  const tenTimes = /** @type {HTMLButtonElement} */ (element("button", { class: "button button-quiet", type: "button" }, text.tenTimes));
  const save = element("button", { class: "button button-quiet", type: "button" }, text.save);
  const tools = element("div", { class: "steps-tools" }, FaultLine(hub, actions), tenTimes, save);
  const candidates = Candidates();
  rows.get("ice")?.line.after(candidates.root);
  root.append(element("div", { class: "steps" },
    element("dl", { class: "steps-figures" }, ...figures.map((figure, index) => element("div", {}, element("dt", {}, text[FIGURES[index] ?? "ready"]), figure))),
    element("div", { class: "steps-call" }, element("span", { id: "call-id-name" }, text.callId), id, copy),
    list, rest, measured, tools));
  root.tabIndex = 0; // it scrolls, and may hold nothing else that takes the focus
  /** @type {Map<string, Step>} */
  let steps = new Map();
  /** Counts down what is left of a step's time. */
  const patience = Countdown((left) => {
    const active = [...steps.values()].find(({ state }) => state === "active");
    const note = active && rows.get(active.name)?.note;
    if (note && !waiting(active)) note.textContent = text.givesUp(left);
  });

  hub.on("step", (step) => {
    steps.set(step.name, step);
    if (step.state === "active" && step.patience) patience.start(step.patience);
    update();
  });
  hub.on("candidate", candidates.add);
  tenTimes.addEventListener("click", () => void connectTenTimes());
  save.addEventListener("click", () => void actions.saveDiagnostics());
  hub.on("state", (stage) => {
    const { state, error } = stage;
    if (state === "checking") clear();
    const note = rows.get(lastReached())?.note;
    if (note && state === "interrupted") note.textContent = text.interrupted;
    else if (state === "connected") update();
    if (isOver(state)) patience.stop();
    actions.keepFocus(() => { tenTimes.disabled = isBusy(state); });
    if (error) (endedByThem(stage) ? tell : fail)(error.step, error.cause);
  });
  hub.on("trouble", ({ step, error }) => { if (rows.has(step)) fail(step, error); });
  hub.on("id", showId);
  showId(null);
  update();

  const repeating = late("repeat", () => import("./repeat.js"), ({ mount }) => mount(measured, hub, actions));
  async function connectTenTimes() {
    if (tenTimes.getAttribute("aria-busy") === "true") return;
    tenTimes.setAttribute("aria-busy", "true");
    try {
      await (await loaded(hub, repeating()))?.run();
    } finally {
      tenTimes.removeAttribute("aria-busy");
    }
  }

  function clear() {
    steps = new Map();
    candidates.clear();
    close();
    for (const { note } of rows.values()) note.textContent = "";
    showId(null);
    update();
  }

  function update() {
    const scale = span([...steps.values()]);
    for (const [name, made] of rows) paint(made, steps.get(name), scale);
    const timings = [...steps.values()].flatMap(({ timing }) => timing ?? []);
    const ready = steps.get("session-created");
    const totals = [...(/** @type {const} */ (["gateway", "provider", "network"])).map((name) => sum(timings.map((timing) => timing[name]))), ready?.to ?? null];
    figures.forEach((figure, index) => { figure.textContent = milliseconds(totals[index] ?? null); });
  }

  function lastReached() {
    return STEPS.filter((name) => ["done", "lost"].includes(steps.get(name)?.state ?? "")).at(-1) ?? "";
  }

  /** @param {string} step `connection` for a call that stood: then it is the last one reached */
  function rung(step) {
    return rows.has(step) ? step : lastReached();
  }

  /**
   * @param {string} step
   * @param {unknown} error
   */
  function fail(step, error) {
    const at = rung(step);
    const note = rows.get(at)?.note;
    if (note) note.textContent = advise(step, error).todo;
    open(at, element("div", { class: "failure step-failure", role: "alert" }), step, error);
  }

  /** What is no failure. @type {typeof fail} */
  function tell(step, error) {
    open(rung(step), element("div", { class: "failure step-failure is-told", role: "status" }), step, error);
  }

  /**
   * Explain a rung right below it. What was not reached gives it its place, so that nothing moves.
   * @param {string} at
   * @param {HTMLElement} card
   * @param {string} step
   * @param {unknown} error
   */
  function open(at, card, step, error) {
    const item = rows.get(at)?.item;
    if (!item) return;
    item.append(card);
    card.append(...explained(step, error, actions, () => actions.keepFocus(close))); // it is read out once it stands there
    list.dataset.open = at;
    const missed = STEPS.slice(STEPS.indexOf(at) + 1).filter((name) => (steps.get(name)?.state ?? "pending") === "pending");
    rest.textContent = text.notReached(missed.map((name) => /** @type {Record<string, string>} */ (text.names)[name]).join(", "));
    rest.hidden = missed.length === 0;
    card.scrollIntoView({ block: "nearest" });
  }

  function close() {
    for (const card of list.querySelectorAll(".step-failure")) card.remove();
    delete list.dataset.open;
    rest.hidden = true;
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
  const line = element("div", { class: "step-line" },
    element("span", { class: "step-mark", "aria-hidden": "true" }), element("span", { class: "step-name" }, /** @type {Record<string, string>} */ (text.names)[name] ?? name), state, bar, time, note);
  const item = element("li", { class: "step", "data-step": name, "data-state": "pending" }, line);
  return { item, line, state, time, bar, note };
}

/** How many ways each side has named, by their kind. Its place is kept. */
function Candidates() {
  /** @type {Map<string, number>} */
  let counts = new Map();
  const sides = /** @type {const} */ (["local", "remote"]);
  const said = sides.map((side) => element("span", { "data-side": side }));
  const root = element("p", { class: "step-candidates" }, ...said);

  function update() {
    sides.forEach((side, index) => {
      const of = (/** @type {string} */ kind) => counts.get(`${side} ${kind}`) ?? 0;
      const kinds = [...KINDS, ...(of("prflx") ? ["prflx"] : [])];
      const any = kinds.some((kind) => of(kind) > 0);
      const node = said[index];
      if (node) node.textContent = `${text.candidates[side]}: ${any ? kinds.map((kind) => `${kind} ${of(kind)}`).join(" · ") : text.candidates.none}`;
    });
  }
  update();
  return {
    root,
    clear() {
      counts = new Map();
      update();
    },
    /** @param {import("../hub.js").Events["candidate"]} candidate */
    add({ side, type }) {
      const kind = `${side} ${type ?? "host"}`;
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      update();
    },
  };
}

/**
 * Tells what is left, once a second; the first time after a second, so that what is quick says nothing.
 * @param {(left: number) => void} onSecond
 */
function Countdown(onSecond) {
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  const stop = () => clearInterval(timer);
  return {
    stop,
    /** @param {number} seconds */
    start(seconds) {
      stop();
      let left = seconds;
      timer = setInterval(() => { if (--left >= 0) onSecond(left); }, 1000);
    },
  };
}

/** @param {Step} step */
function waiting({ name }) {
  return /** @type {Record<string, string>} */ (text.waiting)[name] ?? "";
}

/**
 * @param {Row} row
 * @param {Step | undefined} step
 * @param {number} scale
 */
function paint({ item, state, time, bar, note }, step, scale) {
  const was = item.dataset.state;
  item.dataset.state = step?.state ?? "pending";
  state.textContent = text.states[step?.state ?? "pending"];
  const ms = step && step.to !== null && step.state !== "pending" ? step.to - step.from : null;
  if (ms === null) delete item.dataset.ms;
  else item.dataset.ms = ms.toFixed(1);
  time.textContent = step?.state === "skipped" ? text.states.skipped : ms === null ? "" : milliseconds(ms);
  bar.style.setProperty("--from", String(step && ms !== null ? Math.min(0.97, step.from / scale) : 0));
  bar.style.setProperty("--to", String(step?.to && ms !== null ? Math.min(1, step.to / scale) : 0));
  if (step?.timing && step.state === "done") note.textContent = apart(step.timing);
  else if (step?.state === "active") note.textContent = was === "active" ? note.textContent : waiting(step);
  else if (step?.state !== "failed" && step?.state !== "lost") note.textContent = "";
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
