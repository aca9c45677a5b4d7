/** The token of the latest call: what it is good for and how long, taking it back, and using it once too often. */

import { inWords } from "../advice.js";
import { clock, minutes } from "../amounts.js";
import { ApiError } from "../api.js";
import { element } from "../element.js";
import { keepFocus } from "../focus.js";
import { isBusy } from "../hub.js";
import { words } from "../words.js";

/** @typedef {import("../call/held-token.js").Held} Held */

const text = words.token;
const FACTS = /** @type {const} */ (["name", "id", "caller", "model", "uses", "origins", "metadata", "callsUrl"]);
const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {import("../hub.js").Actions} actions
 */
export function mount(root, hub, actions) {
  const button = (/** @type {string} */ name, kind = "", described = "") => /** @type {HTMLButtonElement} */ (
    element("button", { class: `button ${kind}`, type: "button", ...(described && { "aria-describedby": described }) }, name));
  const [get, revoke, again] = [button(text.get), button(text.revoke, "button-danger", "token-revoke-hint"), button(text.again, "", "token-again-hint")];
  const ring = Ring();
  const left = element("span", { class: "token-left" });
  const state = element("p", { class: "token-state", role: "status" });
  const facts = new Map(FACTS.map((name) => [name, element("dd", { "data-fact": name })]));
  const terms = element("pre", { class: "token-terms", tabindex: "0", role: "region", "aria-label": text.terms });
  const note = element("p", { class: "token-note", role: "status" });
  const verdict = element("div", { class: "token-verdict", role: "status" });
  const revokeHint = element("p", { class: "hint", id: "token-revoke-hint" }, text.revokeHint);
  const [possible, impossible] = [element("span", {}, text.againHint), element("span", {}, text.againUnused)];
  const againHint = element("p", { class: "hint token-either", id: "token-again-hint" }, possible, impossible);
  const head = element("div", { class: "token-head" }, ring.node, element("div", {}, state, element("p", { class: "token-expiry" }, left), note));
  const card = element("div", { class: "token-card", hidden: "" }, head,
    element("div", { class: "token-acts" }, element("div", {}, revoke, revokeHint), element("div", {}, again, againHint)),
    verdict,
    element("dl", { class: "token-facts" }, ...[...facts].map(([name, value]) => element("div", {}, element("dt", {}, text[name]), value))),
    element("details", {}, element("summary", {}, text.terms), terms));
  root.append(element("div", { class: "token" }, element("div", { class: "token-get" }, element("p", { class: "hint" }, text.none), get), card));
  /** @type {Held | null} */
  let held = null;
  let busy = false;

  get.addEventListener("click", () => actions.getToken());
  revoke.addEventListener("click", () => actions.revoke());
  again.addEventListener("click", () => actions.useAgain());
  hub.on("held", show);
  hub.on("call", () => update());
  hub.on("state", (stage) => {
    busy = isBusy(stage.state);
    update();
  });
  busy = isBusy(hub.latest("state")?.state);
  show(hub.latest("held") ?? null);
  setInterval(tick, 1000);

  /** @param {Held | null} now */
  function show(now) {
    held = now;
    update();
  }

  /** What had the focus and is disabled gives it to the next button, or to the tab. */
  function update() {
    keepFocus(paint, () => [again, get, revoke, .../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[role="tab"][data-tab="token"]'))]);
  }

  function paint() {
    get.disabled = busy;
    card.hidden = !held;
    if (!held) return;
    const { told, usesLeft, session } = held;
    const call = hub.latest("call") ?? null;
    const how = stateOf(held);
    const spent = how in text.spent;
    put(state, how === "used" && held.used ? text.usedByCall : text.states[how]);
    state.dataset.state = how;
    head.dataset.spent = String(spent);
    const metadata = Object.entries(told?.metadata ?? (held.used ? call?.metadata : null) ?? {});
    const known = {
      name: held.masked, id: told?.jti ?? text.untold, caller: told?.caller ?? (held.used ? call?.caller : null) ?? text.untold,
      model: told?.model ?? /** @type {any} */ (session)?.model ?? text.untold,
      uses: usesLeft === null ? text.untold : String(usesLeft),
      origins: told ? told.origins?.join(", ") ?? text.any : text.untold,
      metadata: metadata.map(([name, value]) => `${name}: ${value}`).join(", ") || text.noMetadata,
      callsUrl: held.callsUrl ?? text.untold,
    };
    for (const [name, value] of facts) put(value, known[name]);
    put(terms, JSON.stringify(session, null, 2));
    put(note, held.failed === "revoke" ? `${text.notRevoked} ${said(held.error)}` : held.failed === "introspect" ? `${text.notLooked} ${said(held.error)}` : !told && usesLeft === 0 ? text.late : "");
    note.dataset.bad = String(held.failed !== null);
    revoke.disabled = held.revoked;
    again.disabled = !spent;
    possible.classList.toggle("is-away", !spent);
    impossible.classList.toggle("is-away", spent);
    judge(held);
    tick();
  }

  /** @param {Held} held */
  function judge({ again: tried, revoked }) {
    verdict.dataset.outcome = tried?.outcome ?? "";
    if (!tried) return verdict.replaceChildren(element("span", { class: "hint" }, text.untried));
    const lines = [element("strong", {}, text[tried.outcome])]; // first of all what it means
    const { answer, counted } = tried;
    if (answer) {
      lines.push(element("p", { class: "token-answer" }, element("code", {}, text.answer(answer.status, answer.code ?? "")), " ", said(answer)));
      lines.push(element("p", {}, counted && counted.after > counted.before ? text.counted(counted.before, counted.after) : revoked ? text.notCounted : text.uncounted));
    } else if (tried.outcome === "failed") lines.push(element("p", {}, said(tried.error)));
    verdict.replaceChildren(...lines);
  }

  function tick() {
    if (!held) return;
    const how = stateOf(held);
    if (how !== state.dataset.state) return update(); // its time has run out
    const spent = /** @type {Record<string, string>} */ (text.spent)[how];
    if (spent) ring.show(0, spent);
    if (held.endsAt === null) return put(left, text.noExpiry);
    const seconds = Math.max(0, (held.endsAt - performance.now()) / 1000);
    if (!spent) ring.show(seconds / ((held.endsAt - held.mintedAt) / 1000), minutes(seconds));
    const at = clock(Date.now() + held.endsAt - performance.now());
    put(left, seconds > 0 ? text.expiresAt(at) : text.expiredAt(at));
  }
}

/**
 * @param {Held} held
 * @returns {keyof typeof text.states}
 */
function stateOf({ revoked, used, usesLeft, endsAt }) {
  if (revoked) return "revoked";
  if (endsAt !== null && endsAt <= performance.now()) return "expired";
  if (!used && usesLeft !== 0) return "unused";
  return usesLeft ? "left" : "used";
}

/**
 * @param {HTMLElement} node
 * @param {string} said
 */
function put(node, said) {
  if (node.textContent !== said) node.textContent = said;
}

/** @param {unknown} error */
function said(error) {
  return error instanceof ApiError ? inWords(error) : error instanceof Error ? error.message : "";
}

/** A ring that empties, with the time within. */
function Ring() {
  const time = element("span", { class: "token-time" });
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ viewBox: "0 0 72 72", "aria-hidden": "true" })) svg.setAttribute(name, value);
  const [track, arc] = ["token-track", "token-arc"].map((kind) => {
    const circle = document.createElementNS(SVG, "circle");
    for (const [name, value] of Object.entries({ class: kind, cx: "36", cy: "36", r: "32", pathLength: "1" })) circle.setAttribute(name, value);
    svg.append(circle);
    return circle;
  });
  void track;
  return {
    node: element("div", { class: "token-ring" }, svg, time),
    /**
     * @param {number} share of its life that is left
     * @param {string} said
     */
    show(share, said) {
      arc?.style.setProperty("--left", String(Math.min(1, Math.max(0, share))));
      put(time, said);
    },
  };
}
