/** In the call bar: what the call has cost so far, and how long it may still last. */

import { minutes, money } from "../amounts.js";
import { element } from "../element.js";
import { isLive } from "../hub.js";
import { words } from "../words.js";

const text = words.callBar;
const SOON_SECONDS = 30;

/**
 * @param {import("../hub.js").Hub} hub
 * @returns {[HTMLElement, HTMLElement]} both keep their place while they are empty
 */
export function CallMeter(hub) {
  const left = element("span", { class: "call-bar-left" });
  const cost = element("span", { class: "call-bar-cost", title: text.costHint });
  let [answeredAt, endsAt, live] = [0, 0, false];

  setInterval(update, 1000);
  hub.on("step", ({ name, state }) => { if (name === "answer" && state === "active") answeredAt = performance.now(); });
  hub.on("call", (call) => {
    // By this page's clock, which need not be the service's.
    endsAt = call ? answeredAt + 1000 * (call.ends_by - call.started_at) : 0;
    const said = call ? money(call.cost) : "";
    if (cost.textContent !== said) cost.textContent = said;
    update();
  });
  hub.on("state", ({ state }) => {
    live = isLive(state);
    update();
  });

  function update() {
    const seconds = live && endsAt ? (endsAt - performance.now()) / 1000 : null;
    const said = seconds === null ? "" : text.left(minutes(seconds));
    if (left.textContent !== said) left.textContent = said;
    left.classList.toggle("is-soon", seconds !== null && seconds < SOON_SECONDS);
  }

  return [left, cost];
}
