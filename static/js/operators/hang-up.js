/** *Hang up*, and the question whether that is meant, in the same place; whoever turns away from it has not meant it. */

import { element } from "../element.js";
import { words } from "../words.js";

/** Long enough to read the question, and to decide. */
const PATIENCE_MS = 10_000;
const text = words.operators.hangUp;

/**
 * @param {string} describedBy ids of what tells which call it is
 * @param {() => Promise<void>} hangUp returns when it is known what became of it
 */
export function HangUp(describedBy, hangUp) {
  const make = (/** @type {string} */ name, /** @type {string} */ kind) => /** @type {HTMLButtonElement} */ (
    element("button", { class: `button ${kind}`, type: "button", "aria-describedby": describedBy }, name));
  const [ask, sure, keep] = [make(text.ask, "button-danger hang-up-ask"), make(text.sure, "button-danger hang-up-sure"), make(text.keep, "")];
  // Keep lies where Hang up was: a double click does no harm. Safari gives no button the focus that is pressed, but what is around it.
  const question = element("div", { class: "hang-up-question", role: "group", tabindex: "-1", "aria-label": text.question, hidden: "" }, sure, keep);
  const root = element("div", { class: "hang-up" }, ask, question);

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let patience;

  ask.addEventListener("click", () => {
    show(true);
    keep.focus();
  });
  keep.addEventListener("click", () => {
    show(false);
    ask.focus();
  });
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation(); // it closes nothing else
    keep.click();
  });
  question.addEventListener("focusout", ({ relatedTarget }) => {
    if (!document.hasFocus()) return; // so it is told as well when another window comes to the front
    if (!question.contains(/** @type {Node | null} */ (relatedTarget))) show(false);
  });
  sure.addEventListener("click", async () => {
    show(false);
    ask.focus();
    ask.setAttribute("aria-disabled", "true"); // it keeps the focus
    try {
      await hangUp();
    } finally {
      ask.removeAttribute("aria-disabled");
    }
  });

  /** @param {boolean} asked */
  function show(asked) {
    if (asked && ask.getAttribute("aria-disabled") === "true") return;
    clearTimeout(patience);
    if (asked) patience = setTimeout(() => keep.click(), PATIENCE_MS);
    question.hidden = !asked;
    ask.classList.toggle("is-away", asked);
  }

  return {
    root,
    /** @param {boolean} there whether there is something to hang up */
    update(there) {
      if (!there) show(false);
      root.classList.toggle("is-away", !there);
    },
  };
}
