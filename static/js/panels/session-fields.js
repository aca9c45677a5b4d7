/** The fields of a session, as they are typed and chosen: which of them are seen, and what is wrong with one. */

import { element } from "../element.js";
import { applies, CHOICES, isKept, KEPT, NAMES, read } from "../session/settings.js";
import { readTools, TOOL } from "../session/json.js";
import { words } from "../words.js";

const text = words.setup;
/** OpenAI's; others may be typed. */
const KNOWN = { voice: ["alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse"], transcription: ["gpt-4o-mini-transcribe", "gpt-4o-transcribe", "whisper-1"] };
const IN_MORE = ["output", "reasoning", "tools"];
const turnHints = /** @type {Record<string, string>} */ (text.turnHints);

/** @typedef {import("../session/settings.js").Name} Name */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

export function SessionFields() {
  /** @type {Record<Name, Control>} */
  const controls = {
    model: /** @type {HTMLSelectElement} */ (element("select", attributes("model"))), voice: typed("voice", { list: "voice-known" }), instructions: area("instructions", "3"),
    turns: choice("turns"), threshold: typed("threshold", { inputmode: "decimal" }), silence: typed("silence", { inputmode: "numeric" }), prefix: typed("prefix", { inputmode: "numeric" }), eagerness: choice("eagerness"),
    transcription: typed("transcription", { list: "transcription-known" }), language: typed("language"),
    output: choice("output"), reasoning: choice("reasoning"), tools: area("tools", "7", { spellcheck: "false", autocapitalize: "none" }),
  };
  const boxes = /** @type {Record<Name, HTMLElement>} */ (Object.fromEntries(NAMES.map((name) => [name, box(name, controls[name])])));
  const names = element("datalist", { id: "model-names" });
  const example = element("button", { class: "button button-quiet", type: "button" }, text.example);
  boxes.tools.prepend(element("div", { class: "field-head" }, boxes.tools.firstElementChild ?? "", example));
  const more = /** @type {HTMLDetailsElement} */ (element("details", { class: "session-more" }, element("summary", {}, text.more), element("div", { class: "session-grid" }, boxes.output, boxes.reasoning, boxes.tools)));
  const root = /** @type {HTMLFieldSetElement} */ (element("fieldset", { class: "session-grid", "aria-labelledby": "session-heading" },
    boxes.model, boxes.voice, boxes.instructions,
    element("div", { class: "session-stack" }, boxes.turns, element("div", { class: "session-parts" }, boxes.threshold, boxes.silence, boxes.prefix), boxes.eagerness),
    element("div", { class: "session-stack" }, boxes.transcription, boxes.language),
    more, names, ...Object.entries(KNOWN).map(([name, values]) => element("datalist", { id: `${name}-known` }, ...options(values)))));
  for (const name of /** @type {const} */ (["instructions", "tools"])) boxes[name].classList.add("field-wide");
  /** @type {Map<Name, {given: string, shown: string}>} what a field cannot hold to the letter, such as other ends of lines, is not lost by being shown */
  const untouched = new Map();

  example.addEventListener("click", () => {
    const { tools } = controls;
    try {
      const known = tools.value.trim() ? readTools(tools.value) : [];
      tools.value = JSON.stringify([...known, TOOL], null, 2);
      tools.dispatchEvent(new Event("input", { bubbles: true }));
      tools.dispatchEvent(new Event("change", { bubbles: true }));
    } catch (error) {
      complain("tools", /** @type {Error} */ (error).message);
    }
    tools.focus();
    tools.setSelectionRange(0, 0);
    tools.scrollTop = 0;
  });
  root.addEventListener("input", () => update(false));
  root.addEventListener("change", () => update(true));

  function values() {
    return /** @type {import("../session/settings.js").Values} */ (Object.fromEntries(NAMES.map((name) => {
      const { value } = controls[name];
      const { given, shown } = untouched.get(name) ?? {};
      return [name, value === shown ? given : value];
    })));
  }

  /** @param {import("../hub.js").Session} session */
  function show(session) {
    const given = read(session);
    for (const name of NAMES) {
      const [control, kept] = [controls[name], isKept(session, name)];
      if (control instanceof HTMLSelectElement) fit(control, name, given[name]);
      else control.placeholder = kept ? text.kept : placeholder(name);
      control.value = given[name];
      untouched.set(name, { given: given[name], shown: control.value });
      clear(name);
      if (IN_MORE.includes(name) && (given[name] || kept)) more.open = true;
    }
    update(true);
  }

  /**
   * @param {string[]} models
   * @param {boolean} complete if not, any name may be typed
   */
  function offer(models, complete) {
    if (complete) controls.model.replaceChildren(...options(models));
    else {
      names.replaceChildren(...options(models));
      const any = typed("model", { list: "model-names" });
      controls.model.replaceWith(any);
      controls.model = any;
    }
  }

  /** @param {boolean} settled while it is typed into, a field does not go */
  function update(settled) {
    const now = values();
    for (const name of NAMES) if (settled || applies(name, now)) boxes[name].hidden = !applies(name, now);
    if (!controls.turns.hasAttribute("aria-invalid")) clear("turns");
  }

  /** @param {Name} name */
  function hintOf(name) {
    return /** @type {HTMLElement} */ (boxes[name].querySelector(".hint"));
  }

  /**
   * @param {Name} name
   * @param {string} message
   */
  function complain(name, message) {
    controls[name].setAttribute("aria-invalid", "true");
    hintOf(name).textContent = message;
    if (IN_MORE.includes(name)) more.open = true;
  }

  /** @param {Name} name */
  function clear(name) {
    controls[name].removeAttribute("aria-invalid");
    hintOf(name).textContent = name === "turns" ? turnHints[controls.turns.value] ?? "" : usual(name);
  }

  return {
    root, values, show, offer, complain,
    /** @param {Name} [name] all, without it */
    clear(name) {
      for (const each of name ? [name] : NAMES) clear(each);
    },
    /** @param {EventTarget | null} control */
    nameOf: (control) => NAMES.find((name) => controls[name] === control),
    /** @param {Name} name */
    focus(name) {
      if (IN_MORE.includes(name)) more.open = true;
      controls[name].focus();
    },
  };
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
  select.append(element("option", { value, "data-added": "" }, name in CHOICES && value === KEPT ? text.kept : value));
}

