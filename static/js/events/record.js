/** All events, and the functions that wait, are written down from the start, before anyone looks. Knows no DOM. */

import { Tools } from "../call/tools.js";
import { isOver } from "../hub.js";
import { EventLog } from "./log.js";

const TOLD_EVERY_MS = 100;
const FEW = new Intl.NumberFormat("en", { notation: "compact" });

/** @typedef {{log: EventLog, tools: Tools}} Kept what a panel that comes late finds */

/**
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions["send"]} send
 * @returns {Kept}
 */
export function record(hub, send) {
  const log = new EventLog();
  const tools = new Tools(send);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  hub.on("state", ({ state }) => {
    if (state === "checking") log.divide(hub.latest("session")?.model ?? "", new Date());
    if (state === "checking" || isOver(state)) tools.end();
  });
  hub.on("exchange", ({ at, ...exchange }) => log.add("http", exchange, at));
  hub.on("event", ({ direction, event, at }) => {
    log.add(direction, event, at);
    tools.receive(direction, event);
  });
  log.listen(soon);
  tools.listen(soon);

  function soon() {
    timer ??= setTimeout(() => {
      timer = undefined;
      const text = tools.waiting.length ? `ƒ ${tools.waiting.length}` : log.size ? FEW.format(log.size) : "";
      hub.emit("badge", { tab: "events", text });
    }, TOLD_EVERY_MS);
  }
  return { log, tools };
}
