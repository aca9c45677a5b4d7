/** One field of a session: its label, its control, and a line below for what goes into it or what is wrong with it. */

import { element } from "../element.js";
import { CHOICES, KEPT } from "../session/settings.js";
import { words } from "../words.js";

const text = words.setup;
const AREA = { tools: { rows: "7", spellcheck: "false", autocapitalize: "none" }, instructions: { rows: "3" } };
/** What is typed into one line, and may be chosen from a list. */
const LINE = { voice: { list: "voice-known" }, threshold: { inputmode: "decimal" }, silence: { inputmode: "numeric" }, prefix: { inputmode: "numeric" }, transcription: { list: "transcription-known" }, language: {} };
const turnHints = /** @type {Record<string, string>} */ (text.turnHints);

/** @typedef {import("../session/settings.js").Name} Name */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

/** @param {Name} name */
export function SessionField(name) {
  const id = ["model", "voice", "instructions"].includes(name) ? name : `session-${name}`;
  const hint = element("p", { class: "hint", id: `${id}-hint` });
  let control = made(name);
  const label = element("label", { for: id }, text.names[name]);
  const root = element("div", { class: "field" }, label, control, hint);
  // What a control cannot hold to the letter, such as other ends of lines, is not lost by being shown.
  let given = control.value;
  let shown = control.value;
  identify();
  clear();

  function identify() {
    control.id = id;
    control.setAttribute("aria-describedby", hint.id);
  }

  function clear() {
    control.removeAttribute("aria-invalid");
    hint.textContent = name === "turns" ? turnHints[control.value] ?? "" : of(text.hints, name);
  }

  return {
    root, label, clear,
    get control() {
      return control;
    },
    value: () => (control.value === shown ? given : control.value),
    /**
     * @param {string} value
     * @param {boolean} kept it stands for something that it cannot show
     */
    show(value, kept) {
      if (control instanceof HTMLSelectElement) fit(control, name, value);
      else control.placeholder = kept ? text.kept : of(text.placeholders, name);
      control.value = given = value;
      shown = control.value;
      clear();
    },
    /** @param {string} message */
    complain(message) {
      control.setAttribute("aria-invalid", "true");
      hint.textContent = message;
    },
    /**
     * Anything may be typed from now on.
     * @param {string} list of what is known
     */
    loosen(list) {
      const line = typed(name, { list });
      control.replaceWith(line);
      control = line;
      identify();
    },
  };
}

/**
 * @param {Name} name
 * @returns {Control}
 */
function made(name) {
  if (name === "model") return /** @type {HTMLSelectElement} */ (element("select"));
  if (name === "instructions" || name === "tools") return /** @type {HTMLTextAreaElement} */ (element("textarea", { placeholder: of(text.placeholders, name), ...AREA[name] }));
  if (name in CHOICES) return /** @type {HTMLSelectElement} */ (element("select", {}, ...Object.entries(text.choices[/** @type {keyof typeof CHOICES} */ (name)]).map(([value, said]) => element("option", { value }, said))));
  return typed(name, LINE[/** @type {keyof typeof LINE} */ (name)]);
}

/**
 * @param {Name} name
 * @param {Record<string, string>} further
 */
function typed(name, further) {
  return /** @type {HTMLInputElement} */ (element("input", { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false", placeholder: of(text.placeholders, name), ...further }));
}

/**
 * What a session says, the select offers.
 * @param {HTMLSelectElement} select
 * @param {Name} name
 * @param {string} value
 */
function fit(select, name, value) {
  select.querySelector("[data-added]")?.remove();
  if ([...select.options].some((option) => option.value === value)) return;
  select.append(element("option", { value, "data-added": "" }, name in CHOICES && value === KEPT ? text.kept : value || text.noModel));
}

/**
 * @param {Readonly<Record<string, string>>} said
 * @param {Name} name
 */
function of(said, name) {
  return said[name] ?? "";
}
