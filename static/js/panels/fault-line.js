/** Which of the demo's faults is on, and the button that ends it: where a failure is explained. */

import { element } from "../element.js";
import { words } from "../words.js";

const text = words.faults;

/**
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 * @returns {HTMLElement} hidden while none is on
 */
export function FaultLine(hub, actions) {
  const name = element("span");
  const off = element("button", { class: "button button-quiet", type: "button" }, text.off);
  const line = element("p", { class: "fault-line", hidden: "" }, name, off);
  off.addEventListener("click", () => void actions.endFaults());
  hub.on("faults", (on) => actions.keepFocus(() => {
    name.textContent = on.length ? text.on(on) : "";
    line.hidden = on.length === 0;
  }));
  return line;
}
