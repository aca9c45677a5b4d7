/** Everything that was sent and received, newest last, bounded. */

import { CopyButton } from "./copy-button.js";
import { element } from "./element.js";
import { StickyScroll } from "./sticky-scroll.js";

const MOST_ENTRIES = 500;
/** Enough for any event worth reading; audio never passes here. */
const MOST_CHARACTERS = 40_000;
const ARROWS = { out: "↑", in: "↓", http: "⇄" };
const SPOKEN = { out: "sent", in: "received", http: "HTTP" };

/** @typedef {keyof typeof ARROWS} Direction */
/** @typedef {{at: Date, direction: Direction, title: string, event: unknown, haystack: string, item: HTMLElement}} Entry */

/** @param {HTMLElement} root */
export function EventLog(root) {
  const find = (/** @type {string} */ selector) => /** @type {any} */ (root.querySelector(selector));
  /** @type {HTMLElement} */ const list = find("#events");
  /** @type {HTMLElement} */ const empty = find("#events-empty");
  /** @type {HTMLElement} */ const count = find("#events-count");
  /** @type {HTMLInputElement} */ const filter = find("#events-filter");
  const sticky = StickyScroll(find("#events-scroll"));
  /** @type {Entry[]} */
  let entries = [];

  filter.addEventListener("input", () => update(entries));
  find("#events-clear").addEventListener("click", () => {
    entries = [];
    list.replaceChildren();
    update([]);
  });
  CopyButton(find("#events-copy"), () => shown().map(({ at, direction, event }) => JSON.stringify({ at, direction, event })).join("\n"));
  update([]);

  function shown() {
    return entries.filter(({ item }) => !item.hidden);
  }

  /** @param {Entry[]} changed */
  function update(changed) {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { item, haystack } of changed) item.hidden = !words.every((word) => matches(haystack, word));
    const visible = shown().length;
    count.textContent = visible === entries.length ? String(entries.length || "") : `${visible} of ${entries.length}`;
    empty.hidden = visible > 0;
    empty.textContent = entries.length ? "No event matches the filter." : "Every request and event will appear here, with its JSON.";
  }

  return {
    /**
     * @param {Direction} direction
     * @param {string} title
     * @param {unknown} event
     */
    add(direction, title, event) {
      const at = new Date();
      const json = JSON.stringify(event, null, 2);
      sticky.keep(() => {
        const item = row(at, direction, title, json);
        const entry = { at, direction, title, event, haystack: `${SPOKEN[direction]} ${title} ${json}`.toLowerCase(), item };
        entries.push(entry);
        list.append(item);
        while (entries.length > MOST_ENTRIES) entries.shift()?.item.remove();
        update([entry]);
      });
    },
  };
}

/**
 * A word must occur; one with a minus before it must not.
 * @param {string} haystack
 * @param {string} word
 */
function matches(haystack, word) {
  return word.length > 1 && word.startsWith("-") ? !haystack.includes(word.slice(1)) : haystack.includes(word);
}

/**
 * @param {Date} at
 * @param {Direction} direction
 * @param {string} title
 * @param {string} json
 */
function row(at, direction, title, json) {
  const time = element("time", { datetime: at.toISOString() }, at.toTimeString().slice(0, 8), element("span", {}, `.${String(at.getMilliseconds()).padStart(3, "0")}`));
  const details = /** @type {HTMLDetailsElement} */ (element("details", {},
    element("summary", {},
      element("span", { class: "event-arrow", "aria-hidden": "true" }, ARROWS[direction]),
      element("span", { class: "visually-hidden" }, `${SPOKEN[direction]} `),
      element("span", { class: "event-title" }, title), time)));
  details.addEventListener("toggle", () => {
    const cut = json.length > MOST_CHARACTERS ? `${json.slice(0, MOST_CHARACTERS)}\n… (shortened)` : json;
    details.append(element("pre", { tabindex: "0" }, cut)); // made on first opening: most are never read
  }, { once: true });
  return element("li", { class: "event", "data-direction": direction, "data-type": title }, details);
}
