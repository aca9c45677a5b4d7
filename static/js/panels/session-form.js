/** What the next call asks for: the key, and a session as a form or as JSON, which also stands in the page's address. Sent with the mint. */

import { advise } from "../advice.js";
import { CopyButton } from "../copy-button.js";
import { element } from "../element.js";
import { isBusy } from "../hub.js";
import { modelsOf, withModel } from "../session/models.js";
import { words } from "../words.js";
import { KeyField } from "./key-field.js";
import { SessionFields } from "./session-fields.js";
import { SessionJson } from "./session-json.js";
import { SessionLink } from "./session-link.js";

const text = words.setup;

/** @typedef {import("../hub.js").Session} Session */
/** @typedef {import("../advice.js").Field} Field */
/**
 * @typedef {object} Editor of a session: its fields, or its JSON
 * @property {HTMLElement} root
 * @property {(session: Session) => void} show
 * @property {() => {session: Session, complaints: Map<any, string>}} read as far as it is understood, and what is wrong with the rest
 * @property {(name: any, message: string) => void} complain
 * @property {(name?: any) => void} clear without a name, all
 * @property {(name: any) => void} focus
 * @property {(target: EventTarget | null) => Field | undefined} nameOf
 * @property {(fixed: boolean) => void} fix
 */

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const [key, fields, json] = [KeyField(), SessionFields(), SessionJson()];
  const link = SessionLink(hub, wanted, follow);
  const demo = element("div", { class: "note", id: "demo-note", hidden: "" }, text.demo);
  const asJson = element("button", { class: "button button-quiet", type: "button", "aria-pressed": "false", title: text.jsonHint }, text.json);
  const copy = /** @type {HTMLButtonElement} */ (element("button", { class: "button button-quiet session-copy", type: "button", "aria-label": text.copyLink, title: text.copyLinkHint }, text.copyLink));
  const note = element("p", { class: "hint session-note", role: "status" });
  const form = element("form", { class: "session-form", id: "call-form", novalidate: "" },
    demo, key.root,
    element("div", { class: "session-head" }, element("h2", { id: "session-heading" }, text.heading), asJson, copy, note),
    fields.root, json.root,
    element("button", { type: "submit", class: "visually-hidden", tabindex: "-1", "aria-hidden": "true" })); // so that Enter connects
  root.append(form);

  /** @type {Editor} */
  let editor = fields;
  let busy = false;
  let models = modelsOf([]);
  /** @type {string[]} what a link said and is not understood */
  let left = [];

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    link.keep();
    void actions.connect();
  });
  form.addEventListener("input", ({ target }) => {
    const name = editor.nameOf(target);
    if (name) editor.clear(name);
    left = [];
    update();
    if (name) tell();
  });
  form.addEventListener("change", ({ target }) => {
    const name = editor.nameOf(target);
    if (!name) return;
    const why = editor.read().complaints.get(name);
    if (why) editor.complain(name, why);
    link.keep();
  });
  asJson.addEventListener("click", () => {
    if (!pointOut()) turn();
  });
  CopyButton(copy, () => (pointOut() ? null : new URL(link.keep(), location.href).href));
  hub.on("settings", learn);
  hub.on("state", ({ state, error }) => {
    busy = isBusy(state);
    key.control.disabled = busy;
    for (const each of [fields, json]) each.fix(busy);
    if (state === "checking") {
      key.clear();
      editor.clear();
      left = [];
    }
    update();
    link.wait(busy);
    const { field, message } = error ? advise(error.step, error.cause) : {};
    if (!field) return;
    complain(field, message ?? "");
    actions.show("setup");
  });
  link.follow();
  update();

  /** @param {import("../hub.js").Events["settings"]} settings */
  function learn({ key: known, models: all, demo: isDemo }) {
    if (known && !key.value()) key.fill(known);
    demo.hidden = !isDemo;
    const session = wanted();
    models = modelsOf(all);
    fields.offer(models);
    open(session);
  }

  /** @param {{session: Session, ignored: string[]}} found */
  function follow({ session, ignored }) {
    left = ignored;
    open(session, wanted().model);
  }

  /**
   * @param {Session} given
   * @param {string} [usual] its model, if it names none
   */
  function open(given, usual) {
    const { session, strange } = withModel(given, models, usual);
    if (strange !== null) left.push(text.link.noModel(strange));
    fill(session);
    update();
    tell();
    if (left.length) link.keep(); // without what was left out: it may be a key
  }

  /** @param {Session} session */
  function fill(session) {
    asJson.setAttribute("aria-pressed", String(editor === json));
    for (const each of [fields, json]) each.root.hidden = each !== editor;
    editor.show(session);
  }

  /** From the fields to the JSON, or back. */
  function turn() {
    const session = wanted();
    editor = editor === json ? fields : json;
    fill(session);
  }

  function update() {
    const said = busy ? text.fixed : left.length ? text.link.left(left) : text.intro;
    if (note.textContent !== said) note.textContent = said; // it is read out
    note.classList.toggle("is-left", left.length > 0 && !busy);
  }

  /** As far as it is understood. */
  function wanted() {
    return editor.read().session;
  }

  function tell() {
    const session = wanted();
    hub.emit("session", { ...session, model: session.model ?? "" });
  }

  /** Whether something is not understood: it is complained of, and the first has the focus. */
  function pointOut() {
    const { complaints } = editor.read();
    for (const [name, why] of complaints) editor.complain(name, why);
    const [first] = complaints.keys();
    if (first) correct(first);
    return first !== undefined;
  }

  /**
   * @param {Field} field
   * @param {string} message
   */
  function complain(field, message) {
    if (field === "key") key.complain(message);
    else editorOf(field).complain(field, message);
  }

  /** @param {Field} field */
  function correct(field) {
    actions.show("setup");
    if (field === "key") key.control.focus();
    else editorOf(field).focus(field);
  }

  /** @param {Field} field */
  function editorOf(field) {
    if (field === "session" && editor !== json) turn();
    return editor;
  }

  /**
   * @param {Field} field
   * @param {string} message
   */
  function refuse(field, message) {
    complain(field, message);
    correct(field);
    return null;
  }

  return {
    key: key.value, setKey: key.fill, correct,
    /** What to connect with; null, and the field pointed out, when something is missing or not understood. */
    read() {
      if (!key.value()) return refuse("key", text.keyMissing);
      if (pointOut()) return null;
      const session = wanted();
      if (!session.model && session.type === "realtime") return refuse("model", text.modelMissing);
      return { key: key.value(), session };
    },
  };
}
