/** What the next call asks for: key, model, voice, instructions. Sent with the mint. */

import { advise } from "../advice.js";
import { element } from "../element.js";
import { words } from "../words.js";

const text = words.setup;
/** OpenAI's; others may be typed. */
const VOICES = ["alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse"];
const TYPED = { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false" };
/** LiteLLM's patterns: the page cannot list what they match, so the name is typed. */
const isPattern = (/** @type {string} */ name) => /[*?[]/.test(name);

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Field */

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const key = input("key", { type: "password", autocapitalize: "none", spellcheck: "false", placeholder: text.keyPlaceholder });
  const show = element("button", { class: "button button-quiet", type: "button", "aria-pressed": "false", "aria-controls": "key", "aria-label": text.showKey }, text.show);
  /** @type {Field} */
  let model = /** @type {HTMLSelectElement} */ (element("select", { id: "model", "aria-describedby": "model-hint" }));
  const voice = input("voice", { ...TYPED, list: "voices", placeholder: text.voicePlaceholder });
  const instructions = /** @type {HTMLTextAreaElement} */ (element("textarea", { id: "instructions", rows: "6", placeholder: text.instructionsPlaceholder }));
  const names = element("datalist", { id: "model-names" });
  const demo = element("div", { class: "note", id: "demo-note", hidden: "" }, text.demo);
  const keyHint = hint("key", text.keyHint);
  const modelHint = hint("model", text.modelHint);
  const form = /** @type {HTMLFormElement} */ (element("form", { class: "session-form", id: "call-form", novalidate: "" },
    demo,
    element("div", { class: "field field-wide" }, label("key", text.key), element("div", { class: "field-row" }, key, show), keyHint),
    element("div", { class: "field" }, label("model", text.model), model, names, modelHint),
    element("div", { class: "field" }, label("voice", text.voice), voice, element("datalist", { id: "voices" }, ...options(VOICES)), hint("voice", text.voiceHint)),
    element("div", { class: "field field-wide" }, label("instructions", text.instructions), instructions),
    element("button", { type: "submit", class: "visually-hidden", tabindex: "-1", "aria-hidden": "true" }))); // so that Enter connects
  root.append(form);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    actions.connect();
  });
  form.addEventListener("input", ({ target }) => {
    clear(/** @type {Field} */ (target));
    tell();
  });
  show.addEventListener("click", () => {
    const visible = key.type === "password";
    key.type = visible ? "text" : "password";
    show.textContent = visible ? text.hide : text.show;
    show.setAttribute("aria-pressed", String(visible));
  });
  hub.on("settings", fill);
  hub.on("state", ({ state, error }) => {
    const busy = !["idle", "ended", "failed"].includes(state);
    for (const field of [key, model, voice, instructions]) field.disabled = busy;
    if (state === "checking") for (const field of [key, model]) clear(field);
    const { field, message } = error ? advise(error.step, error.cause) : {};
    if (!field) return;
    complain(field === "key" ? key : model, message ?? "");
    actions.show("setup");
  });

  /** @param {{key: string | null, models: string[], demo: boolean}} settings */
  function fill({ key: known, models, demo: isDemo }) {
    if (known && !key.value) key.value = known;
    demo.hidden = !isDemo;
    const plain = models.filter((name) => !isPattern(name));
    if (plain.length === models.length && plain.length > 0) model.replaceChildren(...options(plain));
    else {
      names.replaceChildren(...options(plain));
      const typed = input("model", { ...TYPED, list: "model-names", placeholder: text.modelPlaceholder, value: plain[0] ?? "" });
      model.replaceWith(typed);
      model = typed;
    }
    tell();
  }

  function tell() {
    hub.emit("session", session());
  }

  /** @returns {import("../hub.js").Session} only what was filled in: all else is the provider's own choice */
  function session() {
    const [spoken, asked] = [voice.value.trim(), instructions.value.trim()];
    return {
      type: "realtime", model: model.value.trim(),
      ...(asked && { instructions: asked }),
      ...(spoken && { audio: { output: { voice: spoken } } }),
    };
  }

  /**
   * @param {Field} field
   * @param {string} message
   */
  function complain(field, message) {
    field.setAttribute("aria-invalid", "true");
    (field === key ? keyHint : modelHint).textContent = message;
  }

  /** @param {Field} field */
  function clear(field) {
    field.removeAttribute("aria-invalid");
    if (field === key) keyHint.textContent = text.keyHint;
    if (field === model) modelHint.textContent = text.modelHint;
  }

  return {
    key: () => key.value.trim(),
    setKey(/** @type {string} */ given) {
      key.value = given;
      clear(key);
    },
    /** What to connect with; null, and the field pointed out, when something is missing. */
    read() {
      const missing = [key, model].find((field) => field.value.trim() === "");
      if (!missing) return { key: key.value.trim(), session: session() };
      actions.show("setup");
      complain(missing, missing === key ? text.keyMissing : text.modelMissing);
      missing.focus();
      return null;
    },
  };
}

/**
 * @param {string} id
 * @param {Record<string, string>} attributes
 */
function input(id, attributes) {
  return /** @type {HTMLInputElement} */ (element("input", { id, autocomplete: "off", "aria-describedby": `${id}-hint`, ...attributes }));
}

const label = (/** @type {string} */ id, /** @type {string} */ name) => element("label", { for: id }, name);
const hint = (/** @type {string} */ id, /** @type {string} */ said) => element("p", { class: "hint", id: `${id}-hint` }, said);
const options = (/** @type {string[]} */ values) => values.map((value) => element("option", { value }, value));
