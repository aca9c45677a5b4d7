/** Connect 10 times: what each step takes, as bars from nothing over the median to the slowest. */

import { advise } from "../advice.js";
import { MEASURED, figures, repeat } from "../call/repeat.js";
import { element } from "../element.js";
import { isBusy } from "../hub.js";
import { milliseconds } from "../milliseconds.js";
import { words } from "../words.js";

const text = words.repeat;
const TIMES = 10;

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const said = element("p", { class: "repeat-said", role: "status" });
  const stop = /** @type {HTMLButtonElement} */ (element("button", { class: "button button-quiet", type: "button" }, text.stop));
  const rows = new Map(MEASURED.map((name) => [name, row(name)]));
  const table = element("table", { class: "repeat-table" },
    element("caption", { class: "visually-hidden" }, text.caption),
    element("thead", {}, element("tr", {}, ...[text.step, text.bars, text.p50, text.p95].map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...[...rows.values()].map(({ item }) => item)));
  root.append(element("section", { class: "repeat", "aria-label": text.heading },
    element("div", { class: "repeat-head" }, element("h2", {}, text.heading), said, stop), table));
  let running = new AbortController();

  stop.addEventListener("click", () => running.abort());
  hub.on("state", ({ state }) => { if (state === "checking") running.abort(); });
  addEventListener("pagehide", () => running.abort());

  /** @param {Map<string, number>[]} calls */
  function update(calls) {
    const known = figures(calls);
    const scale = Math.max(1, ...known.map(({ p95 }) => p95));
    for (const [name, { item, p50, p95, bar }] of rows) {
      const found = known.find((figure) => figure.name === name);
      item.dataset.known = String(Boolean(found));
      p50.textContent = found ? milliseconds(found.p50) : "–";
      p95.textContent = found ? milliseconds(found.p95) : "–";
      bar.style.setProperty("--p50", String((found?.p50 ?? 0) / scale));
      bar.style.setProperty("--p95", String((found?.p95 ?? 0) / scale));
    }
  }

  return {
    async run() {
      const wanted = isBusy(hub.latest("state")?.state) ? null : actions.wanted(); // a call may have begun while this was loaded
      if (!wanted) return;
      running = new AbortController();
      const { signal } = running;
      /** @type {Map<string, number>[]} */
      const calls = [];
      const withMicrophone = await allowed();
      if (signal.aborted) return;
      const without = withMicrophone ? "" : ` ${text.withoutMicrophone}`;
      stop.classList.remove("is-away");
      said.textContent = text.progress(0, TIMES);
      update(calls);
      root.firstElementChild?.scrollIntoView({ block: "nearest" });
      try {
        await repeat(TIMES, { ...wanted, withMicrophone }, signal, (taken) => {
          calls.push(taken);
          said.textContent = text.progress(calls.length, TIMES);
          update(calls);
        });
        said.textContent = (signal.aborted ? text.stopped(calls.length) : text.done(TIMES)) + without;
      } catch (error) {
        const { step, cause } = /** @type {import("../call/steps.js").StepFailure} */ (error);
        const { title, message } = advise(step, cause);
        said.textContent = text.failed(calls.length + 1, title, message);
      }
      actions.keepFocus(() => stop.classList.add("is-away"));
    },
  };
}

/** Ten questions for the microphone nobody wants: it is used where it is allowed already. */
async function allowed() {
  try {
    return (await navigator.permissions.query({ name: /** @type {PermissionName} */ ("microphone") })).state === "granted";
  } catch {
    return false; // this browser does not tell
  }
}

/** @param {string} name */
function row(name) {
  const [p50, p95] = [element("td", {}, "–"), element("td", {}, "–")];
  const bar = element("span", { class: "repeat-bar", "aria-hidden": "true" });
  const item = element("tr", {}, element("th", { scope: "row" }, /** @type {Record<string, string>} */ (words.steps.names)[name] ?? name), element("td", {}, bar), p50, p95);
  return { item, p50, p95, bar };
}
