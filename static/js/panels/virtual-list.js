/**
 * A listbox of rows of one height, of which only those in sight are in the document: 50,000 cost as much as 50.
 * Arrows, Page Up and Down, Home and End choose; Enter or a click opens. It follows its end until somebody scrolls up.
 */

import { element } from "../element.js";

const BEYOND = 6; // rows that are ready above and below what is seen

/** @typedef {{number: number}} Row number: its own, rising from row to row */

/**
 * @template {Row} T
 * @param {object} options
 * @param {string} options.name prefix of the rows' ids
 * @param {string} options.label
 * @param {(node: HTMLElement, row: T) => void} options.draw fill an empty row, which may have been filled before
 * @param {(row: T) => void} options.onChoose
 * @param {(row: T) => void} options.onOpen
 * @param {(following: boolean) => void} options.onFollow
 */
export function VirtualList({ name, label, draw, onChoose, onOpen, onFollow }) {
  const sizer = element("div", { class: "virtual-sizer", role: "presentation" });
  const box = element("div", { class: "virtual-list", role: "listbox", tabindex: "0", "aria-label": label, hidden: "" }, sizer);
  /** @type {T[]} */
  let rows = [];
  /** @type {Map<T, HTMLElement>} */
  const nodes = new Map();
  /** @type {T | null} */
  let chosen = null;
  let [height, following, lastTop, asked] = [30, true, 0, false];

  box.addEventListener("scroll", () => {
    if (box.scrollTop + box.clientHeight >= box.scrollHeight - height) follow(true);
    else if (box.scrollTop < lastTop) follow(false);
    lastTop = box.scrollTop;
    ask();
  }, { passive: true });
  box.addEventListener("keydown", pressed);
  box.addEventListener("click", ({ target }) => {
    const node = target instanceof Element ? target.closest('[role="option"]') : null;
    for (const [row, each] of nodes) if (each === node) {
      choose(row);
      onOpen(row);
    }
  });
  new ResizeObserver(() => {
    height = Number.parseFloat(getComputedStyle(sizer).getPropertyValue("--event-row")) || height;
    for (const node of nodes.values()) node.remove();
    nodes.clear();
    resize();
  }).observe(box);

  /** @param {boolean} now */
  function follow(now) {
    if (now === following) return;
    following = now;
    onFollow(following);
  }

  function resize() {
    sizer.style.height = `${rows.length * height}px`;
    if (following) lastTop = box.scrollTop = rows.length * height;
    ask();
  }

  function ask() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      render();
    });
  }

  function render() {
    if (!box.clientHeight) return; // its tab is not in front
    const first = Math.max(0, Math.floor(box.scrollTop / height) - BEYOND);
    const last = Math.min(rows.length, Math.ceil((box.scrollTop + box.clientHeight) / height) + BEYOND);
    const at = chosen ? index(chosen) : -1;
    const wanted = Array.from({ length: Math.max(0, last - first) }, (_, offset) => first + offset);
    if (at >= 0 && at < first) wanted.unshift(at); // so that `aria-activedescendant` has somebody to name
    if (at >= last) wanted.push(at);
    const seen = new Set(wanted.map((each) => rows[each]));
    for (const [row, node] of nodes) if (!seen.has(row)) {
      node.remove();
      nodes.delete(row);
    }
    let after = sizer.firstElementChild;
    for (const each of wanted) {
      const row = /** @type {T} */ (rows[each]);
      const node = nodes.get(row) ?? make(row);
      if (node === after) after = after.nextElementSibling;
      else sizer.insertBefore(node, after);
      node.style.transform = `translateY(${each * height}px)`;
      node.setAttribute("aria-posinset", String(each + 1));
      node.setAttribute("aria-setsize", String(rows.length));
      node.setAttribute("aria-selected", String(row === chosen));
    }
    const node = chosen && nodes.get(chosen);
    if (node) box.setAttribute("aria-activedescendant", node.id);
    else box.removeAttribute("aria-activedescendant");
  }

  /** @param {T} row */
  function make(row) {
    const node = element("div", { class: "virtual-row", role: "option", id: `${name}-${row.number}` });
    nodes.set(row, node);
    draw(node, row);
    return node;
  }

  /** @param {T} row */
  function index(row) {
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (/** @type {T} */ (rows[middle]).number < row.number) low = middle + 1;
      else high = middle;
    }
    return rows[low] === row ? low : -1;
  }

  /** @param {T | null} row */
  function choose(row) {
    chosen = row;
    if (row) reveal(index(row));
    ask();
    if (row) onChoose(row);
  }

  /** @param {number} at */
  function reveal(at) {
    if (at < 0) return;
    if (at * height < box.scrollTop) box.scrollTop = at * height;
    else if ((at + 1) * height > box.scrollTop + box.clientHeight) box.scrollTop = (at + 1) * height - box.clientHeight;
  }

  /** @param {KeyboardEvent} event */
  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !rows.length) return;
    if (event.key === "Enter") {
      if (chosen) onOpen(chosen);
      return;
    }
    const page = Math.max(1, Math.floor(box.clientHeight / height) - 1);
    const at = chosen ? index(chosen) : -1;
    const from = at >= 0 ? at : Math.min(rows.length, Math.floor((box.scrollTop + box.clientHeight) / height));
    const to = { ArrowUp: from - 1, ArrowDown: at < 0 ? from - 1 : from + 1, PageUp: from - page, PageDown: from + page, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(/** @type {T} */ (rows[Math.min(rows.length - 1, Math.max(0, to))]));
  }

  return {
    box,
    get chosen() { return chosen; },
    choose,
    /**
     * @param {T[]} now oldest first
     * @param {{has(row: T): boolean}} changed those that look different
     * @param {number} gone how many left at the front
     */
    update(now, changed, gone) {
      rows = now;
      for (const [row, node] of nodes) if (changed.has(row)) draw(node, row);
      if (chosen && index(chosen) < 0) chosen = null;
      box.hidden = rows.length === 0;
      if (gone && !following) lastTop = box.scrollTop -= gone * height; // what is read stays where it is
      resize();
    },
    toEnd() {
      follow(true);
      resize();
    },
    /** What had to stay in sight when the room for it changed. */
    reveal() {
      if (chosen) reveal(index(chosen));
    },
  };
}
