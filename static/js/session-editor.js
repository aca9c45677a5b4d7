/** Edit the session as JSON, send it, and see when the provider took it. */

import { element } from "./element.js";
import { PRESETS } from "./session-presets.js";

const PATIENCE_MS = 5000;

/**
 * @param {HTMLFormElement} form
 * @param {(event: Record<string, unknown>) => string | false} send the event's id, or false without a channel
 */
export function SessionEditor(form, send) {
  const editor = /** @type {HTMLTextAreaElement} */ (form.querySelector("#session-editor"));
  const note = /** @type {HTMLElement} */ (form.querySelector("#session-note"));
  const presets = /** @type {HTMLElement} */ (form.querySelector("#session-presets"));
  /** @type {{id: string, at: number, timer: ReturnType<typeof setTimeout>} | null} */
  let awaited = null;

  for (const [name, session] of Object.entries(PRESETS)) {
    const button = element("button", { class: "button button-chip", type: "button" }, name);
    button.addEventListener("click", () => {
      editor.value = JSON.stringify(session, null, 2);
      update("quiet", "");
    });
    presets.append(button);
  }
  editor.value = JSON.stringify(Object.values(PRESETS)[0], null, 2);
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
    const id = send({ type: "session.update", session });
    if (id === false) update("bad", "Not connected. Connect first, then send.");
    else wait(id);
  });

  /** @param {string} id */
  function wait(id) {
    clearTimeout(awaited?.timer);
    const timer = setTimeout(() => update("bad", "No session.updated within 5 seconds. Look for an error among the events."), PATIENCE_MS);
    awaited = { id, at: performance.now(), timer };
    update("waiting", "Sent; waiting for session.updated");
  }

  /**
   * @param {"quiet" | "waiting" | "good" | "bad"} state
   * @param {string} text
   */
  function update(state, text) {
    note.dataset.state = state;
    note.textContent = text;
    if (state === "bad") editor.setAttribute("aria-invalid", "true");
    else editor.removeAttribute("aria-invalid");
  }

  return {
    /** @param {{type?: string, error?: {event_id?: string, message?: string}}} event */
    receive({ type, error }) {
      if (!awaited) return;
      if (type === "session.updated") update("good", `session.updated after ${Math.round(performance.now() - awaited.at)} ms`);
      else if (type === "error" && error?.event_id === awaited.id) update("bad", `Refused: ${error.message ?? "no reason given"}`);
      else return;
      clearTimeout(awaited.timer);
      awaited = null;
    },
    reset() {
      clearTimeout(awaited?.timer);
      awaited = null;
      update("quiet", "");
    },
  };
}

/** @param {string} text */
function parse(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`Not valid JSON: ${/** @type {Error} */ (error).message}`, { cause: error });
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error("Not a session: a JSON object is needed.");
  return value.type === "session.update" && value.session ? value.session : value; // a whole event, pasted
}
