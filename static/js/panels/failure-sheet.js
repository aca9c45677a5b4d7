/** What went wrong, the server's own words, and what to do about it. Lies over the stage, so that nothing moves. */

import { ApiError } from "../api.js";
import { advise } from "../advice.js";
import { element, icon } from "../element.js";
import { words } from "../words.js";

const text = words.failure;

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const box = element("div", { class: "failure-sheet", id: "error", role: "alert", hidden: "" });
  root.append(box);
  hub.on("state", ({ state, error }) => {
    if (state === "checking") box.hidden = true;
    if (error) show(error.step, error.cause);
  });
  hub.on("trouble", ({ step, error }) => show(step, error));

  /**
   * @param {string} step
   * @param {unknown} error
   */
  function show(step, error) {
    const { title, message, todo } = advise(step, error);
    const dismiss = element("button", { class: "button button-quiet button-icon failure-sheet-dismiss", type: "button", "aria-label": text.dismiss }, icon("M6 6l12 12M18 6L6 18"));
    dismiss.addEventListener("click", () => actions.keepFocus(() => { box.hidden = true; }));
    box.replaceChildren(
      element("h2", {}, title), dismiss,
      element("p", { class: "failure-sheet-message" }, message),
      element("p", { class: "failure-sheet-todo" }, todo),
      ...(error instanceof ApiError ? [details(error)] : []),
      ...(step === "microphone" ? [withoutMicrophone()] : []),
    );
    box.dataset.failed = step;
    box.hidden = false;
  }

  function withoutMicrophone() {
    const button = element("button", { class: "button", type: "button" }, text.withoutMicrophone);
    button.addEventListener("click", () => actions.connect({ withMicrophone: false }));
    return button;
  }
}

/** @param {ApiError} error */
function details(error) {
  const rows = [
    [text.answer, `${error.status}${error.code ? ` ${error.code}` : ""}`],
    [text.request, `${error.exchange.method} ${error.exchange.path}`],
    [text.field, error.param],
    [text.requestId, error.requestId],
  ];
  const list = element("dl", { class: "failure-sheet-details" });
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
