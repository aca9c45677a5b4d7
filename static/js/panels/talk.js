/** The stage of a call: two lanes of sound over the conversation; when it is over, what it came to. */

import { followTurns } from "../call/turns.js";
import { element } from "../element.js";
import * as levels from "./levels.js";
import * as message from "./message.js";
import * as summary from "./summary.js";
import * as transcript from "./transcript.js";

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const head = element("div", { class: "talk-head" });
  root.append(head);
  levels.mount(head, hub, actions);
  summary.mount(head, hub, followTurns(hub));
  transcript.mount(root, hub);
  message.mount(root, hub, actions);
}
