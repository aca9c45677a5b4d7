/** One failure explained: what it is, the server's own words, what to do, and a button that does it. */

import { ApiError } from "../api.js";
import { advise } from "../advice.js";
import { element, icon } from "../element.js";
import { words } from "../words.js";

const text = words.failure;

/**
 * @param {string} step
 * @param {unknown} error
 * @param {import("../hub.js").Actions} actions
 * @param {() => void} onDismiss
 * @returns {HTMLElement[]}
 */
export function explained(step, error, actions, onDismiss) {
  const { title, message, todo, remedy } = advise(step, error);
  const dismiss = element("button", { class: "button button-quiet button-icon failure-dismiss", type: "button", "aria-label": text.dismiss }, icon("M6 6l12 12M18 6L6 18"));
  dismiss.addEventListener("click", onDismiss);
  return [
    element("h2", {}, title), dismiss,
    element("p", { class: "failure-message" }, message),
    element("p", { class: "failure-todo" }, todo),
    ...(error instanceof ApiError ? [details(error)] : []),
    ...(remedy ? [mending(remedy, actions, onDismiss)] : []),
  ];
}

/**
 * @param {Exclude<import("../advice.js").Remedy, null>} remedy
 * @param {import("../hub.js").Actions} actions
 * @param {() => void} onDismiss
 */
function mending(remedy, actions, onDismiss) {
  const button = element("button", { class: "button failure-mend", type: "button" }, text.remedies[remedy]);
  button.addEventListener("click", () => {
    if (remedy === "again" || remedy === "reconnect" || remedy === "token") void actions.connectAgain();
    else if (remedy === "withoutMicrophone") void actions.connectAgain({ withMicrophone: false });
    else if (remedy === "devices") {
      onDismiss(); // it may lie over the choice
      actions.chooseDevice("microphone");
    } else actions.correct(remedy);
  });
  return button;
}

/** @param {ApiError} error */
function details(error) {
  const rows = [
    [text.answer, `${error.status}${error.code ? ` ${error.code}` : ""}`],
    [text.request, `${error.exchange.method} ${error.exchange.path}`],
    [text.field, error.param],
    [text.requestId, error.requestId],
  ];
  const list = element("dl", { class: "failure-details" });
  for (const [name, value] of rows) if (value) list.append(element("div", {}, element("dt", {}, name ?? ""), element("dd", {}, ...breakable(value))));
  return list;
}

/**
 * A path may break after its slashes.
 * @param {string} path
 */
function breakable(path) {
  return path.split(/(?<=\/)/).flatMap((part) => [part, element("wbr")]);
}
