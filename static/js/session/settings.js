/**
 * The fields of the session form, and the session that they ask for. A session is written by changing in it what was changed in
 * a field: only what was filled in is asked for, and what no field has stays as it was. Knows no DOM.
 */

import { words } from "../words.js";
import { isObject, readTools } from "./json.js";

/** @typedef {import("../hub.js").Session} Session */
/** @typedef {keyof typeof FIELDS} Name */
/** @typedef {Record<Name, string>} Values as they are typed; "": left to the provider */
/**
 * @typedef {object} Field
 * @property {string[]} path where it stands in a session
 * @property {(value: unknown) => string | null} read null: the field cannot show it
 * @property {(typed: string) => unknown} write throws Error, which says what is wrong
 */

const text = words.setup.complaints;
/** Chosen where a field cannot show what the session says: it stays. */
export const KEPT = "kept";
const MASK = "***";
/** What a tool opens doors with. */
const SECRETS = ["authorization", "headers"];
const TURNS = ["audio", "input", "turn_detection"];
const TRANSCRIPTION = ["audio", "input", "transcription"];

/** What each kind of turn detection has. */
const OF_KIND = new Map(/** @type {[string, Name[]][]} */ ([["server_vad", ["threshold", "silence", "prefix"]], ["semantic_vad", ["eagerness"]]]));
const OF_KINDS = [...OF_KIND.values()].flat();
/** Of a session's turn detection, what means nothing to another kind. */
const NOT_SHARED = ["type", "threshold", "silence_duration_ms", "prefix_padding_ms", "idle_timeout_ms", "eagerness"];

export const CHOICES = Object.freeze({
  turns: ["server_vad", "semantic_vad", "off"], eagerness: ["low", "medium", "high", "auto"],
  output: ["audio", "text"], reasoning: ["minimal", "low", "medium", "high"],
});

/** By their names in links, in the order in which they are written. */
export const FIELDS = Object.freeze({
  model: plain(["model"]),
  instructions: plain(["instructions"]),
  voice: plain(["audio", "output", "voice"]),
  turns: choice(TURNS, CHOICES.turns, (value) => (value === null ? "off" : isObject(value) ? value.type : undefined), (kind) => (kind === "off" ? null : { type: kind })),
  threshold: number([...TURNS, "threshold"], (value) => value >= 0 && value <= 1, text.threshold),
  silence: number([...TURNS, "silence_duration_ms"], isMilliseconds, text.milliseconds),
  prefix: number([...TURNS, "prefix_padding_ms"], isMilliseconds, text.milliseconds),
  eagerness: choice([...TURNS, "eagerness"], CHOICES.eagerness),
  transcription: plain([...TRANSCRIPTION, "model"]),
  language: plain([...TRANSCRIPTION, "language"]),
  output: choice(["output_modalities"], CHOICES.output, (value) => (Array.isArray(value) && value.length === 1 ? value[0] : undefined), (modality) => [modality]),
  reasoning: choice(["reasoning", "effort"], CHOICES.reasoning),
  tools: { path: ["tools"], read: (/** @type {unknown} */ value) => (Array.isArray(value) ? JSON.stringify(value, null, 2) : null), write: readTools },
});
export const NAMES = /** @type {Name[]} */ (Object.keys(FIELDS));

/**
 * @param {Session} session
 * @returns {Values}
 */
export function read(session) {
  return /** @type {Values} */ (Object.fromEntries(NAMES.map((name) => {
    const { path, read: shown } = FIELDS[name];
    const value = at(session, path);
    return [name, value === undefined ? "" : shown(value) ?? (name in CHOICES ? KEPT : "")];
  })));
}

/**
 * Whether the session says something there that the field cannot show.
 * @param {Session} session
 * @param {Name} name
 */
export function isKept(session, name) {
  const value = at(session, FIELDS[name].path);
  return value !== undefined && FIELDS[name].read(value) === null;
}

/**
 * What a session speaks with: a name, or the id of a voice of one's own.
 * @param {Session} session
 */
export function voiceOf(session) {
  const voice = at(session, FIELDS.voice.path);
  const name = isObject(voice) ? voice.id : voice;
  return typeof name === "string" ? name : null;
}

/**
 * Whether a field means something, beside what else is chosen.
 * @param {Name} name
 * @param {Values} values
 */
export function applies(name, values) {
  if (name === "language") return values.transcription.trim() !== "" || values.language.trim() !== "";
  return !OF_KINDS.includes(name) || Boolean(OF_KIND.get(values.turns)?.includes(name));
}

/**
 * What cannot be understood is told, and stays as it was.
 * @param {Session} base
 * @param {Values} values
 * @returns {{session: Session, complaints: Map<Name, string>}}
 */
