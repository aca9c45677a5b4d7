/** The demo's faults, to switch on and to see what each one looks like. */

import { readFaults, switchFaults } from "../call/faults.js";
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
  /** As they were told last, and as they were pressed since. @type {string[]} */
  let wanted = [];
  let asked = 0;

  open.addEventListener("click", () => {
    board.hidden = !board.hidden;
    open.setAttribute("aria-expanded", String(!board.hidden));
  });
  hub.on("settings", (settings) => {
    key = settings.key ?? "";
    for (const name of settings.faults) chips.append(chip(name));
    void change(() => readFaults(key));
  });
  // They may have been switched by hand as well.
  hub.on("state", ({ state }) => { if (state === "checking") void change(() => readFaults(key)); });

  /** @param {string} name */
  function chip(name) {
    const made = element("button", { class: "button button-chip fault", type: "button" }, text.named(name));
    made.addEventListener("click", () => {
      wanted = wanted.includes(name) ? wanted.filter((each) => each !== name) : [...wanted, name];
      void change(() => switchFaults(key, wanted));
    });
    buttons.set(name, made);
    return made;
  }

  /** @param {() => Promise<string[]>} asking */
  async function change(asking) {
    const mine = ++asked;
    const on = await asking().catch(() => null);
    if (mine !== asked) return; // something else was asked for meanwhile
    if (!on) {
      wanted = hub.latest("faults") ?? [];
      said.textContent = text.failed;
      return;
    }
    wanted = on;
    for (const [name, button] of buttons) button.setAttribute("aria-pressed", String(on.includes(name)));
    said.textContent = on.map((name) => /** @type {Record<string, string>} */ (text.shown)[name] ?? "").join(" ") || text.none;
    hub.emit("faults", on);
  }

  return { end: () => change(() => switchFaults(key, [])) };
}
