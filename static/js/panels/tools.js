/** Answer the functions that the model calls: by hand, or by a rule from now on. */

import { element } from "../element.js";
import { PRESETS } from "../events/composing.js";
import { readJson } from "../session/json.js";
import { words } from "../words.js";
import { JsonTree } from "./json-tree.js";

const text = words.functions;

/**
 * @param {HTMLElement} root
 * @param {import("../call/tools.js").Tools} tools
 * @param {(event: object) => void} edit put an event into the composer
 */
export function mount(root, tools, edit) {
  const none = element("div", { class: "tools-none" }, element("p", { class: "hint" }, text.none));
  const example = element("button", { class: "button button-chip", type: "button" }, text.example);
  example.addEventListener("click", () => edit(PRESETS.tool));
  none.append(example);
  const resting = element("p", { class: "tools-resting", role: "status" });
  const waiting = element("ul", { class: "tools-list", "aria-label": text.waiting });
  const rules = element("ul", { class: "tools-list", "aria-label": text.rules });
  const answered = element("ul", { class: "tools-list", "aria-label": text.answered });
  const answeredHead = element("h3", {}, text.answered);
  const name = field("tools-name", text.function);
  const gives = field("tools-gives", text.gives, "{}");
  const note = element("p", { class: "compose-note", role: "status", "data-state": "bad" });
  const form = element("form", { class: "tools-rule", novalidate: "" }, name.box, gives.box, element("button", { class: "button", type: "submit" }, text.add));
  root.append(element("div", { class: "tools" }, resting, none, waiting, element("h3", {}, text.rules), element("p", { class: "hint" }, text.rulesHint), rules, form, note, answeredHead, answered));
  /** @type {Map<string, HTMLElement>} what is being typed into stays as it is */
  const asked = new Map();

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [called, output] = [name.input.value.trim(), compact(gives.input.value)];
    note.textContent = !called ? text.noName : output instanceof Error ? output.message : "";
    name.input.setAttribute("aria-invalid", String(!called));
    gives.input.setAttribute("aria-invalid", String(output instanceof Error));
    if (!called) name.input.focus();
    else if (output instanceof Error) gives.input.focus();
    else {
      tools.rule(called, output);
      name.input.value = "";
    }
  });
  tools.listen(update);
  update();

  function update() {
    const focused = document.activeElement;
    const within = root.contains(focused);
    resting.textContent = tools.resting ? text.resting : "";
    none.hidden = tools.waiting.length > 0;
    for (const [id, box] of asked) if (!tools.waiting.some((call) => call.id === id)) {
      box.remove();
      asked.delete(id);
    }
    for (const call of tools.waiting) if (!asked.has(call.id)) {
      const box = question(call);
      asked.set(call.id, box);
      waiting.append(box);
    }
    rules.replaceChildren(...[...tools.rules].map(([called, output]) => rule(called, output)));
    answeredHead.hidden = tools.answered.length === 0;
    answered.replaceChildren(...tools.answered.map((each) => element("li", { class: "tools-answer" },
      element("code", {}, `${each.name}(${each.arguments})`), element("span", { class: "hint" }, each.by ? text.by[each.by] : text.unanswered), ...(each.output === null ? [] : [element("code", {}, each.output)]))));
    if (within && !root.contains(document.activeElement)) (waiting.querySelector("textarea") ?? name.input).focus();
  }

  /** @param {import("../call/tools.js").FunctionCall} call */
  function question({ id, name: called, arguments: given }) {
    const result = /** @type {HTMLTextAreaElement} */ (element("textarea", { id: `tool-${id}`, rows: "2", spellcheck: "false", autocapitalize: "none", "aria-describedby": `tool-${id}-note` }));
    result.value = "{}";
    const complaint = element("p", { class: "compose-note", id: `tool-${id}-note`, role: "status", "data-state": "bad" });
    const always = element("button", { class: "button button-quiet", type: "button" }, text.always);
    const box = element("form", { class: "tools-question", novalidate: "" },
      element("p", { class: "tools-called" }, called), argumentsOf(given), element("label", { for: result.id }, text.result(called)), result, complaint,
      element("div", { class: "tools-buttons" }, element("button", { class: "button", type: "submit" }, text.send), always));
    box.addEventListener("submit", (event) => {
      event.preventDefault();
      give(() => tools.answer(id, output()));
    });
    always.addEventListener("click", () => give(() => tools.answer(id, output()) && (tools.rule(called, output()), true)));

    function output() {
      const value = compact(result.value);
      if (value instanceof Error) throw value;
      return value;
    }
    /** @param {() => boolean} act */
    function give(act) {
      try {
        complaint.textContent = act() ? "" : text.notSent;
        result.removeAttribute("aria-invalid");
      } catch (error) {
        complaint.textContent = /** @type {Error} */ (error).message;
        result.setAttribute("aria-invalid", "true");
        result.focus();
      }
    }
    return element("li", {}, box);
  }

  /**
   * @param {string} called
   * @param {string} output
   */
  function rule(called, output) {
    const remove = element("button", { class: "button button-quiet", type: "button", "aria-label": text.remove(called) }, "×");
    remove.addEventListener("click", () => tools.forget(called));
    return element("li", { class: "tools-answer" }, element("code", {}, called), element("code", {}, output), remove);
  }
}

/** @param {string} given */
function argumentsOf(given) {
  const value = compact(given);
  return value instanceof Error ? element("pre", {}, given) : JsonTree(JSON.parse(value));
}

/**
 * JSON without what is there for the eye, or why it is none.
 * @param {string} written
 */
function compact(written) {
  try {
    return JSON.stringify(readJson(written));
  } catch (error) {
    return /** @type {Error} */ (error);
  }
}

/**
 * @param {string} id
 * @param {string} label
 * @param {string} [value]
 */
function field(id, label, value = "") {
  const input = /** @type {HTMLInputElement} */ (element("input", { id, type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false", value }));
  return { input, box: element("div", { class: "field" }, element("label", { for: id }, label), input) };
}
