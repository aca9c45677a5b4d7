/**
 * Two pages in one: a call of one's own, and the operators' view of all calls at `#/calls` (`#/calls/<id>`: one call's record).
 * The second is fetched when it is first opened.
 */

import { element } from "./element.js";
import { late, loaded } from "./late.js";
import { words } from "./words.js";

const text = words.pages;
const CALLS = /^#\/calls(?:\/([\w-]+))?$/;

/**
 * @param {import("./hub.js").Hub} hub
 * @param {Pick<import("./hub.js").Actions, "key" | "setKey">} actions
 */
export function Pages(hub, actions) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
  const [talk, calls] = [link("talk", text.talk), link("calls", text.calls)];
  find(".call-bar-who > img").after(element("nav", { class: "pages", "aria-label": text.label }, talk, calls));
  const root = element("section", { class: "calls", id: "calls", tabindex: "-1", "aria-label": text.calls });
  find("#work").append(root);
  const view = late("calls", () => import("./operators/calls.js"), ({ mount }) => mount(root, actions));
  const isCalls = () => document.body.dataset.page === "calls";
  /** @type {Awaited<ReturnType<typeof view>> | null} */
  let opened = null;

  // The hash says which page it is: it must not become that of a place in the page.
  find(".skip-link").addEventListener("click", (event) => {
    event.preventDefault();
    (isCalls() ? root : find("#stage")).focus();
  });
  hub.on("link", (hash) => talk.setAttribute("href", hash));
  hub.on("settings", () => void update());
  addEventListener("hashchange", () => void update());
  void update();

  async function update() {
    const [found, id = ""] = CALLS.exec(location.hash) ?? [];
    const page = found === undefined ? "talk" : "calls";
    document.body.dataset.page = page;
    document.title = words.pages.titles[page];
    for (const each of [talk, calls]) {
      if (each.dataset.page === page) each.setAttribute("aria-current", "page");
      else each.removeAttribute("aria-current");
    }
    if (page === "talk") {
      talk.setAttribute("href", location.hash || "#/talk"); // with whatever settings it has
      opened?.close();
      return;
    }
    opened = await loaded(hub, view());
    if (!isCalls()) return;
    if (!opened) location.replace(talk.href); // there the sheet is seen, and the way here tries again
    else if (hub.latest("settings")) opened.open(id); // with the key that they give
  }
}

/**
 * @param {string} page
 * @param {string} name
 */
function link(page, name) {
  return element("a", { class: "page-link", href: `#/${page}`, "data-page": page }, name);
}
