/** What comes when it is first shown: the page's first load stays small. */

import { element } from "./element.js";

/**
 * Resolves when it is in force; rejects with TypeError, as an import does, when it could not be fetched.
 * @param {string} name of a file in css/
 * @returns {Promise<void>}
 */
export function stylesheet(name) {
  const { href } = new URL(`../css/${name}.css`, import.meta.url);
  if ([...document.styleSheets].some((sheet) => sheet.href === href)) return Promise.resolve();
  const link = element("link", { rel: "stylesheet", href });
  return new Promise((resolve, reject) => {
    link.addEventListener("load", () => resolve());
    link.addEventListener("error", () => {
      link.remove();
      reject(new TypeError(`${href} could not be loaded.`));
    });
    document.head.append(link);
  });
}
