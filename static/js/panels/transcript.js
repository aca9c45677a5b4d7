/** What both sides said, as it is said; what each answer took and cost, and whether it was interrupted. */

import { element, icon } from "../element.js";
import { StickyScroll } from "../sticky-scroll.js";
import { words } from "../words.js";

const MOST_TURNS = 200;
const WAVE = "M3 10v4M6.5 7v10M10 4v16M13.5 9v6M17 6v12M20.5 10v4";
const said = words.transcript;

/** @typedef {Readonly<import("../call/turns.js").Turn>} Turn */

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 */
export function mount(root, hub) {
  const empty = element("p", { class: "empty" }, icon(WAVE), said.empty);
  const list = element("ol", { class: "transcript-list", id: "transcript", "aria-label": said.label });
  const log = element("div", { role: "log", "aria-label": said.label }, list);
  const scroll = element("div", { class: "transcript-scroll", tabindex: "0", role: "region", "aria-label": said.heading }, empty, log);
  root.append(scroll);
  /** @type {Map<string, (turn: Turn) => void>} */
  const rows = new Map();
  const sticky = StickyScroll(scroll);

  hub.on("state", ({ state }) => { if (state === "checking") clear(); });
  hub.on("turn", (turn) => sticky.keep(() => {
    (rows.get(turn.id) ?? row(turn))(turn);
    empty.hidden = true;
  }));

  /** @param {Turn} turn */
  function row({ id, who }) {
    const text = element("p", { class: "turn-text" });
    const note = element("p", { class: "turn-note" });
    const item = element("li", { class: "turn", "data-who": who }, element("span", { class: "turn-who" }, said[who]), text, ...(who === "model" ? [note] : []));
    /** @param {Turn} turn */
    const update = (turn) => {
      item.toggleAttribute("data-hint", !turn.text && turn.unheard !== null);
      item.toggleAttribute("data-interrupted", turn.interrupted !== null);
      item.setAttribute("aria-busy", String(!turn.done));
      write(text, turn.text || (turn.unheard ? said.unheard[turn.unheard] : ""));
      write(note, noted(turn).join(" · "));
    };
    rows.set(id, update);
    list.append(item);
    for (const oldest of rows.keys()) {
      if (rows.size <= MOST_TURNS) break;
      rows.delete(oldest);
      list.firstChild?.remove();
    }
    return update;
  }

  function clear() {
    rows.clear();
    list.replaceChildren();
    empty.hidden = false;
  }
}

/**
 * What there is to know about a turn beside its words.
 * @param {Turn} turn
 */
export function noted({ answeredAfterMs, tokens, interrupted }) {
  return [
    ...(answeredAfterMs === null ? [] : [said.answered(answeredAfterMs)]),
    ...(interrupted ? [said.interrupted(interrupted.heardMs)] : []),
    ...(tokens ? [said.tokens(tokens.input + tokens.output)] : []),
  ];
}

/**
 * @param {HTMLElement} node
 * @param {string} text
 */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text; // a log is read aloud by its changes
}
