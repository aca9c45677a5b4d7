/** Key, model, and the buttons that begin, mute and end a call. */

import { element } from "./element.js";

/** LiteLLM's patterns: the page cannot list what they match, so the name is typed. */
const isPattern = (/** @type {string} */ name) => /[*?[]/.test(name);

/**
 * @param {HTMLFormElement} form
 * @param {{onConnect: (key: string, model: string) => void, onMute: (muted: boolean) => void, onHangUp: () => void}} actions
 */
export function CallForm(form, { onConnect, onMute, onHangUp }) {
  const find = (/** @type {string} */ selector) => /** @type {any} */ (form.querySelector(selector));
  /** @type {HTMLInputElement} */ const key = find("#key");
  /** @type {HTMLButtonElement} */ const show = find("#key-show");
  /** @type {HTMLButtonElement} */ const connect = find("#connect");
  /** @type {HTMLElement} */ const live = find("#live-controls");
  /** @type {HTMLButtonElement} */ const mute = find("#mute");
  /** @type {HTMLButtonElement} */ const hangUp = find("#hangup");
  const model = () => /** @type {HTMLSelectElement | HTMLInputElement} */ (find("#model"));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (connect.hidden) return;
    const missing = [key, model()].find((field) => field.value.trim() === "");
    if (missing) {
      missing.setAttribute("aria-invalid", "true");
      missing.focus();
      return;
    }
    onConnect(key.value.trim(), model().value.trim());
  });
  form.addEventListener("input", ({ target }) => /** @type {HTMLElement} */ (target).removeAttribute("aria-invalid"));
  show.addEventListener("click", () => {
    const visible = key.type === "password";
    key.type = visible ? "text" : "password";
    show.textContent = visible ? "Hide" : "Show";
    show.setAttribute("aria-pressed", String(visible));
  });
  mute.addEventListener("click", () => {
    setMuted(mute.getAttribute("aria-pressed") !== "true");
    onMute(mute.getAttribute("aria-pressed") === "true");
  });
  hangUp.addEventListener("click", onHangUp);

  /** @param {boolean} muted */
  function setMuted(muted) {
    mute.setAttribute("aria-pressed", String(muted));
    mute.textContent = muted ? "Unmute" : "Mute";
  }

  return {
    /** @param {{key: string | null, models: string[], demo: boolean}} settings */
    fill({ key: known, models, demo }) {
      if (known && !key.value) key.value = known;
      find("#demo-note").hidden = !demo;
      const names = models.filter((name) => !isPattern(name));
      const options = names.map((name) => element("option", { value: name }, name));
      if (names.length === models.length && names.length > 0) {
        model().replaceChildren(...options);
        return;
      }
      find("#model-names").replaceChildren(...options);
      model().replaceWith(element("input", {
        id: "model", type: "text", list: "model-names", autocomplete: "off", autocapitalize: "none", spellcheck: "false",
        required: "", placeholder: "gpt-realtime", value: names[0] ?? "",
      }));
    },
    /** @param {"idle" | "connecting" | "live"} stage */
    update(stage) {
      const busy = stage !== "idle";
      form.dataset.stage = stage;
      const focused = document.activeElement;
      connect.hidden = busy;
      live.hidden = !busy;
      mute.disabled = stage !== "live";
      hangUp.textContent = stage === "connecting" ? "Cancel" : "Hang up";
      for (const field of [key, model()]) field.disabled = busy;
      if (busy && focused === connect) hangUp.focus(); // focus must not fall to the body
      if (!busy) {
        setMuted(false);
        if (focused === hangUp || focused === mute) connect.focus();
      }
    },
  };
}
