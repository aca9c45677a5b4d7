/** What comes when it is first shown: the page's first load stays small. */

import { element } from "./element.js";

/**
 * A part that is loaded, with its stylesheet, and built by the first who asks for it. Where that fails, the next one tries again.
 * @template Module, Part
 * @param {string} name of the part's file in css/
 * @param {() => Promise<Module>} load
 * @param {(module: Module) => Part | Promise<Part>} build
 * @returns {() => Promise<Part>}
 */
export function late(name, load, build) {
  /** @type {Promise<Part> | null} */
  let coming = null;
  const come = async () => {
    const [module] = await Promise.all([load(), stylesheet(`../css/${name}.css`)]);
    return await build(module);
  };
  return () => {
    coming ??= come().catch((error) => {
      coming = null;
      throw error;
    });
    return coming;
  };
}

/**
 * Resolves when it is in force; rejects with TypeError, as an import does, when it could not be fetched.
 * @param {string} address from here
 * @returns {Promise<void>}
 */
export function stylesheet(address) {
  const { href } = new URL(address, import.meta.url);
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
