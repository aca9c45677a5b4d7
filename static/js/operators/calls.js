/** The operators' view: who is talking, since when and until when, what it costs; and how to end it. */

import { advise } from "../advice.js";
import { ApiError } from "../api.js";
import { element } from "../element.js";
import { keepFocus } from "../focus.js";
import { words } from "../words.js";
import { endCall, listCalls, now, readCall } from "./api.js";
import * as Band from "./band.js";
import { Feed } from "./feed.js";
import * as Record from "./record.js";
import { COLUMNS, Row } from "./row.js";
import { dollars } from "./shown.js";

/** @typedef {import("./api.js").Call} Call */
/** @typedef {"live" | "ended" | "unknown"} Status */

const text = words.operators;
const PAGE = "50";
const STATUSES = /** @type {const} */ (["live", "ended", "unknown"]);
const TYPED = { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false" };

/**
 * @param {HTMLElement} root
 * @param {Pick<import("../hub.js").Actions, "key" | "setKey">} actions
 */
export function mount(root, actions) {
  const gate = Gate((key) => {
    actions.setKey(key);
    open(chosen);
    title.focus();
  });
  const title = element("h2", { class: "calls-title", tabindex: "-1" }, text.title);
  const sum = element("p", { class: "calls-sum" });
  const feedDot = element("span", { class: "calls-dot", "aria-hidden": "true" });
  const feedText = element("span");
  const feedState = element("p", { class: "calls-feed", role: "status" }, feedDot, feedText);
  const retry = element("button", { class: "button button-quiet is-away", type: "button" }, text.feed.retry);
  const bandRoot = element("div", { class: "calls-band" });
  const status = /** @type {HTMLSelectElement} */ (element("select", { id: "calls-status" }, ...STATUSES.map((each) => element("option", { value: each }, text.statuses[each]))));
  const caller = /** @type {HTMLInputElement} */ (element("input", { ...TYPED, id: "calls-caller", list: "calls-callers", placeholder: text.filters.anyCaller }));
  const model = /** @type {HTMLInputElement} */ (element("input", { ...TYPED, id: "calls-model", list: "calls-models", placeholder: text.filters.anyModel }));
  const [callers, models] = [element("datalist", { id: "calls-callers" }), element("datalist", { id: "calls-models" })];
  const clear = element("button", { class: "button button-quiet is-away", type: "button" }, text.clearEnded);
  const count = element("p", { class: "calls-count", role: "status" });
  const rowsRoot = element("tbody", { role: "rowgroup" });
  const lastColumn = element("th", { role: "columnheader", scope: "col", class: "calls-endsBy" }, text.columns.endsBy);
  const table = element("table", { class: "calls-table", role: "table", "aria-label": text.title },
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" },
      ...COLUMNS.map((name) => (name === "endsBy" ? lastColumn : element("th", { role: "columnheader", scope: "col", class: `calls-${name}` }, text.columns[name]))),
      element("th", { role: "columnheader", scope: "col", class: "calls-action" }, element("span", { class: "visually-hidden" }, text.columns.action)))),
    rowsRoot);
  const none = element("p", { class: "empty" });
  const more = element("button", { class: "button calls-more", type: "button", hidden: "" }, text.more);
  const list = element("div", { class: "calls-scroll", role: "region", "aria-label": text.list, tabindex: "0" }, table, none, more);
  const recordRoot = element("aside", { class: "record", "aria-label": text.record.title });
  const field = (/** @type {string} */ id, /** @type {string} */ name, /** @type {HTMLElement[]} */ ...inputs) => element("div", { class: "calls-field" }, element("label", { for: id }, name), ...inputs);
  const view = element("div", { class: "calls-view", hidden: "" },
    element("header", { class: "calls-head" }, element("div", { class: "calls-names" }, title, sum, element("div", { class: "calls-feed-row" }, feedState, retry)), bandRoot),
    element("div", { class: "calls-filters", role: "group", "aria-label": text.filters.label },
      field("calls-status", text.filters.status, status), field("calls-caller", text.filters.caller, caller, callers), field("calls-model", text.filters.model, model, models), element("div", { class: "calls-foot" }, count, clear)),
    list, recordRoot);
  root.append(gate.root, view);

  const band = Band.mount(bandRoot);
  const record = Record.mount(recordRoot, { close: () => { location.hash = "#/calls"; }, hangUp });
  /** @type {Feed | null} */
  let feed = null;
  let key = "";
  /** The call whose record is open. */
  let chosen = "";
  /** @type {Map<string, Row>} */
  const rows = new Map();
  /** @type {Map<string, import("./shown.js").Note>} */
  const notes = new Map();
  /** Rows to be written, once for all that was told before the next frame. @type {Set<string>} */
  const changed = new Set();
  /** Of the calls that have ended, or are unknown: what the service has listed. */
  let listed = { calls: /** @type {Map<string, Call>} */ (new Map()), lastId: /** @type {string | null} */ (null), hasMore: false };
  /** @type {AbortController | null} */
  let listing = null;
  /** @type {import("./feed.js").FeedState} */
  let stage = { state: "connecting" };
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let ticking;
  let known = { callers: new Set(), models: new Set() };

  status.addEventListener("change", () => refill());
  for (const input of [caller, model]) {
    input.addEventListener("input", () => { if (status.value === "live") filter(); });
    input.addEventListener("change", () => { if (status.value !== "live") refill(); });
  }
  more.addEventListener("click", () => void page());
  retry.addEventListener("click", () => keepFocus(() => feed?.retry(), () => [title]));
  clear.addEventListener("click", () => keepFocus(() => {
    for (const { id, status: now_ } of [...(feed?.calls.values() ?? [])]) if (now_ !== "live" && id !== chosen) feed?.drop(id);
  }, () => [title]));

  /**
   * The view is in front.
   * @param {string} id of the call whose record is shown; "": none
   */
  function open(id) {
    const wanted = actions.key();
    if (wanted !== key) begin(wanted);
    else feed?.start();
    if (key) band.start(key);
    ticking ??= setInterval(tick, 1000);
    choose(id);
  }

  function close() {
    feed?.stop();
    band.stop();
    clearInterval(ticking);
    ticking = undefined;
  }

  /** @param {string} wanted */
  function begin(wanted) {
    feed?.stop();
    band.stop();
    listing?.abort();
    key = wanted;
    for (const id of [...rows.keys()]) remove(id);
    notes.clear();
    known = { callers: new Set(), models: new Set() };
    listed = { calls: new Map(), lastId: null, hasMore: false };
    feed = null;
    gate.show("");
    admit(key !== "");
    if (!key) return;
    const mine = feed = new Feed(key, {
      state: (state) => { if (feed === mine) follow(state); },
      call: (call) => { if (feed === mine) touch(call.id); },
      gone: (id) => { if (feed === mine) touch(id); },
    });
    feed.start();
    if (status.value !== "live") refill();
  }

  /** @param {boolean} may */
  function admit(may) {
    view.hidden = !may;
    gate.root.hidden = may;
  }

  /** @param {import("./feed.js").FeedState} state */
  function follow(state) {
    stage = state;
    if (state.state === "refused") {
      const { title: what, message, todo } = advise("key", state.error);
      const denied = state.error.status === 401 || state.error.status === 403;
      if (denied) {
        band.stop();
        key = ""; // so that the same one is tried again when it is given again
        gate.show([what, message, todo].join(" "));
        admit(false);
      }
    }
    tell();
    update();
  }

  /** The feed's state in words. */
  function tell() {
    feedState.dataset.state = stage.state;
    const said = stage.state === "waiting" ? text.feed.waiting(Math.max(0, Math.ceil((stage.until - performance.now()) / 1000))) : text.feed[stage.state];
    if (feedText.textContent !== said) feedText.textContent = said;
    const trouble = stage.state === "waiting" ? advise("calls", stage.error).message : "";
    if (feedState.title !== trouble) feedState.title = trouble;
    keepFocus(() => retry.classList.toggle("is-away", stage.state !== "waiting"), () => [title]);
  }

  /** @param {string} id */
  function touch(id) {
    if (changed.size === 0) requestAnimationFrame(update);
    changed.add(id);
  }

  /** The calls of the status that is shown, by id. */
  const source = () => (status.value === "live" ? feed?.calls : listed.calls) ?? new Map();

  function update() {
    const at = now();
    const calls = source();
    const fresh = [];
    for (const id of changed) {
      const call = calls.get(id);
      if (!call) {
        remove(id);
        continue;
      }
      know(call);
      const row = rows.get(id);
      if (call.status === "ended") notes.delete(id);
      if (row) row.update(call, notes.get(id), at);
      else fresh.push(call);
    }
    if (changed.has(chosen)) showRecord();
    changed.clear();
    // Live calls, the longest first: whatever begins is added below, and nothing moves.
    if (status.value === "live") fresh.sort((one, other) => one.started_at - other.started_at);
    for (const call of fresh) add(call, at);
    filter();
  }

  /**
   * @param {Call} call
   * @param {number} at
   */
  function add(call, at) {
    const row = Row(call, hangUp);
    row.update(call, notes.get(call.id), at);
    row.choose(call.id === chosen);
    rows.set(call.id, row);
    let last = /** @type {Element | null} */ (rowsRoot.lastElementChild);
    const began = (/** @type {Element} */ each) => Number(/** @type {HTMLElement} */ (each).dataset.began);
    row.root.dataset.began = String(call.started_at);
    if (status.value === "live") while (last && began(last) > call.started_at) last = last.previousElementSibling;
    if (last) last.after(row.root);
    else rowsRoot.prepend(row.root);
  }

  /** @param {string} id */
  function remove(id) {
    const row = rows.get(id);
    rows.delete(id);
    if (row) keepFocus(() => row.root.remove(), () => [title]);
  }

  /** Which rows are seen, and what they come to. */
  function filter() {
    const [ofCaller, ofModel] = [caller.value.trim().toLowerCase(), model.value.trim().toLowerCase()];
    const live = status.value === "live";
    let [seen, ended, usd, unsure] = [0, 0, 0, false];
    keepFocus(() => {
      for (const { root: row, call } of rows.values()) {
        const fits = !live || (call.caller.toLowerCase().includes(ofCaller) && call.model.toLowerCase().includes(ofModel));
        if (row.hidden === fits) row.hidden = !fits;
        if (!fits) continue;
        seen += 1;
        if (call.status === "ended") ended += 1;
        usd += Number(call.cost.usd ?? 0);
        unsure ||= call.cost.label !== "complete";
      }
    }, () => [title]);
    const said = live && ended ? text.countEnded(seen - ended, ended) : live ? text.count(seen, rows.size) : text.listed(seen);
    if (count.textContent !== said) count.textContent = said;
    const total = live && seen ? text.sum(seen - ended, usd ? `${unsure ? "≥ " : ""}${dollars(usd)}` : "") : "";
    if (sum.textContent !== total) sum.textContent = total;
    keepFocus(() => clear.classList.toggle("is-away", !live || ![...rows.values()].some(({ call }) => call.status !== "live")), () => [title]);
    const read = live ? stage.state === "following" : listing === null;
    table.hidden = seen === 0;
    none.hidden = seen > 0;
    none.textContent = read ? (ofCaller || ofModel ? (live ? text.noMatch : text.noExactMatch) : text.none[/** @type {Status} */ (status.value)]) : text.reading;
    more.hidden = live || !listed.hasMore;
  }

  /** @param {Call} call */
  function know(call) {
    for (const [names, name, options] of /** @type {const} */ ([[known.callers, call.caller, callers], [known.models, call.model, models]])) {
      if (names.has(name) || names.size > 500) continue;
      names.add(name);
      options.append(element("option", { value: name }));
    }
  }

  /** Other rows: the status was changed, or what to look for among calls that the service has to list. */
  function refill() {
    listing?.abort();
    listing = null;
    for (const id of [...rows.keys()]) remove(id);
    listed = { calls: new Map(), lastId: null, hasMore: false };
    lastColumn.textContent = status.value === "ended" ? text.columns.ended : text.columns.endsBy;
    changed.clear();
    for (const id of source().keys()) changed.add(id);
    update();
    if (status.value !== "live") void page();
  }

  /** The next page of what the service has to list. */
  async function page() {
    const mine = listing = new AbortController();
    const [ofCaller, ofModel] = [caller.value.trim(), model.value.trim()];
    filter();
    try {
      const found = await listCalls(key, {
        status: status.value, limit: PAGE, ...(ofCaller && { caller: ofCaller }), ...(ofModel && { model: ofModel }), ...(listed.lastId && { after: listed.lastId }),
      }, { signal: mine.signal });
      if (listing !== mine) return;
      listing = null;
      Object.assign(listed, { lastId: found.lastId, hasMore: found.hasMore });
      for (const call of found.calls) {
        listed.calls.set(call.id, call);
        changed.add(call.id);
      }
      keepFocus(update, () => [title]);
    } catch (error) {
      if (listing !== mine) return;
      listing = null;
      filter();
      none.hidden = false;
      none.textContent = explain(error);
    }
  }

  /** @param {string} id */
  function choose(id) {
    const before = chosen;
    chosen = id;
    rows.get(before)?.choose(false);
    rows.get(id)?.choose(true);
    view.dataset.record = id ? "open" : "closed";
    if (id) {
      record.clear(text.reading);
      showRecord();
      void readRecord(id);
      return;
    }
    record.clear();
    if (before) (rows.get(before)?.link ?? title).focus();
  }

  function showRecord() {
    const call = feed?.calls.get(chosen) ?? listed.calls.get(chosen);
    if (call) record.show(call, notes.get(chosen), now());
  }

  /**
   * As it is now: it may be in no list that was read.
   * @param {string} id
   */
  async function readRecord(id) {
    if (!key) return;
    try {
      const call = await readCall(key, id);
      if (chosen !== id) return;
      learn(call);
      record.show(feed?.calls.get(id) ?? call, notes.get(id), now());
      record.focus();
    } catch (error) {
      if (chosen === id) record.clear(explain(error));
    }
  }

  /** @param {Call} call */
  function learn(call) {
    feed?.take(call);
    if (listed.calls.has(call.id)) {
      listed.calls.set(call.id, call);
      touch(call.id);
    }
  }

  /**
   * Ask for a call's end, and say what became of it beside the call.
   * @param {string} id
   */
  async function hangUp(id) {
    notes.set(id, { text: text.hangUp.sending, bad: false });
    touch(id);
    try {
      await endCall(key, id);
    } catch (error) {
      notes.set(id, { text: refusal(error), bad: true });
      touch(id);
    }
    // The feed tells it too, if it is not cut off.
    await readCall(key, id).then((call) => {
      learn(call);
      if (chosen === id) record.show(call, notes.get(id), now());
    }, () => {});
  }

  function tick() {
    const at = now();
    for (const row of rows.values()) if (!row.root.hidden && row.call.status === "live") row.tick(at);
    record.tick(at);
    band.tick();
    if (stage.state === "waiting") tell();
  }

  return { open, close };
}

