/** JSON that a person writes, and what is wrong with it: in words, and with the place. Knows no DOM. */

import { words } from "../words.js";

const text = words.json;
/**
 * The service takes 64 with what is around a session (signaller/strict_json.py). Some bound is needed: whatever walks through JSON
 * calls itself once a level.
 */
const MOST_LEVELS = 60;
const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y;
const SIMPLE = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** A function that is worth a try: the weather is asked for soon. */
export const TOOL = Object.freeze({
  type: "function", name: "get_weather", description: "The weather at a place.",
  parameters: { type: "object", properties: { city: { type: "string", examples: ["Lisbon"] } }, required: ["city"] },
});

/**
 * Throws Error, which says what is wrong and where.
 * @param {string} written
 * @returns {unknown}
 */
export function readJson(written) {
  let value;
  try {
    value = JSON.parse(written);
  } catch (error) {
    throw new Error(complaint(written), { cause: error });
  }
  if (isDeep(value)) throw new Error(text.tooDeep(MOST_LEVELS));
  return JSON.parse(written, kept);
}

/**
 * A number that would be sent as another one, or as null, is refused.
 * @param {string} _
 * @param {unknown} value
 * @param {{source?: string}} [context] not in every browser
 */
function kept(_, value, context) {
  const changes = typeof value === "number" && (Number.isInteger(value) ? !Number.isSafeInteger(value) : !Number.isFinite(value));
  if (changes) throw new Error(text.tooLarge(context?.source ?? String(value)));
  return value;
}

/** @param {unknown} value */
function isDeep(value) {
  let level = [value];
  for (let depth = 0; depth <= MOST_LEVELS; depth += 1) {
    const nested = level.filter((each) => each !== null && typeof each === "object");
    if (nested.length === 0) return false;
    level = nested.flatMap((each) => Object.values(/** @type {object} */ (each)));
  }
  return true;
}

/**
 * A whole session; without `type` it is a realtime one. Throws Error.
 * @param {string} written
 * @returns {import("../hub.js").Session}
 */
export function readSession(written) {
  const session = readJson(written);
  if (!isObject(session)) throw new Error(text.notSession);
  const { type = "realtime", model } = session;
  if (typeof type !== "string") throw new Error(text.notText("type"));
  if (model !== undefined && typeof model !== "string") throw new Error(text.notText("model"));
  return { type, ...session };
}

/**
 * A session's tools. Throws Error.
 * @param {string} written
 * @returns {object[]}
 */
export function readTools(written) {
  const tools = readJson(written);
  if (!Array.isArray(tools)) throw new Error(text.notList);
  for (const [at, tool] of tools.entries()) {
    const why = !isObject(tool) ? text.notTool : !isText(tool.type) ? text.noType : tool.type === "function" && !isText(tool.name) ? text.noName : null;
    if (why) throw new Error(text.tool(at + 1, why));
  }
  return tools;
}

const isText = (/** @type {unknown} */ value) => typeof value === "string" && value !== "";

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/**
 * Browsers do not agree on whether they tell the place, and in which words: so the text is read once more, up to where it is no JSON.
 * @param {string} written
 */
function complaint(written) {
  let at = 0;
  /** @type {("{" | "[")[]} what is open */
  const open = [];
  /** @type {keyof typeof text.wanted} */
  let wanted = "value";

  for (;;) {
    take(SPACE);
    const next = written[at];
    if (wanted === "value" && (next === "{" || next === "[")) {
      at += 1;
      open.push(next);
      take(SPACE);
      if (written[at] === closing()) close();
      else wanted = next === "{" ? "name" : "value";
    } else if (wanted === "value" && (take(STRING) || take(SIMPLE))) after();
    else if (wanted === "name" && take(STRING)) wanted = "colon";
    else if (wanted === "colon" && next === ":") [at, wanted] = [at + 1, "value"];
    else if (wanted === "object" || wanted === "list") {
      if (next === closing()) close();
      else if (next === ",") [at, wanted] = [at + 1, wanted === "object" ? "name" : "value"];
      else break;
    } else break;
  }
  const before = written.slice(0, at).split("\n");
  const found = written[at] === undefined ? text.end : written[at] === '"' && (wanted === "value" || wanted === "name") ? text.openText : text.found(/^[\w.+-]+|./su.exec(written.slice(at, at + 20))?.[0] ?? "");
  return text.place(before.length, (before.at(-1)?.length ?? 0) + 1, text.wanted[wanted], found);

  function closing() {
    return open.at(-1) === "{" ? "}" : "]";
  }
  function close() {
    at += 1;
    open.pop();
    after();
  }
  function after() {
    wanted = open.length === 0 ? "nothing" : open.at(-1) === "{" ? "object" : "list";
  }
  /** @param {RegExp} what */
  function take(what) {
    what.lastIndex = at;
    const [taken] = what.exec(written) ?? [""];
    at += taken.length;
    return taken !== "";
  }
}
