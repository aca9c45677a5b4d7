/** The same call in eight languages, with what stands in the session form. A key is never part of it. */

import { fill } from "../code/filling.js";
import { CopyButton } from "../copy-button.js";
import { element } from "../element.js";
import { masked } from "../session/settings.js";
import { words } from "../words.js";

const text = words.code;
const COMMENT = /^\s*(#|\/\/)/;

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 */
export async function mount(root, hub) {
  const url = document.baseURI.replace(/[^/]*([?#].*)?$/, "").replace(/\/$/, "");
  /** @type {Map<string, string>} */
  const templates = new Map();
  let chosen = Object.keys(text.languages)[0] ?? "";
  let session = hub.latest("session") ?? { type: "realtime", model: "" };

  const languages = new Map(Object.entries(text.languages).map(([name, title]) => [name, element("button", { class: "button button-chip", type: "button" }, title)]));
  const copy = /** @type {HTMLButtonElement} */ (element("button", { class: "button", type: "button", "aria-label": text.copy }, words.copy.name));
  const code = element("pre", { class: "code-text", tabindex: "0", role: "region", "aria-label": text.label });
  root.append(element("div", { class: "code" },
    element("div", { class: "code-languages", role: "group", "aria-label": text.examples }, ...languages.values()),
    element("div", { class: "code-head" }, element("p", { class: "hint" }, text.intro), copy),
    code));

  for (const [name, button] of languages) button.addEventListener("click", () => choose(name));
  CopyButton(copy, () => code.textContent ?? "");
  hub.on("session", (now) => {
    session = now;
    update();
  });
  await choose(chosen);

  /** @param {string} name */
  async function choose(name) {
    chosen = name;
    for (const [each, button] of languages) button.setAttribute("aria-pressed", String(each === chosen));
    if (!templates.has(name)) await load(name);
    update();
    code.scrollTo(0, 0);
  }

  /** @param {string} name */
  async function load(name) {
    try {
      const response = await fetch(`js/code/${name}.txt`, { credentials: "omit" });
      if (response.ok) templates.set(name, await response.text());
    } catch {
      // said by `update`; to choose it again tries again
    }
  }

  function update() {
    const template = templates.get(chosen);
    copy.disabled = template === undefined;
    code.dataset.language = chosen;
    code.replaceChildren(...(template === undefined ? [text.failed] : lines(fill(template, { url, session: masked(session) }))));
  }
}

/**
 * Comments recede.
 * @param {string} filled
 */
function lines(filled) {
  return filled.trimEnd().split("\n").flatMap((line, number) => {
    const shown = COMMENT.test(line) ? element("span", { class: "code-comment" }, line) : line;
    return number ? ["\n", shown] : [shown];
  });
}