export function write(base, values) {
  const was = read(base);
  const session = structuredClone(base);
  /** @type {Map<Name, string>} */
  const complaints = new Map();
  for (const name of NAMES) {
    const ofTurns = OF_KINDS.includes(name);
    const changed = values[name] !== was[name] || (ofTurns && values.turns !== was.turns);
    if (!changed || (ofTurns && !applies(name, values))) continue;
    const [{ path, write: understood }, typed] = [FIELDS[name], values[name].trim()];
    try {
      const value = typed === "" ? undefined : understood(typed);
      put(session, path, name === "turns" && isObject(value) ? { ...value, ...shared(at(base, path)) } : value);
    } catch (error) {
      complaints.set(name, /** @type {Error} */ (error).message);
    }
  }
  return { session, complaints };
}

/**
 * The field that an error's `param` is about, such as `session.tools[0].name`.
 * @param {string} param
 * @returns {Name | "session" | null} session: it is about the session, and no field has it
 */
export function fieldAt(param) {
  const [whole, ...steps] = param.split(/[.[]/u);
  if (whole !== "session") return param === "model" ? "model" : null;
  const depth = (/** @type {Name} */ name) => FIELDS[name].path.length;
  const found = NAMES.filter((name) => FIELDS[name].path.every((step, index) => step === steps[index])).sort((one, other) => depth(other) - depth(one));
  return found[0] ?? "session";
}

/**
 * For others to see: what tools open doors with is masked.
 * @param {Session} session
 * @returns {Session}
 */
export function masked(session) {
  const mask = (/** @type {unknown} */ value) => (isObject(value) ? Object.fromEntries(Object.keys(value).map((name) => [name, MASK])) : MASK);
  return withTools(session, (tool) => Object.fromEntries(Object.entries(tool).map(([name, value]) => [name, SECRETS.includes(name) ? mask(value) : value])));
}

/**
 * What is masked opens no door: it is taken away, and told.
 * @param {Session} session
 * @returns {{session: Session, missing: {number: number, member: string}[]}} number: of the tool, from 1
 */
export function unmasked(session) {
  /** @type {{number: number, member: string}[]} */
  const missing = [];
  const open = withTools(session, (tool, index) => {
    const kept = { ...tool };
    for (const member of SECRETS) {
      const value = tool[member];
      const rest = isObject(value) ? Object.entries(value).filter(([, each]) => each !== MASK) : [];
      if (value !== MASK && !(isObject(value) && rest.length < Object.keys(value).length)) continue;
      if (rest.length) kept[member] = Object.fromEntries(rest);
      else delete kept[member];
      missing.push({ number: index + 1, member });
    }
    return kept;
  });
  return { session: open, missing };
}

/**
 * @param {Session} session
 * @param {(tool: Record<string, unknown>, index: number) => object} change
 * @returns {Session}
 */
function withTools(session, change) {
  return Array.isArray(session.tools) ? { ...session, tools: session.tools.map((tool, index) => (isObject(tool) ? change(tool, index) : tool)) } : session;
}

/** @param {unknown} turns */
function shared(turns) {
  return isObject(turns) ? Object.fromEntries(Object.entries(turns).filter(([name]) => !NOT_SHARED.includes(name))) : {};
}

/**
 * @param {unknown} session
 * @param {string[]} path
 * @returns {unknown} undefined where there is nothing
 */
function at(session, path) {
  return path.reduce((value, name) => (isObject(value) ? value[name] : undefined), session);
}

/**
 * Objects on the way are made; those that this leaves empty go.
 * @param {Record<string, any>} parent
 * @param {string[]} path
 * @param {unknown} value undefined: take it away
 */
function put(parent, [name = "", ...rest], value) {
  if (rest.length === 0) {
    if (value === undefined) delete parent[name];
    else parent[name] = value;
    return;
  }
  if (value === undefined && !isObject(parent[name])) return;
  if (!isObject(parent[name])) parent[name] = {};
  put(parent[name], rest, value);
  if (Object.keys(parent[name]).length === 0) delete parent[name];
}

/**
 * @param {string[]} path
 * @returns {Field}
 */
function plain(path) {
  return { path, read: (value) => (typeof value === "string" ? value : null), write: (typed) => typed };
}

/**
 * @param {string[]} path
 * @param {(value: number) => boolean} fits
 * @param {string} why
 * @returns {Field}
 */
function number(path, fits, why) {
  return {
    path, read: (value) => (typeof value === "number" ? String(value) : null),
    write(typed) {
      const value = Number(typed);
      if (!fits(value)) throw new Error(why);
      return value;
    },
  };
}

/**
 * @param {string[]} path
 * @param {readonly string[]} options
 * @param {(value: unknown) => unknown} [optionOf]
 * @param {(option: string) => unknown} [valueOf]
 * @returns {Field}
 */
function choice(path, options, optionOf = (value) => value, valueOf = (option) => option) {
  return {
    path, read: (value) => options.find((option) => option === optionOf(value)) ?? null,
    write(typed) {
      if (!options.includes(typed)) throw new Error(text.choice(options.join(", ")));
      return valueOf(typed);
    },
  };
}

/** @param {number} value */
function isMilliseconds(value) {
  return Number.isInteger(value) && value >= 0;
}
