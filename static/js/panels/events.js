/** Everything that was sent and received: found, read, kept, written by hand. */

import { copy } from "../copy-button.js";
import { element, icon } from "../element.js";
import { FAMILIES } from "../events/families.js";
import { gist, isBad, joined } from "../events/gist.js";
import { EventLog, LineFault, reading, writing } from "../events/log.js";
import { Shown } from "../events/shown.js";
import { slices } from "../events/slices.js";
import { fetched, loaded, once } from "../late.js";
import { words } from "../words.js";
import { JsonTree } from "./json-tree.js";
import { VirtualList } from "./virtual-list.js";

const text = words.events;
const MOST_PINNED = 20;
const MOST_FILE_MB = 100;
const SAID_MS = 2500;
const ARROWS = { out: "↑", in: "↓", http: "⇄" };
const ICONS = {
  pause: "M9 5v14M15 5v14", copy: "M9 9h11v11H9zM5 15H4V4h11v1", save: "M12 4v11M7 11l5 5 5-5M4 20h16", load: "M12 16V5M7 9l5-5 5 5M4 20h16",
  clear: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13", close: "M6 6l12 12M18 6L6 18", newest: "M12 5v14M6 13l6 6 6-6",
};

/** @typedef {import("../events/log.js").Row} Row */

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 * @param {import("../events/record.js").Kept} kept
 */
