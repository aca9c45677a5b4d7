/** Write any event by hand, send it, and see what answers it. */

import { element } from "../element.js";
import { isOver } from "../hub.js";
import { answers, bearing, parse, PRESETS } from "../events/composing.js";
import { said } from "../events/families.js";
import { words } from "../words.js";
import { JsonTree } from "./json-tree.js";

const PATIENCE_MS = 5000;
const text = words.compose;

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const preset = /** @type {HTMLSelectElement} */ (element("select", { id: "compose-preset" }, ...Object.entries(text.presets).map(([name, title]) => element("option", { value: name }, title))));
  const editor = /** @type {HTMLTextAreaElement} */ (element("textarea", { id: "compose-json", rows: "7", spellcheck: "false", autocapitalize: "none", "aria-describedby": "compose-note" }));
  const note = element("p", { class: "compose-note", id: "compose-note", role: "status" });
  const answer = element("div", { class: "compose-answer", role: "group", "aria-label": text.answer, hidden: "" });
  const form = element("form", { class: "compose", novalidate: "" },
    element("div", { class: "compose-write" },
      element("div", { class: "compose-preset" }, element("label", { for: "compose-preset" }, text.preset), preset),
      element("label", { class: "visually-hidden", for: "compose-json" }, text.json), editor),
    element("div", { class: "compose-foot" }, note, element("button", { class: "button", type: "submit" }, text.send)), answer);
  root.append(form);
  /** @type {{id: string, type: unknown, at: number, timer: ReturnType<typeof setTimeout> | undefined} | null} */
  let awaited = null;

  preset.addEventListener("change", () => fill(PRESETS[/** @type {keyof typeof PRESETS} */ (preset.value)]));
  editor.addEventListener("input", () => update("quiet", ""));
  form.addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    let event;
    try {
      event = parse(editor.value);
    } catch (error) {
      update("bad", /** @type {Error} */ (error).message);
      editor.setAttribute("aria-invalid", "true");
      editor.focus();
      return;
    }
    const at = performance.now();
    forget();
    awaited = { id: String(event.event_id ?? ""), type: event.type, at, timer: undefined };
    const id = actions.send(event);
    if (id === false) {
      forget();
      update("bad", text.closed);
      return;
    }
    awaited.id = id;
    const [wanted] = answers(event.type);
    update("waiting", wanted ? text.sent(id, wanted) : text.sentOnly(id));
    awaited.timer = setTimeout(() => {
      forget();
      if (wanted) update("bad", text.late(wanted));
    }, PATIENCE_MS);
  });

  hub.on("event", ({ direction, event }) => {
    const how = direction === "in" && awaited ? bearing(event, awaited) : null;
    if (!how || !awaited) return;
    const ms = Math.round(performance.now() - awaited.at);
    forget();
    if (how === "answer") update("good", text.answered(event.type, ms), event);
    else update("bad", text.refused(said(event.error?.message) || text.noReason), event);
  });
  hub.on("state", ({ state }) => {
    if (!awaited || !(state === "checking" || isOver(state))) return;
    forget();
    update("bad", text.over);
  });
  fill(PRESETS.session);

  /** @param {object} event */
  function fill(event) {
    editor.value = JSON.stringify(event, null, 2);
    update("quiet", "");
  }

  function forget() {
    clearTimeout(awaited?.timer);
    awaited = null;
  }

  /**
   * @param {"quiet" | "waiting" | "good" | "bad"} state
   * @param {string} what
   * @param {object} [answered]
   */
  function update(state, what, answered) {
    note.dataset.state = state;
    note.textContent = what;
    editor.removeAttribute("aria-invalid");
    answer.hidden = !answered;
    answer.replaceChildren(...(answered ? [JsonTree(answered)] : []));
    if (answered) note.parentElement?.scrollIntoView({ block: "start" }); // in a low window with what follows it, the answer
  }

  return {
    /** @param {Record<string, unknown>} event one that was sent: it goes out with an id of its own */
    edit({ event_id: _, ...event }) {
      fill(event);
      editor.focus();
    },
  };
}
