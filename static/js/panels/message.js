/** A written message to the model. */

import { element } from "../element.js";
import { isLive } from "../hub.js";
import { words } from "../words.js";

const text = words.message;

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const input = /** @type {HTMLInputElement} */ (element("input", { id: "message", type: "text", autocomplete: "off", maxlength: "4000" }));
  const send = /** @type {HTMLButtonElement} */ (element("button", { class: "button", type: "submit" }, text.send));
  const form = element("form", { class: "message-form" }, element("label", { class: "visually-hidden", for: "message" }, text.label), input, send);
  root.append(form);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const written = input.value.trim();
    if (written && actions.say(written)) input.value = "";
  });
  hub.on("state", ({ state }) => update(isLive(state)));
  update(false);

  /** @param {boolean} open */
  function update(open) {
    input.disabled = send.disabled = !open;
    input.placeholder = open ? text.open : text.closed;
  }
}
