/** Which keys do what. */

import { element } from "../element.js";
import { stylesheet } from "../late.js";
import { words } from "../words.js";

const text = words.shortcuts;
/** @type {Promise<HTMLDialogElement> | undefined} */
let made;

/** Open it; what had the focus gets it back at the end. */
export async function openShortcuts() {
  const dialog = await (made ??= make());
  if (!dialog.open) dialog.showModal();
}

async function make() {
  await stylesheet("shortcuts");
  const close = element("button", { class: "button", type: "submit" }, text.close);
  const dialog = /** @type {HTMLDialogElement} */ (element("dialog", { class: "shortcuts", "aria-labelledby": "shortcuts-heading" },
    element("h2", { id: "shortcuts-heading" }, text.heading),
    element("dl", {}, ...Object.entries(text.keys).map(([key, what]) => element("div", {}, element("dt", {}, element("kbd", {}, key)), element("dd", {}, what)))),
    element("p", { class: "hint" }, text.note),
    element("form", { method: "dialog" }, close)));
  dialog.addEventListener("click", ({ target }) => { if (target === dialog) dialog.close(); }); // beside it
  document.body.append(dialog);
  return dialog;
}