/** @param {Name} name */
function attributes(name) {
  return { id: idOf(name), "aria-describedby": `${idOf(name)}-hint` };
}

/**
 * @param {Name} name
 * @param {Record<string, string>} [further]
 */
function typed(name, further = {}) {
  const input = { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false", placeholder: placeholder(name) };
  return /** @type {HTMLInputElement} */ (element("input", { ...attributes(name), ...input, ...further }));
}

/**
 * @param {Name} name
 * @param {string} rows
 * @param {Record<string, string>} [further]
 */
function area(name, rows, further = {}) {
  return /** @type {HTMLTextAreaElement} */ (element("textarea", { ...attributes(name), rows, placeholder: placeholder(name), ...further }));
}

/** @param {keyof typeof CHOICES} name */
function choice(name) {
  return /** @type {HTMLSelectElement} */ (element("select", attributes(name), ...Object.entries(text.choices[name]).map(([value, said]) => element("option", { value }, said))));
}

/**
 * @param {Name} name
 * @param {Control} control
 */
function box(name, control) {
  return element("div", { class: "field" }, element("label", { for: control.id }, text.names[name]), control, element("p", { class: "hint", id: `${control.id}-hint` }, usual(name)));
}

const idOf = (/** @type {Name} */ name) => (["model", "voice", "instructions"].includes(name) ? name : `session-${name}`);
const placeholder = (/** @type {string} */ name) => /** @type {Record<string, string>} */ (text.placeholders)[name] ?? "";
const usual = (/** @type {string} */ name) => /** @type {Record<string, string>} */ (text.hints)[name] ?? "";
const options = (/** @type {string[]} */ values) => values.map((value) => element("option", { value }, value));
