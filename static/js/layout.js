/**
 * Which view is in front. The stage has two faces, `setup` and `talk`; the inspector has tabs. A desk shows stage and
 * inspector beside each other, a tablet the inspector as a drawer, a phone one view at a time: CSS decides by the
 * attributes that are set here, on the body.
 */

import { element, icon } from "./element.js";
import { keepFocus } from "./focus.js";
import { TabList } from "./tabs.js";
import { words } from "./words.js";

const FACES = ["setup", "talk"];
/** Of the inspector's tabs these have a place of their own on a phone; the others are found under More. */
const ON_PHONE = ["steps", "events"];
const PHONE = matchMedia("(max-width: 819px)");
const DRAWER = matchMedia("(min-width: 820px) and (max-width: 1239px)");
const [NARROWEST, USUAL, WIDEST] = [30, 60, 75];

/**
 * @param {import("./hub.js").Hub} hub
 * @param {string[]} inspected names of the inspector's tabs, each a key of `words.views` with a panel `#<name>`
 */
export function Layout(hub, inspected) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
  const { dataset } = document.body;
  const inspector = find("#inspector");
  const more = inspected.filter((name) => !ON_PHONE.includes(name));
  let face = "setup";
  let inspectorTab = inspected[0] ?? "";
  let moreTab = more[0] ?? "";
  let screen = "setup";

  const drawer = element("button", { class: "button button-quiet drawer-open", type: "button", "aria-expanded": "false", "aria-controls": "inspector" }, words.layout.inspector);
  const close = element("button", { class: "button button-quiet button-icon drawer-close", type: "button", "aria-label": words.layout.close }, icon("M6 6l12 12M18 6L6 18"));
  find("#stage-head").append(drawer);
  find("#inspector-head").append(close);
  find("#stage").setAttribute("aria-label", words.layout.stage);
  inspector.setAttribute("aria-label", words.layout.inspector);

  const tabs = (/** @type {string[]} */ names) => names.map((name) => ({ name, title: words.views[/** @type {keyof typeof words.views} */ (name)], panel: name }));
  const faces = TabList(find("#stage-tabs"), words.layout.stageViews, tabs(FACES), show);
  const list = TabList(find("#inspector-tabs"), words.layout.inspectorViews, tabs(inspected), show);
  const phone = TabList(find("#phone-tabs"), words.layout.phoneViews, [
    ...tabs(["talk", "setup", ...ON_PHONE]), { name: "more", title: words.views.more, panel: "inspector" },
  ], (name) => show(name === "more" ? moreTab : name));
  for (const name of [...FACES, ...inspected]) find(`#${name}`).setAttribute("aria-label", words.views[/** @type {keyof typeof words.views} */ (name)]);

  drawer.addEventListener("click", () => open(dataset.drawer !== "open"));
  close.addEventListener("click", () => open(false));
  inspector.addEventListener("keydown", ({ key }) => { if (key === "Escape") open(false); });
  // Chromium may take the focus from what a layout hides before it tells of the layout.
  let focused = document.activeElement;
  document.addEventListener("focusin", ({ target }) => { focused = /** @type {Element} */ (target); });
  DRAWER.addEventListener("change", () => changeLayout(() => open(false)));
  PHONE.addEventListener("change", () => changeLayout(() => {}));
  hub.on("badge", ({ tab, text }) => {
    list.badge(tab, text);
    phone.badge(tab, text);
  });
  Splitter(find("#splitter"), find("#work"));
  update();

  /** Each has controls that the others have not. @param {() => void} change */
  function changeLayout(change) {
    keepFocus(change, () => [drawer, .../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[role="tab"][aria-selected="true"]'))], focused);
  }

  /** @param {boolean} opened */
  function open(opened) {
    const within = inspector.contains(document.activeElement);
    dataset.drawer = opened ? "open" : "closed";
    drawer.setAttribute("aria-expanded", String(opened));
    if (opened) /** @type {HTMLElement} */ (inspector.querySelector('[aria-selected="true"]')).focus();
    else if (within) drawer.focus();
  }

  /** @param {string} name */
  function show(name) {
    if (FACES.includes(name)) [face, screen] = [name, name];
    else {
      inspectorTab = name;
      if (more.includes(name)) moreTab = name;
      screen = ON_PHONE.includes(name) ? name : "more";
      if (DRAWER.matches && dataset.drawer !== "open") open(true);
    }
    update();
    hub.emit("show", name);
  }

  function update() {
    Object.assign(dataset, { face, screen, drawer: dataset.drawer ?? "closed" });
    faces.update(face);
    list.update(inspectorTab);
    phone.update(screen);
    for (const name of inspected) find(`#${name}`).hidden = name !== inspectorTab;
  }

  return { show };
}

/**
 * Moved by hand or by arrows; Home and End go to the ends, Enter to where it was.
 * @param {HTMLElement} bar
 * @param {HTMLElement} work
 */
function Splitter(bar, work) {
  let share = USUAL;
  const attributes = { role: "separator", tabindex: "0", "aria-orientation": "vertical", "aria-label": words.layout.splitter, "aria-controls": "stage", "aria-valuemin": String(NARROWEST), "aria-valuemax": String(WIDEST) };
  for (const [name, value] of Object.entries(attributes)) bar.setAttribute(name, value);

  /** @param {number} wanted per cent of the width that is the stage's */
  function update(wanted) {
    share = Math.min(WIDEST, Math.max(NARROWEST, wanted));
    bar.setAttribute("aria-valuenow", String(Math.round(share)));
    work.style.setProperty("--stage", `${share}%`);
  }
  bar.addEventListener("keydown", (event) => {
    const wanted = new Map([["ArrowLeft", share - 2], ["ArrowRight", share + 2], ["Home", NARROWEST], ["End", WIDEST], ["Enter", USUAL]]).get(event.key);
    if (wanted === undefined) return;
    event.preventDefault();
    update(wanted);
  });
  bar.addEventListener("pointerdown", ({ pointerId }) => bar.setPointerCapture(pointerId));
  bar.addEventListener("pointermove", ({ pointerId, clientX }) => {
    if (!bar.hasPointerCapture(pointerId)) return;
    const { left, width } = work.getBoundingClientRect();
    update((100 * (clientX - left)) / width);
  });
  bar.addEventListener("dblclick", () => update(USUAL));
  update(share);
}
