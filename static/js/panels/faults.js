/** The demo's faults, to switch on and to see what each one looks like. */

import { readFaults, setFaults, switchFault } from "../call/faults.js";
import { element } from "../element.js";
import { words } from "../words.js";

const text = words.faults;

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 */
export function mount(root, hub) {
  const open = element("button", { class: "button button-quiet faults-open", type: "button", "aria-expanded": "false", "aria-controls": "faults" }, text.open);
  const chips = element("div", { class: "faults-chips", role: "group", "aria-label": text.label });
  const said = element("p", { class: "faults-said", role: "status" });
  const board = element("div", { class: "faults", id: "faults", hidden: "" }, chips, said);
  root.append(open, board);
  /** @type {Map<string, HTMLElement>} */
  const buttons = new Map();
  let key = "";
  /** The last of what is asked one after another, so that what is told last is how it is. */
  let asking = Promise.resolve();
  let latest = "";

  open.addEventListener("click", () => {
    board.hidden = !board.hidden;
    open.setAttribute("aria-expanded", String(!board.hidden));
  });
  hub.on("settings", (settings) => {
    key = settings.key ?? "";
    for (const name of settings.faults) chips.append(chip(name));
    void ask(() => readFaults(key));
  });
  // They may have been switched by hand as well.
  hub.on("state", ({ state }) => { if (state === "checking") void ask(() => readFaults(key)); });

  /** @param {string} name */
  function chip(name) {
    const made = element("button", { class: "button button-chip fault", type: "button" }, text.named(name));
    made.addEventListener("click", () => {
      void ask(() => {
        latest = name;
        return switchFault(key, name, made.getAttribute("aria-pressed") !== "true");
      });
    });
    buttons.set(name, made);
    return made;
  }

  /** @param {() => Promise<import("../call/faults.js").Faults>} what */
  function ask(what) {
    asking = asking.then(what).then(show, () => { said.textContent = text.failed; });
    return asking;
  }

  /** @param {import("../call/faults.js").Faults} faults */
  function show(faults) {
    const on = Object.keys(faults).filter((name) => faults[name]);
    for (const [name, button] of buttons) button.setAttribute("aria-pressed", String(on.includes(name)));
    const told = on.includes(latest) ? latest : on.at(-1);
    said.textContent = told ? /** @type {Record<string, string>} */ (text.shown)[told] ?? "" : text.none;
    hub.emit("faults", on);
  }

  return { end: () => ask(() => setFaults(key, {})) };
}
