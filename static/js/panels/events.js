/** Everything that was sent and received, newest last, bounded. */

import { CopyButton } from "../copy-button.js";
import { element } from "../element.js";
import { StickyScroll } from "../sticky-scroll.js";
import { words } from "../words.js";

const MOST_ENTRIES = 500;
/** Enough for any event worth reading; audio never passes here. */
const MOST_CHARACTERS = 40_000;
const ARROWS = { out: "↑", in: "↓", http: "⇄" };
const text = words.events;

/** @typedef {keyof typeof ARROWS} Direction */
/** @typedef {{at: number, direction: Direction, event: unknown, haystack: string, item: HTMLElement}} Entry at: ms since the call began */

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 */
export function mount(root, hub) {
  const list = element("ol", { class: "events-list" });
  const empty = element("p", { class: "empty" });
  const count = element("span", { class: "events-count" });
  const search = /** @type {HTMLInputElement} */ (element("input", { id: "events-search", type: "search", autocomplete: "off", spellcheck: "false", placeholder: text.placeholder, title: text.hint }));
  const copy = /** @type {HTMLButtonElement} */ (element("button", { class: "button button-quiet", type: "button" }, words.copy.name));
  const clear = element("button", { class: "button button-quiet", type: "button" }, text.clear);
  const scroll = element("div", { class: "events-scroll", tabindex: "0", role: "region", "aria-label": text.list }, empty, list);
  root.append(element("div", { class: "events" },
    element("div", { class: "events-head" }, element("label", { for: "events-search" }, text.search), search, count, copy, clear), scroll));
  const sticky = StickyScroll(scroll);
  /** @type {Entry[]} */
  let entries = [];

  search.addEventListener("input", () => update(entries));
  clear.addEventListener("click", () => {
    entries = [];
    list.replaceChildren();
    update([]);
  });
  CopyButton(copy, () => shown().map(({ at, direction, event }) => JSON.stringify({ at: Math.round(at), direction, event })).join("\n"));
  hub.on("exchange", ({ at, ...exchange }) => add(at, "http", `${exchange.method} ${exchange.path} ${exchange.status ?? text.noAnswer}`, exchange));
  hub.on("event", ({ direction, event, at }) => add(at, direction, String(event?.type ?? text.noType), event));
  update([]);

  function shown() {
    return entries.filter(({ item }) => !item.hidden);
  }

  /** @param {Entry[]} changed */
  function update(changed) {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { item, haystack } of changed) item.hidden = !words.every((word) => matches(haystack, word));
    const visible = shown().length;
    count.textContent = visible === entries.length ? "" : text.count(visible, entries.length);
    hub.emit("badge", { tab: "events", text: String(entries.length || "") });
    empty.hidden = visible > 0;
    empty.textContent = entries.length ? text.noMatch : text.none;
  }

  /**
   * @param {number} at
   * @param {Direction} direction
   * @param {string} title
   * @param {unknown} event
   */
  function add(at, direction, title, event) {
    const json = JSON.stringify(event, null, 2);
    sticky.keep(() => {
      const item = row(at, direction, title, json);
      const entry = { at, direction, event, haystack: `${text.directions[direction]} ${title} ${json}`.toLowerCase(), item };
      entries.push(entry);
      list.append(item);
      while (entries.length > MOST_ENTRIES) entries.shift()?.item.remove();
      update([entry]);
    });
  }
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
 * @param {number} at
 * @param {Direction} direction
 * @param {string} title
 * @param {string} json
 */
function row(at, direction, title, json) {
  const time = element("span", { class: "event-at" }, (at / 1000).toFixed(3));
  const details = /** @type {HTMLDetailsElement} */ (element("details", {},
    element("summary", {},
      time, element("span", { class: "event-arrow", "aria-hidden": "true" }, ARROWS[direction]),
      element("span", { class: "visually-hidden" }, `${text.directions[direction]} `),
      element("span", { class: "event-title" }, title))));
  details.addEventListener("toggle", () => {
    const cut = json.length > MOST_CHARACTERS ? `${json.slice(0, MOST_CHARACTERS)}\n${text.shortened}` : json;
    details.append(element("pre", { tabindex: "0" }, cut)); // made on first opening: most are never read
  }, { once: true });
  return element("li", { class: "event", "data-direction": direction, "data-type": title }, details);
}
