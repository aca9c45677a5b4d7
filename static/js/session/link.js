/** The set-up of a session as the page's address, for oneself and for colleagues: never a key. Knows no DOM. */

import { words } from "../words.js";
import { applies, masked, NAMES, read, unmasked, write } from "./settings.js";
import { isObject, readSession } from "./json.js";

/** @typedef {import("../hub.js").Session} Session */

const text = words.setup.link;
/** Where a session stands as a whole, for what the fields cannot show. */
const WHOLE = "session";
/** Sentences on what is not understood: a link may be wrong without end. */
const MOST = 5;
const NOTHING = /** @type {Session} */ (Object.freeze({ type: "realtime" }));
const TALK = /^#\/talk\?(.+)$/su;

/**
 * @param {Session} wanted
 * @returns {string} a hash
 */
export function linkTo(wanted) {
  const session = masked(wanted);
  const values = read(session);
  const link = new URLSearchParams();
  if (isSame(session, write(NOTHING, values).session)) {
    for (const name of NAMES) if (values[name]) link.set(name, name === "tools" ? JSON.stringify(session.tools) : values[name]);
  } else link.set(WHOLE, JSON.stringify(session));
  return link.size ? `#/talk?${link}` : "#/talk";
}

/**
 * @param {string} hash
 * @returns {{session: Session, ignored: string[]} | null} null: it says nothing of a session; ignored: what was not understood, in words
 */
export function readLink(hash) {
  const link = new URLSearchParams(TALK.exec(hash)?.[1]);
  if (link.size === 0) return null;
  const ignored = [...link.keys()].filter((name) => name !== WHOLE && !isName(name)).map((name) => text.unknown(name.slice(0, 40)));
  let base = NOTHING;
  try {
    base = readSession(link.get(WHOLE) ?? "{}");
  } catch (error) {
    ignored.push(text.broken(WHOLE, /** @type {Error} */ (error).message));
  }
  const named = NAMES.filter((name) => link.has(name));
  const values = { ...read(base), ...Object.fromEntries(named.map((name) => [name, link.get(name) ?? ""])) };
  const { session, complaints } = write(base, values);
  for (const name of named) if (!applies(name, values)) ignored.push(text.idle(name));
  for (const [name, why] of complaints) ignored.push(text.broken(name, why));
  const open = unmasked(session);
  for (const { number, member } of open.missing) ignored.push(text.broken("tools", text.secret(number, member)));
  const told = [...new Set(ignored)];
  return { session: open.session, ignored: told.length > MOST ? [...told.slice(0, MOST), text.more] : told };
}

/**
 * @param {string} name
 * @returns {name is import("./settings.js").Name}
 */
function isName(name) {
  return NAMES.some((each) => each === name);
}

/**
 * Whether two values are the same JSON, in whatever order.
 * @param {unknown} one
 * @param {unknown} other
 */
function isSame(one, other) {
  return JSON.stringify(one, sorted) === JSON.stringify(other, sorted);
}

/**
 * @param {string} _
 * @param {unknown} value
 */
function sorted(_, value) {
  return isObject(value) ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))) : value;
}
