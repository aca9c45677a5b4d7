/** What went wrong, the server's own words, and what to do about it. */

import { ApiError } from "./api.js";
import { advise } from "./advice.js";
import { element } from "./element.js";

/** @param {HTMLElement} box an element with role="alert" */
export function Notice(box) {
  return {
    hide() {
      box.hidden = true;
      box.replaceChildren();
    },
    /**
     * @param {string} step
     * @param {unknown} error
     * @param {{label: string, run: () => void}} [action]
     */
    show(step, error, action) {
      const { title, message, todo } = advise(step, error);
      box.replaceChildren(
        element("h3", {}, title),
        element("p", { class: "notice-message" }, message),
        element("p", { class: "notice-todo" }, todo),
        ...(error instanceof ApiError ? [details(error)] : []),
        ...(action ? [button(action)] : []),
      );
      box.dataset.failed = step;
      box.hidden = false;
      box.scrollIntoView({ block: "nearest" }); // on a phone it may lie below the fold
    },
  };
}

/** @param {ApiError} error */
function details(error) {
  const rows = [
    ["Answer", `${error.status}${error.code ? ` ${error.code}` : ""}`],
    ["Request", `${error.exchange.method} ${error.exchange.path}`],
    ["Field", error.param],
    ["Request id", error.requestId],
  ];
  const list = element("dl", { class: "notice-details" });
  for (const [name, value] of rows) if (value) list.append(element("div", {}, element("dt", {}, name ?? ""), element("dd", {}, ...breakable(value))));
  return list;
}

/**
 * A path may break after its slashes.
 * @param {string} text
 */
function breakable(text) {
  return text.split(/(?<=\/)/).flatMap((part) => [part, element("wbr")]);
}

/** @param {{label: string, run: () => void}} action */
function button({ label, run }) {
  const node = element("button", { class: "button", type: "button" }, label);
  node.addEventListener("click", run);
  return node;
}