export function mount(root, hub, actions, { log, tools }) {
  const search = /** @type {HTMLInputElement} */ (element("input", { id: "events-search", type: "search", autocomplete: "off", spellcheck: "false", placeholder: text.placeholder, title: text.hint }));
  const file = /** @type {HTMLInputElement} */ (element("input", { type: "file", accept: ".jsonl,.ndjson,.json,.txt", hidden: "", "aria-label": text.loadName }));
  const buttons = {
    pause: tool("pause", text.pause, text.pauseHint), copy: tool("copy", text.copy, text.copyHint), save: tool("save", text.save, text.saveHint),
    load: tool("load", text.load, text.loadHint), clear: tool("clear", text.clear, text.clearHint),
  };
  buttons.pause.setAttribute("aria-pressed", "false");
  const chips = new Map(FAMILIES.map((family) => [family, chip(family)]));
  const notice = element("p", { class: "events-notice", hidden: "" });
  const fault = element("div", { role: "alert" });
  const pinned = element("ul", { class: "events-pinned", "aria-label": text.pinned, hidden: "" });
  const empty = element("p", { class: "empty" });
  const newest = element("button", { class: "button events-newest is-away", type: "button" }, icon(ICONS.newest), text.newest);
  const count = element("p", { class: "events-count" });
  const openers = { compose: opener("compose", text.compose), tools: opener("tools", text.functions) };
  const waiting = element("span", { class: "events-waiting", "aria-hidden": "true" });
  openers.tools.append(waiting);
  const panes = { detail: pane("detail", text.detail), compose: pane("compose", words.compose.heading), tools: pane("tools", words.functions.heading) };
  const list = VirtualList({ name: "event", label: text.list, draw, onChoose: () => { if (open === "detail") showDetail(); }, onOpen: () => show("detail"), onFollow: (following) => newest.classList.toggle("is-away", following) });
  root.append(element("div", { class: "events" }, element("div", { class: "events-grid" },
    element("div", { class: "events-head" }, element("label", { class: "visually-hidden", for: "events-search" }, text.search), search,
      element("div", { class: "events-tools", role: "group", "aria-label": text.tools }, ...Object.values(buttons), file)),
    element("div", { class: "events-chips", role: "group", "aria-label": text.families }, ...chips.values()),
    element("div", { class: "events-notices" }, fault, notice), pinned,
    element("div", { class: "events-body" }, empty, list.box, newest),
    element("div", { class: "events-pane" }, ...Object.values(panes).map(({ box }) => box)),
    element("div", { class: "events-foot" }, openers.compose, openers.tools, count))));

  const shown = new Shown(log, (grown, gone) => {
    list.update(shown.rows, grown, gone);
    if (open === "detail" && list.chosen && grown.has(list.chosen)) showDetail();
    update();
  });
  /** @type {Row[]} */
  let pins = [];
  /** @type {"detail" | "compose" | "tools" | null} */
  let open = null;
  /** @type {Row | null} what the detail shows */
  let read = null;
  const composer = once(async () => {
    const { mount: mountComposer } = await fetched(import("./event-composer.js"));
    return mountComposer(panes.compose.body, hub, actions);
  });
  const answers = once(async () => {
    const { mount: mountTools } = await fetched(import("./tools.js"));
    mountTools(panes.tools.body, tools, (event) => void edit(event));
  });
  let said = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let saying;
  let loading = new AbortController();

  search.addEventListener("input", filter);
  for (const each of chips.values()) each.addEventListener("click", () => {
    each.setAttribute("aria-pressed", String(each.getAttribute("aria-pressed") !== "true"));
    filter();
  });
  buttons.pause.addEventListener("click", () => shown.pause(!shown.paused));
  buttons.copy.addEventListener("click", copyAll);
  buttons.save.addEventListener("click", save);
  buttons.load.addEventListener("click", () => file.click());
  buttons.clear.addEventListener("click", () => shown.log.clear());
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    file.value = ""; // the same file may be chosen again
    if (chosen) void load(chosen);
  });
  newest.addEventListener("click", () => {
    list.box.focus();
    list.toEnd();
  });
  for (const [name, button] of Object.entries(openers)) button.addEventListener("click", () => show(open === name ? null : /** @type {"compose" | "tools"} */ (name)));
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !open) return;
    event.stopPropagation(); // it closes this, not the drawer around it
    show(null);
  });
  tools.listen(update);
  update();

  function filter() {
    const pressed = [...chips].filter(([, each]) => each.getAttribute("aria-pressed") === "true");
    shown.filter(search.value, pressed.map(([family]) => family));
  }

  function update() {
    const { size, gone } = shown.log;
    const seen = shown.filters ? shown.count : shown.paused ? size - Math.min(size, shown.missed) : size;
    count.textContent = [said || text.count(seen, size), shown.paused && text.missed(shown.missed), gone && text.gone(gone)].filter(Boolean).join(" · ");
    empty.hidden = shown.rows.length > 0;
    empty.textContent = size ? text.noMatch : text.none;
    buttons.pause.setAttribute("aria-pressed", String(shown.paused));
    waiting.textContent = String(tools.waiting.length || "");
    openers.tools.title = tools.waiting.length ? text.waiting(tools.waiting.length) : "";
    for (const [name, { box }] of Object.entries(panes)) box.hidden = name !== open;
    for (const [name, button] of Object.entries(openers)) button.setAttribute("aria-expanded", String(name === open));
  }

  /**
   * Bring one of the panes up, or none.
   * @param {typeof open} name
   */
  function show(name) {
    const from = open;
    const within = from && panes[from].box.contains(document.activeElement);
    open = name;
    if (name === "detail") showDetail();
    if (name === "compose") void loaded(hub, composer());
    if (name === "tools") void loaded(hub, answers());
    update();
    list.reveal();
    if (within && !name) (from === "detail" ? list.box : openers[/** @type {"compose" | "tools"} */ (from)]).focus();
  }

  /** @param {object} event */
  async function edit(event) {
    show("compose");
    (await loaded(hub, composer()))?.edit(event);
  }

  function showDetail() {
    const row = list.chosen ?? read;
    if (!row?.direction) return;
    const { body, head } = panes.detail;
    const events = row.entries.map(({ event }) => event);
    const [first, last] = [row.entries[0], row.entries.at(-1)];
    const opened = read === row ? body.querySelectorAll("details[open]").length : 0;
    if (opened && events.length === 1) return; // it cannot have changed
    read = row;
    const when = text.when(text.directions[row.direction], seconds(first?.at ?? 0));
    const pin = element("button", { class: "button button-quiet", type: "button", "aria-pressed": String(pins.includes(row)) }, text.pin);
    pin.addEventListener("click", () => {
      pins = pins.includes(row) ? pins.filter((each) => each !== row) : [...pins, row].slice(-MOST_PINNED);
      pin.setAttribute("aria-pressed", String(pins.includes(row)));
      drawPins();
    });
    const taken = element("button", { class: "button button-quiet", type: "button" }, words.copy.name);
    taken.addEventListener("click", async () => { taken.textContent = (await copy(JSON.stringify(events.length > 1 ? events : events[0], null, 2))) ? words.copy.done : words.copy.refused; });
    const again = element("button", { class: "button button-quiet", type: "button" }, text.edit);
    again.addEventListener("click", () => void edit(events[0]));
    const focused = head.contains(document.activeElement) ? [...head.children].indexOf(/** @type {Element} */ (document.activeElement)) : -1;
    head.replaceChildren(pin, taken, ...(row.direction === "out" ? [again] : []));
    if (focused >= 0) /** @type {HTMLElement} */ (head.children[Math.min(focused, head.children.length - 1)]).focus();
    panes.detail.title.textContent = panes.detail.title.title = row.title;
    body.replaceChildren(
      element("p", { class: "hint" }, events.length > 1 ? `${when} · ${text.folded(events.length, seconds(last?.at ?? 0))}` : when),
      JsonTree(events.length > 1 ? { [text.joined]: joined(events), [text.events]: events } : events[0], events.length > 1 ? 1 : 2),
    );
    body.scrollTop = 0;
  }

  function drawPins() {
    pinned.hidden = pins.length === 0;
    pinned.replaceChildren(...pins.map((row) => {
      const button = element("button", { class: "events-pin", type: "button" });
      draw(button, row);
      button.addEventListener("click", () => {
        list.choose(null);
        read = null;
        list.choose(row);
        show("detail");
      });
      return element("li", {}, button);
    }));
    list.reveal();
  }

  async function copyAll() {
    const lines = await toLines(shown.rows);
    say((await copy(lines.join(""))) ? text.copied(lines.length) : text.notCopied);
  }

  async function save() {
    const lines = await toLines(shown.log.rows);
    const url = URL.createObjectURL(new Blob([lines.join("")], { type: "application/jsonl" }));
    const name = `signaller-events-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.jsonl`;
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000); // when the browser has surely begun to read
    say(text.saved(lines.length));
  }

  /** @param {File} chosen */
  async function load(chosen) {
    loading.abort();
    const { signal } = (loading = new AbortController());
    fault.replaceChildren();
    try {
      if (chosen.size > MOST_FILE_MB * 1e6) return complain(chosen.name, text.tooLarge(MOST_FILE_MB));
      const loaded = new EventLog();
      if (await slices(reading(await chosen.text(), loaded, chosen.name), signal)) look(loaded, chosen.name);
    } catch (error) {
      if (error instanceof LineFault) complain(chosen.name, text.line(error.line, text.faults[error.why]));
      else complain(chosen.name, text.unreadable);
    }
    return undefined;
  }

  /**
   * @param {EventLog} which
   * @param {string} name of the file it comes from; empty: it is the page's own
   */
  function look(which, name) {
    read = null;
    list.choose(null);
    if (open === "detail") show(null);
    shown.show(which);
    list.toEnd();
    notice.hidden = !name;
    if (!name) return search.focus();
    const back = element("button", { class: "button button-quiet", type: "button" }, text.back);
    back.addEventListener("click", () => look(log, ""));
    notice.replaceChildren(text.file(name), " ", back);
    return undefined;
  }

  /**
   * @param {string} name
   * @param {string} why
   */
  function complain(name, why) {
    const dismiss = element("button", { class: "button button-quiet", type: "button" }, text.dismiss);
    dismiss.addEventListener("click", () => {
      fault.replaceChildren();
      buttons.load.focus();
    });
    fault.replaceChildren(element("p", { class: "events-fault" }, text.notLoaded(name, why), " ", dismiss));
  }

  /** @param {string} what for a moment, in the place of the count */
  function say(what) {
    said = what;
    update();
    clearTimeout(saying);
    saying = setTimeout(() => {
      said = "";
      update();
    }, SAID_MS);
  }

  /**
   * @param {string} name
   * @param {string} label
   */
  function pane(name, label) {
    const head = element("div", { class: "pane-actions" });
    const body = element("div", { class: "pane-body", role: "region", "aria-label": label, tabindex: "0" });
    const close = element("button", { class: "button button-quiet button-icon", type: "button", "aria-label": text.close }, icon(ICONS.close));
    close.addEventListener("click", () => show(null));
    const title = element("h2", {}, label);
    return { title, head, body, box: element("div", { class: "pane", id: `events-${name}`, hidden: "" }, element("div", { class: "pane-top" }, title, head, close), body) };
  }
}

