/**
 * A call's record as it changes: every field of it. Between its head and its fields there is room for the call itself, to be
 * watched once sidebands pass through the service.
 */

import { CopyButton } from "../copy-button.js";
import { element, icon } from "../element.js";
import { words } from "../words.js";
import { HangUp } from "./hang-up.js";
import { age, cost, duration, endedBy, endsBy, moment, status, supervision } from "./shown.js";

/** @typedef {import("./api.js").Call} Call */

const text = words.operators.record;

/**
 * @param {HTMLElement} root
 * @param {{close: () => void, hangUp: (id: string) => Promise<void>}} actions
 */
export function mount(root, { close, hangUp }) {
  const title = element("h3", { class: "record-title", id: "record-title", tabindex: "-1" });
  const model = element("p", { class: "record-model", id: "record-model" });
  const shut = element("button", { class: "button button-quiet button-icon", type: "button", "aria-label": text.close }, icon("M6 6l12 12M18 6L6 18"));
  const state = element("p", { class: "record-state", role: "status" });
  const copy = /** @type {HTMLButtonElement} */ (element("button", { class: "button button-quiet", type: "button" }, text.copyId));
  const control = HangUp("record-title record-model", async () => { if (call) await hangUp(call.id); });
  const body = element("div", { class: "record-body" });
  const json = element("pre", { tabindex: "0" });
  const raw = element("details", { class: "record-json" }, element("summary", {}, text.json), json);
  const empty = element("p", { class: "empty" }, text.none);
  const whole = element("div", { class: "record-whole", hidden: "" },
    element("header", { class: "record-head" }, element("div", { class: "record-names" }, title, model), shut),
    element("div", { class: "record-foot" }, state, control.root),
    element("div", { class: "record-scroll", tabindex: "0", role: "group", "aria-label": text.fields }, body, element("div", { class: "record-row" }, copy), raw));
  root.append(empty, whole);
  /** @type {Call | null} */
  let call = null;
  let written = "";
  /** @type {{node: HTMLElement, read: (call: Call, now: number) => string}[]} */
  let ticking = [];

  shut.addEventListener("click", close);
  root.addEventListener("keydown", ({ key }) => { if (key === "Escape") close(); });
  CopyButton(copy, () => call?.id ?? "");

  /** @param {Call} shown */
  function write(shown) {
    ticking = [];
    /** @param {(call: Call, now: number) => string} read */
    const live = (read) => {
      const node = element("span");
      ticking.push({ node, read });
      return node;
    };
    const { usage, ending, metadata } = shown;
    body.replaceChildren(
      section(text.sections.call, [
        [text.names.id, element("code", {}, shown.id)],
        [text.names.caller, shown.caller], [text.names.model, shown.model], [text.names.deployment, element("code", {}, shown.deployment)],
        [text.names.started, moment(shown.started_at)], [text.names.lasted, live(age)],
        [text.names.endsBy, moment(shown.ends_by)], ...(shown.status === "live" ? [[text.names.left, live((each, at) => endsBy(each, at).shown)]] : []),
        ...(ending ? [[text.names.ending, text.endingBy(endedBy(ending.by), moment(ending.since))]] : []),
        ...(shown.ended_at === null ? [] : [[text.names.ended, moment(shown.ended_at)], [text.names.endedBy, endedBy(shown.ended_by)]]),
      ]),
      section(text.sections.cost, [[text.names.cost, [cost(shown).shown, cost(shown).said].filter(Boolean).join(", ")], [text.names.label, shown.cost.label]]),
      section(text.sections.usage, tokens(usage)),
      section(text.sections.supervision, [
        [text.names.supervision, supervision({ ...shown, gaps: [], warnings: [], drift: [] })],
        [text.names.gaps, entries(shown.gaps.map(({ from, to }) => `${moment(from)}, ${to === null ? text.stillOpen : duration(to - from)}`))],
        [text.names.warnings, entries((shown.warnings ?? []).map(({ at, reason }) => `${moment(at)}: ${words.operators.enders[/** @type {"idle"} */ (reason)] ?? reason}`))],
        [text.names.drift, entries((shown.drift ?? []).map(({ at, fields }) => `${moment(at)}: ${fields.join(", ")}`))],
      ]),
      section(text.sections.metadata, Object.entries(metadata).length ? Object.entries(metadata) : [["", text.noMetadata]]),
    );
    json.textContent = JSON.stringify(shown, null, 2);
  }

  return {
    /**
     * @param {Call} shown
     * @param {import("./shown.js").Note | undefined} note
     * @param {number} now
     */
    show(shown, note, now) {
      const other = call?.id !== shown.id;
      call = shown;
      whole.hidden = false;
      empty.hidden = true;
      title.textContent = shown.caller;
      model.textContent = shown.model;
      const said = status(shown, note);
      if (state.textContent !== said.shown) state.textContent = said.shown;
      state.dataset.tone = said.tone;
      control.update(shown.status === "live");
      const next = JSON.stringify(shown);
      if (next !== written) write(shown);
      written = next;
      if (other) body.parentElement?.scrollTo(0, 0);
      this.tick(now);
    },
    /** @param {string} why there is nothing to show */
    clear(why = text.none) {
      [call, written] = [null, ""];
      whole.hidden = true;
      empty.hidden = false;
      empty.textContent = why;
    },
    /** @param {number} now */
    tick(now) {
      if (!call) return;
      for (const { node, read } of ticking) {
        const value = read(call, now);
        if (node.textContent !== value) node.textContent = value;
      }
    },
    focus() { title.focus(); },
  };
}

/**
 * @param {string} name
 * @param {(string | Node)[][]} rows
 */
function section(name, rows) {
  const list = element("dl", {}, ...rows.map(([term, value]) => element("div", {}, element("dt", {}, term ?? ""), element("dd", {}, value ?? ""))));
  return element("section", { class: "record-section" }, element("h4", {}, name), list);
}

/** @param {string[]} all */
function entries(all) {
  return all.length ? element("ol", {}, ...all.map((each) => element("li", {}, each))) : text.noneOf;
}

/**
 * What was used, by kind; what nobody counted is not 0.
 * @param {Record<string, any>} usage
 * @returns {string[][]}
 */
function tokens(usage) {
  const counted = (/** @type {unknown} */ value) => (value !== null && typeof value === "object" ? Object.values(value).some(counted) : typeof value === "number");
  if (!counted(usage)) return [[text.names.label, text.uncounted]];
  const rows = [[text.names.label, String(usage.label)]];
  const count = (/** @type {string} */ name, /** @type {unknown} */ value) => {
    if (typeof value === "number") rows.push([name, value.toLocaleString()]);
    else if (value === null) rows.push([name, text.unknown]);
  };
  for (const [name, value] of Object.entries(usage)) {
    if (name === "label") continue;
    const known = /** @type {Record<string, string>} */ (text.usage);
    const spelled = (/** @type {string} */ key) => known[key] ?? key.replaceAll("_", " ");
    if (value === null || typeof value !== "object") {
      count(spelled(name), value);
      continue;
    }
    for (const [kind, amount] of Object.entries(value)) {
      if (amount !== null && typeof amount === "object") {
        for (const [inner, inside] of Object.entries(amount)) count(`${spelled(name)}, ${spelled(kind)}, ${spelled(inner)}`, inside);
      } else count(`${spelled(name)}, ${spelled(kind)}`, amount);
    }
  }
  return rows;
}
