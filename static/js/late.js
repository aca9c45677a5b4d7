/** What comes when it is first shown: the page's first load stays small. */

import { element } from "./element.js";

/**
 * A part that is loaded, with its stylesheet, and built by the first who asks for it.
 * @template Module, Part
 * @param {string} name of the part's file in css/
 * @param {() => Promise<Module>} load
 * @param {(module: Module) => Part | Promise<Part>} build
 * @returns {() => Promise<Part>}
 */
export function late(name, load, build) {
  return once(async () => {
    await stylesheet(`../css/${name}.css`); // first: where the service is gone Firefox would remember for good that there is no such module
    return await build(await fetched(load()));
  });
}

/**
 * Whoever asks gets the same. Where it fails, the next one tries again.
 * @template Part
 * @param {() => Promise<Part>} come
 * @returns {() => Promise<Part>}
 */
export function once(come) {
  /** @type {Promise<Part> | null} */
  let coming = null;
  return () => {
    coming ??= come().catch((error) => {
      coming = null;
      throw error;
    });
    return coming;
  };
}

/** A module or a stylesheet could not be fetched. */
export class NotLoaded extends Error {
  name = "NotLoaded";
}

/**
 * A module that is imported; where it cannot be fetched a browser rejects with TypeError.
 * @template Module
 * @param {Promise<Module>} importing
 * @returns {Promise<Module>}
 */
export async function fetched(importing) {
  try {
    return await importing;
  } catch (error) {
    throw error instanceof TypeError ? new NotLoaded(error.message, { cause: error }) : error;
  }
}

/**
 * For what is asked for again when it is needed. A mistake in what did come is not passed over.
 * @param {unknown} error
 */
export function passOver(error) {
  if (!(error instanceof NotLoaded)) throw error;
}

/**
 * What comes; or null, and a sheet that says that it does not.
 * @template Part
 * @param {import("./hub.js").Hub} hub
 * @param {Promise<Part>} coming
 * @returns {Promise<Part | null>}
 */
export async function loaded(hub, coming) {
  try {
    return await coming;
  } catch (error) {
    passOver(error);
    hub.emit("trouble", { step: "part", error });
    return null;
  }
}

/**
 * Resolves when it is in force; rejects with NotLoaded.
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
      reject(new NotLoaded(`${href} could not be loaded.`));
    });
    document.head.append(link);
  });
}
