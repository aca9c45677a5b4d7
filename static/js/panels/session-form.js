/** What the next call asks for: the key, and a session as a form or as JSON, which also stands in the page's address. Sent with the mint. */

import { advise } from "../advice.js";
import { CopyButton } from "../copy-button.js";
import { element } from "../element.js";
import { linkTo, readLink } from "../session/link.js";
import { write } from "../session/settings.js";
import { readSession } from "../session/json.js";
import { words } from "../words.js";
import { SessionFields } from "./session-fields.js";

const text = words.setup;
/** LiteLLM's patterns: the page cannot list what they match, so the name is typed. */
const isPattern = (/** @type {string} */ name) => /[*?[]/.test(name);

/** @typedef {import("../hub.js").Session} Session */
/** @typedef {import("../advice.js").Field} Field */

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const key = /** @type {HTMLInputElement} */ (element("input", { id: "key", type: "password", autocomplete: "off", autocapitalize: "none", spellcheck: "false", "aria-describedby": "key-hint", placeholder: text.keyPlaceholder }));
  const show = element("button", { class: "button button-quiet", type: "button", "aria-pressed": "false", "aria-controls": "key", "aria-label": text.showKey }, text.show);
  const keyHint = element("p", { class: "hint", id: "key-hint" }, text.keyHint);
  const demo = element("div", { class: "note", id: "demo-note", hidden: "" }, text.demo);
  const asJson = element("button", { class: "button button-quiet", type: "button", "aria-pressed": "false", title: text.jsonHint }, text.json);
  const copy = /** @type {HTMLButtonElement} */ (element("button", { class: "button button-quiet session-copy", type: "button", "aria-label": text.copyLink, title: text.copyLinkHint }, text.copyLink));
  const note = element("p", { class: "hint session-note", role: "status" });
  const fields = SessionFields();
  const json = /** @type {HTMLTextAreaElement} */ (element("textarea", { id: "session-json", rows: "14", spellcheck: "false", autocapitalize: "none", "aria-describedby": "session-json-hint" }));
  const jsonHint = element("p", { class: "hint", id: "session-json-hint" });
  const jsonBox = element("div", { class: "field", hidden: "" }, element("label", { class: "visually-hidden", for: "session-json" }, text.asJson), json, jsonHint);
  const form = /** @type {HTMLFormElement} */ (element("form", { class: "session-form", id: "call-form", novalidate: "" },
    demo,
    element("div", { class: "field" }, element("label", { for: "key" }, text.key), element("div", { class: "field-row" }, key, show), keyHint),
    element("div", { class: "session-head" }, element("h2", { id: "session-heading" }, text.heading), asJson, copy, note),
    fields.root, jsonBox,
    element("button", { type: "submit", class: "visually-hidden", tabindex: "-1", "aria-hidden": "true" }))); // so that Enter connects
  root.append(form);

  /** @type {Session} what the fields change */
  let base = { type: "realtime" };
  let [written, busy, missed] = [false, false, false];
  /** @type {{names: string[], complete: boolean}} */
  let models = { names: [], complete: false };
  /** @type {string[]} what a link said and is not understood */
  let left = [];
  let standing = ""; // the hash of what stands here; it says less, so it is not read again

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keepLink();
    actions.connect();
  });
  form.addEventListener("input", ({ target }) => {
    const name = fields.nameOf(target);
    if (target === key) clearKey();
    else if (target === json) clearJson();
    else if (name) fields.clear(name);
    if (target === json) base = parsed(() => {}) ?? base;
    left = [];
    update();
    if (target !== key) tell();
  });
  form.addEventListener("change", ({ target }) => {
    const name = fields.nameOf(target);
    const why = name && write(base, fields.values()).complaints.get(name);
    if (why) fields.complain(name, why);
    if (target === json) parsed(complainJson);
    if (target !== key) keepLink();
  });
  asJson.addEventListener("click", () => {
    const session = settled();
    if (session) turn(session);
  });
  CopyButton(copy, () => {
    settled();
    return new URL(keepLink(), location.href).href;
  });
  show.addEventListener("click", () => {
    const visible = key.type === "password";
    key.type = visible ? "text" : "password";
    show.textContent = visible ? text.hide : text.show;
    show.setAttribute("aria-pressed", String(visible));
  });
  addEventListener("hashchange", follow);
  hub.on("settings", learn);
  hub.on("state", ({ state, error }) => {
    busy = !["idle", "ended", "failed"].includes(state);
    for (const field of [key, json, fields.root]) field.disabled = busy;
    if (state === "checking") {
      clearKey();
      clearJson();
      fields.clear();
      left = [];
    }
    update();
    if (!busy && missed) follow();
    const { field, message } = error ? advise(error.step, error.cause) : {};
    if (!field) return;
    complain(field, message ?? "");
    actions.show("setup");
  });
  follow();
  update();

  /** @param {{key: string | null, models: string[], demo: boolean}} settings */
  function learn({ key: known, models: all, demo: isDemo }) {
    if (known && !key.value) key.value = known;
    demo.hidden = !isDemo;
    const names = all.filter((name) => !isPattern(name));
    const session = wanted();
    models = { names, complete: names.length === all.length && names.length > 0 };
    fields.offer(names, models.complete);
    open(session);
  }

  /** What a link asks for replaces what stands here; in a call, once that is over. */
  function follow() {
    const link = location.hash === standing ? null : readLink(location.hash);
    missed = busy && link !== null;
    if (busy || !link) return;
    standing = location.hash;
    left = link.ignored;
    open(link.session, wanted().model);
  }

  /**
   * @param {Session} session from elsewhere: it may name a model that is not here, or none
   * @param {string} [usual] the model of a session that names none
   */
  function open({ type, model, ...rest }, usual = models.names[0]) {
    const strange = models.complete && model !== undefined && !models.names.includes(model);
    if (strange) left.push(text.link.noModel(model));
    const named = !strange && model !== undefined ? model : type === "realtime" ? usual : undefined; // a transcription needs none of its own
    base = { type, ...(named !== undefined && { model: named }), ...rest };
    fill();
    update();
    tell();
    if (left.length) keepLink(); // without what was left out: it may be a key
  }

  /** @param {Session} session */
  function turn(session) {
    [base, written] = [session, !written];
    fill();
  }

  function fill() {
    asJson.setAttribute("aria-pressed", String(written));
    [fields.root.hidden, jsonBox.hidden] = [written, !written];
    if (written) json.value = JSON.stringify(base, null, 2);
    else fields.show(base);
    clearJson();
  }

  function update() {
    const said = busy ? text.fixed : left.length ? text.link.left(left) : text.intro;
    if (note.textContent !== said) note.textContent = said; // it is read out
    note.classList.toggle("is-left", left.length > 0 && !busy);
  }

  /** @returns {Session} as far as it is understood */
  function wanted() {
    return written ? base : write(base, fields.values()).session;
  }

  function tell() {
    const session = wanted();
    hub.emit("session", { ...session, model: session.model ?? "" });
  }

  /** In the address, not in the history. */
  function keepLink() {
    standing = linkTo(wanted());
    if (!location.hash.startsWith("#/calls")) history.replaceState(history.state, "", standing);
    hub.emit("link", standing);
    return standing;
  }

  /** @returns {Session | null} null, and the field pointed out, when something is not understood */
  function settled() {
    if (written) {
      const session = parsed(complainJson);
      if (!session) correct("session");
      return session;
    }
    const { session, complaints } = write(base, fields.values());
    for (const [name, why] of complaints) fields.complain(name, why);
    const [first] = complaints.keys();
    if (first) correct(first);
    return first ? null : session;
  }

  /**
   * @param {(why: string) => void} refuse
   * @returns {Session | null}
   */
  function parsed(refuse) {
    try {
      return readSession(json.value);
    } catch (error) {
      refuse(/** @type {Error} */ (error).message);
      return null;
    }
  }

  /**
   * @param {Field} field
   * @param {string} message
   */
  function complain(field, message) {
    if (field === "key") {
      key.setAttribute("aria-invalid", "true");
      keyHint.textContent = message;
    } else if (written || field === "session") {
      if (!written) turn(wanted());
      complainJson(message);
    } else fields.complain(field, message);
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

  /** @param {string} message */
  function complainJson(message) {
    json.setAttribute("aria-invalid", "true");
    jsonHint.textContent = message;
  }

  function clearKey() {
    key.removeAttribute("aria-invalid");
    keyHint.textContent = text.keyHint;
  }

  function clearJson() {
    json.removeAttribute("aria-invalid");
    jsonHint.textContent = "";
  }

  /** @param {Field} field */
  function correct(field) {
    actions.show("setup");
    if (field === "key") key.focus();
    else if (written || field === "session") json.focus();
    else fields.focus(field);
  }

  return {
    key: () => key.value.trim(),
    setKey(/** @type {string} */ given) {
      key.value = given;
      clearKey();
    },
    correct,
    /** What to connect with; null, and the field pointed out, when something is missing or not understood. */
    read() {
      if (!key.value.trim()) return refuse("key", text.keyMissing);
      const session = settled();
      if (session && !session.model && session.type === "realtime") return refuse("model", text.modelMissing);
      return session && { key: key.value.trim(), session };
    },
  };
}
