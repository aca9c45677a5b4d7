/** A session as JSON, which a person writes, and what is wrong with it. */

import { element } from "../element.js";
import { readSession } from "../session/json.js";
import { words } from "../words.js";

const text = words.setup;

/** @typedef {import("../hub.js").Session} Session */

/** @returns {import("./session-form.js").Editor} */
export function SessionJson() {
  const control = /** @type {HTMLTextAreaElement} */ (element("textarea", { id: "session-json", rows: "14", spellcheck: "false", autocapitalize: "none", "aria-describedby": "session-json-hint" }));
  const hint = element("p", { class: "hint", id: "session-json-hint" });
  const root = element("div", { class: "field", hidden: "" }, element("label", { class: "visually-hidden", for: "session-json" }, text.asJson), control, hint);
  /** @type {Session} what was understood last */
  let session = { type: "realtime" };

  /** @type {import("./session-form.js").Editor["read"]} */
  function read() {
    try {
      session = readSession(control.value);
      return { session, complaints: new Map() };
    } catch (error) {
      return { session, complaints: new Map([["session", /** @type {Error} */ (error).message]]) };
    }
  }

  function clear() {
    control.removeAttribute("aria-invalid");
    hint.textContent = "";
  }

  return {
    root, read, clear,
    show(given) {
      session = given;
      control.value = JSON.stringify(given, null, 2);
      clear();
    },
    complain(_, message) {
      control.setAttribute("aria-invalid", "true");
      hint.textContent = message;
    },
    focus: () => control.focus(),
    nameOf: (target) => (target === control ? "session" : undefined),
    fix(fixed) {
      control.disabled = fixed;
    },
  };
}
