/** Where the service's key is typed; it stays in this field. */

import { element } from "../element.js";
import { words } from "../words.js";

const text = words.setup;

export function KeyField() {
  const control = /** @type {HTMLInputElement} */ (element("input", { id: "key", type: "password", autocomplete: "off", autocapitalize: "none", spellcheck: "false", "aria-describedby": "key-hint", placeholder: text.keyPlaceholder }));
  const show = element("button", { class: "button button-quiet", type: "button", "aria-pressed": "false", "aria-controls": "key", "aria-label": text.showKey }, text.show);
  const hint = element("p", { class: "hint", id: "key-hint" }, text.keyHint);
  const root = element("div", { class: "field" }, element("label", { for: "key" }, text.key), element("div", { class: "field-row" }, control, show), hint);

  control.addEventListener("input", clear);
  show.addEventListener("click", () => {
    const visible = control.type === "password";
    control.type = visible ? "text" : "password";
    show.textContent = visible ? text.hide : text.show;
    show.setAttribute("aria-pressed", String(visible));
  });

  /** @param {string} message */
  function complain(message) {
    control.setAttribute("aria-invalid", "true");
    hint.textContent = message;
  }

  function clear() {
    control.removeAttribute("aria-invalid");
    hint.textContent = text.keyHint;
  }

  return {
    root, control, complain, clear,
    value: () => control.value.trim(),
    /** @param {string} key */
    fill(key) {
      control.value = key;
      clear();
    },
  };
}
