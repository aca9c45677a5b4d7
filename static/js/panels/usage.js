/** What the call uses and costs: by the service's account, and by this page's. */

import { clock, money } from "../amounts.js";
import { differing, figure, FIGURES } from "../call/usage.js";
import { element } from "../element.js";
import { howEnded } from "../ending.js";
import { isOver } from "../hub.js";
import { words } from "../words.js";

const text = words.usage;
/** Parts of the figure above them. */
const PARTS = ["inputText", "inputAudio", "cached", "outputText", "outputAudio", "transcribedSeconds"];

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 */
export function mount(root, hub) {
  const empty = element("p", { class: "empty" }, text.none);
  const sum = element("dd", { class: "usage-sum" });
  const sumName = element("dt");
  const facts = new Map(["label", "watch", "ends"].map((name) => [name, element("dd")]));
  const endsName = element("dt");
  const note = element("p", { class: "usage-note", role: "status" });
  const rows = new Map(Object.keys(FIGURES).map((name) => [name, row(name)]));
  const account = element("div", { class: "usage", hidden: "" },
    element("dl", { class: "usage-facts" },
      element("div", {}, sumName, sum),
      element("div", {}, element("dt", {}, text.label), fact("label")),
      element("div", {}, element("dt", {}, text.watch), fact("watch")),
      element("div", {}, endsName, fact("ends"))),
    note,
    element("table", { class: "usage-table" },
      element("caption", { class: "visually-hidden" }, text.caption),
      element("thead", {}, element("tr", {},
        element("th", { scope: "col" }, text.kind), element("th", { scope: "col" }, text.service), element("th", { scope: "col" }, text.page))),
      element("tbody", {}, ...[...rows.values()].map(({ line }) => line))));
  root.append(empty, account);
  root.tabIndex = 0; // it scrolls, and holds nothing else that takes the focus

  hub.on("usage", update);
  const known = hub.latest("usage");
  if (known) update(known);

  /** @param {import("../call/follow.js").Account} account */
  function update({ channel, call, why, answers }) {
    empty.hidden = true;
    account.hidden = false;
    sumName.textContent = call?.ended_at ? text.total : text.sofar;
    sum.textContent = call ? money(call.cost) : text.nobody;
    fact("label").textContent = call ? text.labels[/** @type {keyof typeof text.labels} */ (call.usage.label)] : text.nobody;
    fact("label").dataset.label = call?.usage.label ?? "";
    fact("watch").textContent = call ? text.watches[call.ended_at && call.supervision === "watched" ? "whole" : call.supervision] : text.nobody;
    endsName.textContent = call?.ended_at ? text.ended : text.endsBy;
    fact("ends").textContent = !call ? text.nobody : call.ended_at ? howEnded(ending(), call) : clock(call.ends_by * 1000);
    const said = answers ? text.why[why] : text.silent;
    if (note.textContent !== said) note.textContent = said;
    note.dataset.why = answers ? why : "silent";
    const apart = new Set(call ? differing(channel, call.usage) : []);
    for (const [name, { line, service, page }] of rows) {
      service.textContent = shown(call && figure(call.usage, name), name);
      page.replaceChildren(shown(figure(channel, name), name));
      line.classList.toggle("is-apart", apart.has(name));
      if (apart.has(name)) page.append(element("span", { class: "visually-hidden" }, ` ${text.differs}`));
    }
  }

  /** The service may tell the end before the channel closes: then it was not ours. */
  function ending() {
    const stage = hub.latest("state");
    return stage && isOver(stage.state) ? stage : { by: /** @type {const} */ ("them") };
  }

  /** @param {string} name */
  function fact(name) {
    return /** @type {HTMLElement} */ (facts.get(name));
  }
}

/** @param {string} name */
function row(name) {
  const [service, page] = [element("td"), element("td")];
  const title = text.figures[/** @type {keyof typeof text.figures} */ (name)];
  const line = element("tr", { "data-figure": name, ...(PARTS.includes(name) && { class: "usage-part" }) }, element("th", { scope: "row" }, title), service, page);
  return { line, service, page };
}

/**
 * @param {number | null} value
 * @param {string} name
 */
function shown(value, name) {
  if (value === null) return text.nobody;
  return name === "transcribedSeconds" ? text.seconds(Math.round(100 * value) / 100) : value.toLocaleString("en");
}
