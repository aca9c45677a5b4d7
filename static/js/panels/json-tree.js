/** A JSON value as a tree of native disclosures, built as it is opened. */

import { element } from "../element.js";
import { words } from "../words.js";

const MOST_CHARACTERS = 4000; // of one text
const MOST_MEMBERS = 100; // in one list; more are put in groups
const NAMED = 4; // members that stand in the line of one that is closed

/**
 * @param {unknown} value
 * @param {number} [depth] to which it is open
 */
export function JsonTree(value, depth = 2) {
  return element("div", { class: "tree" }, ...(isBranch(value) ? members(value, depth) : [leaf("", value)]));
}

/** @param {unknown} value @returns {value is object} */
function isBranch(value) {
  return value !== null && typeof value === "object" && Object.keys(value).length > 0;
}

/**
 * @param {object} value
 * @param {number} depth
 * @returns {Node[]}
 */
function members(value, depth) {
  const all = Object.entries(value);
  if (all.length <= MOST_MEMBERS) return all.map(([name, each]) => node(name, each, depth));
  const groups = Array.from({ length: Math.ceil(all.length / MOST_MEMBERS) }, (_, group) => all.slice(group * MOST_MEMBERS, (group + 1) * MOST_MEMBERS));
  return groups.map((group, at) => branch(`${at * MOST_MEMBERS}–${at * MOST_MEMBERS + group.length - 1}`, "", () => group.map(([name, each]) => node(name, each, depth)), at === 0));
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} depth
 */
function node(name, value, depth) {
  if (!isBranch(value)) return leaf(name, value);
  const names = Object.keys(value);
  const shown = Array.isArray(value) ? `[${value.length}]` : `{${names.slice(0, NAMED).join(", ")}${names.length > NAMED ? ", …" : ""}}`;
  return branch(name, shown, () => members(value, depth - 1), depth > 1);
}

/**
 * @param {string} name
 * @param {string} shown
 * @param {() => Node[]} made
 * @param {boolean} open
 */
function branch(name, shown, made, open) {
  const inside = element("div", { class: "tree-inside" });
  const details = /** @type {HTMLDetailsElement} */ (element("details", { class: "tree-branch" },
    element("summary", {}, element("span", { class: "tree-name" }, name), " ", element("span", { class: "tree-shape" }, shown)), inside));
  let filled = false;
  const fill = () => {
    if (filled) return;
    filled = true;
    inside.append(...made());
  };
  if (open) fill();
  details.open = open;
  details.addEventListener("toggle", fill);
  return details;
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function leaf(name, value) {
  const written = JSON.stringify(value) ?? "";
  const cut = written.length > MOST_CHARACTERS ? `${written.slice(0, MOST_CHARACTERS)} ${words.events.shortened}` : written;
  return element("div", { class: "tree-leaf" }, element("span", { class: "tree-name" }, name), " ", element("span", { class: "tree-value", "data-kind": typeof value }, cut));
}
