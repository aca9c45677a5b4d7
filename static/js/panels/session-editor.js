/** Edit the session as JSON, send it, and see when the provider took it. */

import { element } from "../element.js";
import { said } from "../events/families.js";
import { isOver } from "../hub.js";
import { isObject, readJson } from "../session/json.js";
import { words } from "../words.js";
import { PRESETS } from "./session-presets.js";

const PATIENCE_MS = 5000;
const text = words.session;

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const presets = element("div", { class: "session-editor-presets", role: "group", "aria-label": text.presets });
  const editor = /** @type {HTMLTextAreaElement} */ (element("textarea", { id: "session-editor", rows: "8", spellcheck: "false", autocapitalize: "none", "aria-describedby": "session-note" }));
  const note = element("p", { class: "session-editor-note", id: "session-note", role: "status" });
  const form = element("form", { class: "session-editor", novalidate: "" },
    element("p", { class: "hint" }, text.intro), presets,
    element("label", { class: "visually-hidden", for: "session-editor" }, text.label), editor,
    element("div", { class: "session-editor-foot" }, note, element("button", { class: "button", type: "submit" }, text.send)));
  root.append(form);
  /** @type {{id: string, at: number, timer: ReturnType<typeof setTimeout>} | null} */
  let awaited = null;

  for (const [name, session] of Object.entries(PRESETS)) {
    const button = element("button", { class: "button button-chip", type: "button" }, text.presetNames[/** @type {keyof typeof PRESETS} */ (name)]);
    button.addEventListener("click", () => {
      editor.value = JSON.stringify(session, null, 2);
      update("quiet", "");
    });
    presets.append(button);
  }
  editor.value = JSON.stringify(PRESETS.short, null, 2);
  editor.addEventListener("input", () => update("quiet", ""));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    let session;
    try {
      session = parse(editor.value);
    } catch (error) {
      update("bad", /** @type {Error} */ (error).message);
      editor.focus();
      return;
    }
    const id = actions.send({ type: "session.update", session });
    if (id === false) update("bad", text.notConnected);
    else wait(id);
  });

  /** @param {string} id */
  function wait(id) {
    clearTimeout(awaited?.timer);
    const timer = setTimeout(() => update("bad", text.late), PATIENCE_MS);
    awaited = { id, at: performance.now(), timer };
    update("waiting", text.sent);
  }

  /**
   * @param {"quiet" | "waiting" | "good" | "bad"} state
   * @param {string} what
   */
  function update(state, what) {
    note.dataset.state = state;
    note.textContent = what;
    if (state === "bad") editor.setAttribute("aria-invalid", "true");
    else editor.removeAttribute("aria-invalid");
  }

  hub.on("event", ({ direction, event }) => { if (direction === "in" && event) receive(event); });
  hub.on("state", ({ state }) => { if (state === "checking" || isOver(state)) reset(); });

  /** @param {{type?: string, error?: {event_id?: string, message?: unknown}}} event */
  function receive({ type, error }) {
    if (!awaited) return;
    if (type === "session.updated") update("good", text.updated(Math.round(performance.now() - awaited.at)));
    else if (type === "error" && error?.event_id === awaited.id) update("bad", text.refused(said(error.message) || text.noReason));
    else return;
    clearTimeout(awaited.timer);
    awaited = null;
  }

  function reset() {
    clearTimeout(awaited?.timer);
    awaited = null;
    update("quiet", "");
  }
}

/** @param {string} typed */
function parse(typed) {
  const value = readJson(typed);
  if (!isObject(value)) throw new Error(words.json.notSession);
  return value.type === "session.update" && value.session ? value.session : value; // a whole event, pasted
}