/** @param {unknown} error */
function refusal(error) {
  const code = error instanceof ApiError ? /** @type {Record<string, string>} */ (text.hangUp.refusals)[error.code ?? ""] : undefined;
  return code ?? explain(error);
}

/** @param {unknown} error */
function explain(error) {
  const { message, todo } = advise("calls", error);
  return error instanceof ApiError && error.code === "call_id_not_found" ? text.record.notKnown : `${message} ${todo}`;
}

/**
 * Where a key is asked for: nothing is shown without one.
 * @param {(key: string) => void} onKey
 */
function Gate(onKey) {
  const key = /** @type {HTMLInputElement} */ (element("input", { id: "calls-key", type: "password", autocomplete: "off", autocapitalize: "none", spellcheck: "false", "aria-describedby": "calls-key-hint" }));
  const hint = element("p", { class: "hint", id: "calls-key-hint", role: "status" }, text.gate.hint);
  const form = element("form", { class: "calls-gate", novalidate: "" },
    element("h2", {}, text.title), element("p", {}, text.gate.intro),
    element("div", { class: "field" }, element("label", { for: "calls-key" }, text.gate.key), key, hint),
    element("button", { class: "button button-primary", type: "submit" }, text.gate.show));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = key.value.trim();
    if (!given) {
      complain(text.gate.missing);
      return;
    }
    key.value = "";
    onKey(given);
  });
  key.addEventListener("input", () => show(""));

  /** @param {string} why */
  function complain(why) {
    show(why);
    key.focus();
  }

  /** @param {string} why the key before was not good; "": there was none */
  function show(why) {
    hint.textContent = why || text.gate.hint;
    if (why) key.setAttribute("aria-invalid", "true");
    else key.removeAttribute("aria-invalid");
  }

  return { root: form, show };
}
