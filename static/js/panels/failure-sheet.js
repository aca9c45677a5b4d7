/**
 * A failure, over the stage so that nothing moves: of what is no rung of the ladder, or while the ladder is out of sight. That
 * of a rung gives way to whatever view is chosen next: the ladder has it too.
 */

import { STEPS } from "../call/steps.js";
import { element } from "../element.js";
import { endedByThem, isOver } from "../hub.js";
import { explained } from "./failure.js";
import { FaultLine } from "./fault-line.js";

/** The call goes on, and so does writing in it: the sheet lies above, not over the message. */
const GO_ON = ["service", "devices", "session-created"];

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const box = element("div", { class: "failure failure-sheet", id: "error", role: "alert", hidden: "" });
  const fault = FaultLine(hub, actions);
  root.append(box);
  hub.on("state", (stage) => {
    const { state, error } = stage;
    if (state === "checking" || isOver(state)) hide();
    if (error && !endedByThem(stage)) show(error.step, error.cause);
  });
  hub.on("trouble", ({ step, error }) => show(step, error));
  hub.on("show", () => { if (isRung(box.dataset.failed ?? "")) hide(); });
  hub.on("service", ({ answers }) => {
    if (!answers) show("service", null);
    else if (box.dataset.failed === "service") hide();
  });

  /**
   * @param {string} step
   * @param {unknown} error
   */
  function show(step, error) {
    if (isRung(step) && document.getElementById("steps")?.checkVisibility({ visibilityProperty: true })) return;
    box.replaceChildren(...explained(step, error, actions, hide), fault);
    box.dataset.failed = step;
    box.dataset.goesOn = String(GO_ON.includes(step));
    box.dataset.fault = String(!fault.hidden);
    box.hidden = false;
  }

  function hide() {
    actions.keepFocus(() => { box.hidden = true; });
  }
}

/**
 * Whether the ladder tells of it.
 * @param {string} step
 */
function isRung(step) {
  return step === "connection" || STEPS.includes(step);
}
