/** A list of tabs, as assistive technology knows it: one is selected, arrows go from one to the next. */

import { element } from "./element.js";

/** @typedef {{name: string, title: string, panel: string}} Tab panel: the id of what it shows */

/**
 * @param {HTMLElement} root
 * @param {string} label
 * @param {Tab[]} tabs
 * @param {(name: string) => void} onSelect
 */
export function TabList(root, label, tabs, onSelect) {
  const buttons = new Map(tabs.map(({ name, title, panel }) => [name, button(name, title, panel, onSelect)]));
  root.setAttribute("role", "tablist");
  root.setAttribute("aria-label", label);
  root.append(...buttons.values());

  root.addEventListener("keydown", ({ key, target }) => {
    const seen = [...buttons.values()].filter((tab) => tab.checkVisibility());
    const at = seen.indexOf(/** @type {HTMLElement} */ (target));
    const next = { ArrowRight: seen[at + 1] ?? seen[0], ArrowLeft: seen[at - 1] ?? seen.at(-1), Home: seen[0], End: seen.at(-1) }[key];
    if (at < 0 || !next) return;
    next.focus();
    next.click();
  });

  return {
    /** @param {string} chosen */
    update(chosen) {
      const names = [...buttons.keys()];
      const reached = names.includes(chosen) ? chosen : names[0];
      for (const [name, tab] of buttons) {
        tab.setAttribute("aria-selected", String(name === chosen));
        tab.tabIndex = name === reached ? 0 : -1;
      }
    },
    /**
     * @param {string} name
     * @param {string} text
     */
    badge(name, text) {
      const badge = buttons.get(name)?.querySelector(".tab-badge");
      if (badge) badge.textContent = text;
    },
  };
}

/**
 * @param {string} name
 * @param {string} title
 * @param {string} panel
 * @param {(name: string) => void} onSelect
 */
function button(name, title, panel, onSelect) {
  const tab = element("button", { class: "tab", type: "button", role: "tab", "aria-controls": panel, "aria-selected": "false", "data-tab": name },
    element("span", {}, title), element("span", { class: "tab-badge", "aria-hidden": "true" }));
  tab.addEventListener("click", () => onSelect(name));
  return tab;
}
