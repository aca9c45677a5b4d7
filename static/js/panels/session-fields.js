/** A session as fields: where they stand, and which of them are seen. */

import { element } from "../element.js";
import { readTools, TOOL } from "../session/json.js";
import { applies, isKept, NAMES, read, write } from "../session/settings.js";
import { words } from "../words.js";
import { SessionField } from "./session-field.js";

const text = words.setup;
/** OpenAI's; others may be typed. */
const KNOWN = { voice: ["alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse"], transcription: ["gpt-4o-mini-transcribe", "gpt-4o-transcribe", "whisper-1"] };
const IN_MORE = ["output", "reasoning", "tools"];

/** @typedef {import("../session/settings.js").Name} Name */
/** @typedef {Record<Name, ReturnType<typeof SessionField>>} Fields */

export function SessionFields() {
  const fields = /** @type {Fields} */ (Object.fromEntries(NAMES.map((name) => [name, SessionField(name)])));
  const more = /** @type {HTMLDetailsElement} */ (element("details", { class: "session-more" }, element("summary", {}, text.more),
    element("div", { class: "session-grid" }, fields.output.root, fields.reasoning.root, fields.tools.root)));
  const names = element("datalist", { id: "model-names" });
  const root = laidOut(fields, more, names);
  /** @type {import("../hub.js").Session} what the fields change */
  let base = { type: "realtime" };

  fields.tools.root.prepend(element("div", { class: "field-head" }, fields.tools.label, ToolExample(fields.tools)));
  root.addEventListener("input", () => update(false));
  root.addEventListener("change", () => update(true));

  function values() {
    return /** @type {import("../session/settings.js").Values} */ (Object.fromEntries(NAMES.map((name) => [name, fields[name].value()])));
  }

  /** @param {import("../hub.js").Session} session */
  function show(session) {
    base = session;
    const given = read(session);
    for (const name of NAMES) {
      const kept = isKept(session, name);
      fields[name].show(given[name], kept);
      if (given[name] || kept) reveal(name);
    }
    update(true);
  }

  /** @param {boolean} settled while it is typed into, a field does not go */
  function update(settled) {
    const now = values();
    for (const name of NAMES) if (settled || applies(name, now)) fields[name].root.hidden = !applies(name, now);
    if (!fields.turns.control.hasAttribute("aria-invalid")) fields.turns.clear();
  }

  /** @param {Name} name */
  function reveal(name) {
    if (IN_MORE.includes(name)) more.open = true;
  }

  return {
    root, show,
    read: () => write(base, values()),
    /**
     * @param {Name} name
     * @param {string} message
     */
    complain(name, message) {
      fields[name].complain(message);
      reveal(name);
    },
    /** @param {Name} [name] all, without it */
    clear(name) {
      for (const each of name ? [name] : NAMES) fields[each].clear();
    },
    /** @param {Name} name */
    focus(name) {
      reveal(name);
      fields[name].control.focus();
    },
    /** @param {EventTarget | null} control */
    nameOf: (control) => NAMES.find((name) => fields[name].control === control),
    /** @param {boolean} fixed */
    fix(fixed) {
      root.disabled = fixed;
    },
    /**
     * To choose from; if there may be others, any name may be typed.
     * @param {import("../session/models.js").Models} models
     */
    offer({ names: all, complete }) {
      (complete ? fields.model.control : names).replaceChildren(...options(all));
      if (!complete) fields.model.loosen(names.id);
    },
  };
}

/**
 * @param {Fields} fields
 * @param {HTMLElement} more
 * @param {HTMLElement} names
 */
function laidOut(fields, more, names) {
  const { model, voice, instructions, turns, threshold, silence, prefix, eagerness, transcription, language, tools } = fields;
  for (const { root } of [instructions, tools]) root.classList.add("field-wide");
  return /** @type {HTMLFieldSetElement} */ (element("fieldset", { class: "session-grid", "aria-labelledby": "session-heading" },
    model.root, voice.root, instructions.root,
    element("div", { class: "session-stack" }, turns.root, element("div", { class: "session-parts" }, threshold.root, silence.root, prefix.root), eagerness.root),
    element("div", { class: "session-stack" }, transcription.root, language.root),
    more, names, ...Object.entries(KNOWN).map(([name, values]) => element("datalist", { id: `${name}-known` }, ...options(values)))));
}

/**
 * Adds a tool that is worth a try to those that are there.
 * @param {ReturnType<typeof SessionField>} tools
 */
function ToolExample(tools) {
  const control = /** @type {HTMLTextAreaElement} */ (tools.control);
  const button = element("button", { class: "button button-quiet", type: "button" }, text.example);
  button.addEventListener("click", () => {
    try {
      const known = control.value.trim() ? readTools(control.value) : [];
      control.value = JSON.stringify([...known, TOOL], null, 2);
      for (const type of ["input", "change"]) control.dispatchEvent(new Event(type, { bubbles: true }));
    } catch (error) {
      tools.complain(/** @type {Error} */ (error).message);
    }
    control.focus();
    control.setSelectionRange(0, 0);
    control.scrollTop = 0;
  });
  return button;
}

/** @param {string[]} values */
function options(values) {
  return values.map((value) => element("option", { value }, value));
}
