/** A call's row in the operators' table. Writes to the document only what has changed. */

import { element } from "../element.js";
import { words } from "../words.js";
import { HangUp } from "./hang-up.js";
import { age, cost, endsBy, status, supervision } from "./shown.js";

/** @typedef {import("./api.js").Call} Call */

const text = words.operators;
export const COLUMNS = /** @type {const} */ (["caller", "model", "age", "endsBy", "cost", "supervision", "status"]);
let made = 0;

/**
 * @param {Call} first
 * @param {(id: string) => Promise<void>} hangUp
 */
export function Row(first, hangUp) {
  const id = `call-row-${(made += 1)}`;
  const link = element("a", { class: "calls-link", href: `#/calls/${first.id}` }, element("span", { class: "calls-name" }, first.caller),
    element("code", { class: "calls-id", "aria-hidden": "true" }, text.shortId(first.id)), element("span", { class: "visually-hidden" }, ` ${text.callNamed(first.id)}`));
  // Roles in words: on a phone the rows are cards, and CSS would take the table's meaning away.
  const cell = (/** @type {string} */ name, /** @type {string} */ role, /** @type {Record<string, string>} */ more = {}, /** @type {Node[]} */ ...children) =>
    element(role === "rowheader" ? "th" : "td", { role, class: `calls-${name}`, ...more }, ...children);
  const [ageText, endsText, costText, costSaid, watchText, statusText] = Array.from({ length: 6 }, () => element("span"));
  costSaid?.classList.add("visually-hidden");
  const control = HangUp(`${id}-caller ${id}-model`, () => hangUp(first.id));
  const model = cell("model", "cell", { id: `${id}-model` });
  const ends = cell("endsBy", "cell", { "data-label": text.columns.endsBy }, /** @type {Node} */ (endsText));
  const state = cell("status", "cell", {}, /** @type {Node} */ (statusText));
  const root = /** @type {HTMLTableRowElement} */ (element("tr", { class: "calls-row", role: "row" },
    cell("caller", "rowheader", { scope: "row", id: `${id}-caller` }, link), model,
    cell("age", "cell", { "data-label": text.columns.age }, /** @type {Node} */ (ageText)), ends,
    cell("cost", "cell", {}, /** @type {Node} */ (costText), /** @type {Node} */ (costSaid)),
    cell("supervision", "cell", {}, /** @type {Node} */ (watchText)), state,
    cell("action", "cell", {}, control.root)));
  set(model, first.model);
  model.title = first.model;
  link.title = `${first.caller}, ${text.callNamed(first.id)}`;
  let call = first;

  return {
    root,
    link,
    get call() { return call; },
    /**
     * @param {Call} changed
     * @param {import("./shown.js").Note | undefined} note
     * @param {number} now
     */
    update(changed, note, now) {
      call = changed;
      const [said, tone] = [cost(call), status(call, note)];
      set(costText, said.shown);
      set(costSaid, said.said);
      set(watchText, supervision(call));
      if (watchText && watchText.title !== watchText.textContent) watchText.title = watchText.textContent ?? "";
      mark(watchText, "tone", call.supervision === "lost" || call.gaps.length || call.drift?.length ? "wait" : "");
      set(statusText, tone.shown);
      mark(state, "tone", tone.tone);
      mark(root, "status", call.status);
      if (state.title !== tone.shown) state.title = tone.shown;
      control.update(call.status === "live");
      this.tick(now);
    },
    /** @param {number} now */
    tick(now) {
      const left = endsBy(call, now);
      set(ageText, age(call, now));
      set(endsText, left.shown);
      mark(ends, "tone", left.soon && call.status === "live" ? "wait" : "");
    },
    /** @param {boolean} open */
    choose(open) {
      if (open) root.setAttribute("aria-current", "true");
      else root.removeAttribute("aria-current");
    },
  };
}

/**
 * @param {HTMLElement | undefined} node
 * @param {string} value
 */
function set(node, value) {
  if (node && node.textContent !== value) node.textContent = value;
}

/**
 * @param {HTMLElement | undefined} node
 * @param {string} name
 * @param {string} value
 */
function mark(node, name, value) {
  if (node && node.dataset[name] !== value) node.dataset[name] = value;
}