/**
 * @param {keyof typeof ICONS} drawing
 * @param {string} label
 * @param {string} hint
 */
function tool(drawing, label, hint) {
  return element("button", { class: "button button-quiet button-icon", type: "button", "aria-label": label, title: hint }, icon(ICONS[drawing]));
}

/** @param {import("../events/families.js").Family} family */
function chip(family) {
  return element("button", { class: "chip", type: "button", "aria-pressed": "false", "data-family": family }, words.families[family]);
}

/**
 * @param {string} name
 * @param {string} label
 */
function opener(name, label) {
  return element("button", { class: "button button-quiet", type: "button", "aria-expanded": "false", "aria-controls": `events-${name}` }, label);
}

/**
 * @param {HTMLElement} node
 * @param {Row} row
 */
function draw(node, { title, direction, family, entries, divider }) {
  node.dataset.type = title;
  if (divider || !direction) {
    node.classList.add("event-divider");
    node.replaceChildren(element("span", {}, text.call(divider?.call ?? 0, divider?.name ?? "", divider?.at?.toLocaleTimeString() ?? "")));
    return;
  }
  const events = entries.map(({ event }) => event);
  node.classList.add("event");
  Object.assign(node.dataset, { direction, family });
  node.classList.toggle("is-bad", isBad(direction, events[0]));
  node.replaceChildren(
    element("span", { class: "event-at" }, seconds(entries[0]?.at ?? 0)),
    element("span", { class: "event-arrow", "aria-hidden": "true" }, ARROWS[direction]), element("span", { class: "visually-hidden" }, ` ${text.directions[direction]} `),
    element("span", { class: "chip-family" }, words.families[family ?? "other"]),
    element("span", { class: "event-title" }, title), element("span", { class: "event-gist" }, ` ${gist(direction, events)}`),
    element("span", { class: "event-times" }, events.length > 1 ? ` ${text.times(events.length)}` : ""),
  );
}

/** @param {Row[]} rows */
async function toLines(rows) {
  return (await slices(writing(rows))) ?? [];
}

/** @param {number} at */
function seconds(at) {
  return (at / 1000).toFixed(3);
}
