/** Which keys do what. */

import { element } from "../element.js";
import { words } from "../words.js";

const text = words.shortcuts;

/** @param {Pick<import("../hub.js").Actions, "showDialog">} actions */
export function ShortcutsDialog(actions) {
  const close = element("button", { class: "button", type: "submit" }, text.close);
  const dialog = /** @type {HTMLDialogElement} */ (element("dialog", { class: "shortcuts", "aria-labelledby": "shortcuts-heading" },
    element("h2", { id: "shortcuts-heading" }, text.heading),
    element("dl", {}, ...Object.entries(text.keys).map(([key, what]) => element("div", {}, element("dt", {}, element("kbd", {}, key)), element("dd", {}, what)))),
    element("p", { class: "hint" }, text.note),
    element("form", { method: "dialog" }, close)));
  dialog.addEventListener("click", ({ target }) => { if (target === dialog) dialog.close(); }); // beside it
  document.body.append(dialog);
  return {
    open() { if (!dialog.open) actions.showDialog(dialog); },
  };
}
