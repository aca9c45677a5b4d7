/**
 * All that was sent and received, bounded. A row is one event, the deltas of one item, or the line where a call begins.
 * Knows no DOM.
 */

import { family, said, title } from "./families.js";

/** Events; the oldest go. A call of an hour has some 20,000. */
export const MOST_EVENTS = 50_000;
const MOST_FOLDED = 1000;
const DIRECTIONS = ["in", "out", "http"];

/** @typedef {import("./families.js").Direction} Direction */
/** @typedef {{at: number, direction: Direction, event: any, order: number}} Entry at: ms since the call began; order: of arrival */
/** @typedef {{call: number, name: string, at: Date | null}} Divider */
/** @typedef {{number: number, title: string, direction: Direction | null, family: import("./families.js").Family | null, entries: Entry[], divider: Divider | null}} Row number: rises from row to row */

export class EventLog {
  /** @type {Row[]} */
  #rows = [];
  #first = 0;
  #rowsMade = 0;
  #entriesMade = 0;
  #calls = 0;
  /** @type {Map<string, Row>} rows that take further deltas */
  #open = new Map();
  /** @type {Set<(row: Row | null) => void>} */
  #listeners = new Set();

  /** How many events there are, and how many are gone for want of room. */
  size = 0;
  gone = 0;

  /** Oldest first. */
  get rows() {
    return this.#rows.slice(this.#first);
  }

  /** The number of the oldest row that is kept. */
  get oldest() {
    return this.#rows[this.#first]?.number ?? this.#rowsMade;
  }

  /**
   * Whoever listens hears of the row that is new or has grown, or null: all are gone.
   * @param {(row: Row | null) => void} listener
   */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * @param {Direction} direction
   * @param {any} event
   * @param {number} at
   */
  add(direction, event, at) {
    const entry = { at, direction, event, order: this.#entriesMade++ };
    const key = foldingKey(direction, event);
    const open = key ? this.#open.get(key) : undefined;
    this.size += 1;
    if (open) open.entries.push(entry);
    const row = open ?? this.#push({ title: title(direction, event), direction, family: family(direction, event), entries: [entry], divider: null });
    if (key && row.entries.length < MOST_FOLDED) this.#open.set(key, row);
    else if (key) this.#open.delete(key);
    this.#bound();
    this.#tell(row);
  }

  /**
   * A call begins here.
   * @param {string} name what tells it from others
   * @param {Date | null} at
   */
  divide(name, at) {
    this.#open.clear();
    this.#calls += 1;
    this.#tell(this.#push({ title: name, direction: null, family: null, entries: [], divider: { call: this.#calls, name, at } }));
  }

  clear() {
    this.#rows = [];
    this.#first = this.size = this.gone = 0;
    this.#open.clear();
    this.#tell(null);
  }

  /** @param {Omit<Row, "number">} made */
  #push(made) {
    const row = { number: this.#rowsMade++, ...made };
    this.#rows.push(row);
    return row;
  }

  #bound() {
    while (this.size > MOST_EVENTS) {
      const { entries } = /** @type {Row} */ (this.#rows[this.#first]);
      this.#first += 1;
      this.size -= entries.length;
      this.gone += entries.length;
      const [entry] = entries;
      const key = entry && foldingKey(entry.direction, entry.event);
      if (key && this.#open.get(key)?.entries === entries) this.#open.delete(key);
    }
    if (this.#first > MOST_EVENTS) {
      this.#rows = this.rows;
      this.#first = 0;
    }
  }

  /** @param {Row | null} row */
  #tell(row) {
    for (const listener of this.#listeners) listener(row);
  }
}

/**
 * Deltas of one part of one item share it; all else has none.
 * @param {Direction} direction
 * @param {any} event
 */
function foldingKey(direction, event) {
  if (direction === "http" || typeof event?.type !== "string" || !event.type.endsWith(".delta")) return null;
  return [direction, event.type, ...[event.item_id, event.content_index, event.output_index].map(said)].join(" ");
}

/**
 * JSON Lines in the order of arrival. Each step is short, and gives a line or nothing yet, so that whoever drives it can pause.
 * @param {Row[]} rows
 * @returns {Generator<string | undefined, void>}
 */
export function* writing(rows) {
  /** @type {Entry[]} each at the place of its order, so that nothing has to be sorted */
  const entries = [];
  const first = rows.find((row) => row.entries.length)?.entries[0]?.order ?? 0;
  for (const row of rows) {
    for (const entry of row.entries) entries[entry.order - first] = entry;
    yield undefined;
  }
  for (const entry of entries) yield entry && `${JSON.stringify({ at: Math.round(entry.at), direction: entry.direction, event: entry.event })}\n`;
}

/** A file is not what was saved here. */
export class LineFault extends Error {
  name = "LineFault";

  /**
   * @param {number} line from 1
   * @param {"notJson" | "notObject" | "noTime" | "noDirection" | "noEvent" | "nothing"} why
   */
  constructor(line, why) {
    super(`line ${line}: ${why}`);
    this.line = line;
    this.why = why;
  }
}

/**
 * Read JSON Lines into a log, an event a step, so that whoever drives it can pause; throws LineFault.
 * @param {string} lines
 * @param {EventLog} log
 * @param {string} name of the first call; where time runs back another one begins
 */
export function* reading(lines, log, name) {
  let [line, start, last] = [0, 0, Infinity];
  while (start < lines.length) {
    const found = lines.indexOf("\n", start);
    const end = found < 0 ? lines.length : found;
    const written = lines.slice(start, end).trim();
    start = end + 1;
    line += 1;
    if (!written) continue;
    const { at, direction, event } = parse(written, line);
    if (at < last) log.divide(name, null);
    last = at;
    log.add(direction, event, at);
    yield;
  }
  if (last === Infinity) throw new LineFault(1, "nothing");
}

/**
 * @param {string} written
 * @param {number} line
 */
function parse(written, line) {
  let value;
  try {
    value = JSON.parse(written.replace(/^\uFEFF/, ""));
  } catch {
    throw new LineFault(line, "notJson");
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new LineFault(line, "notObject");
  if (!Number.isFinite(value.at)) throw new LineFault(line, "noTime");
  if (!DIRECTIONS.includes(value.direction)) throw new LineFault(line, "noDirection");
  if (!("event" in value)) throw new LineFault(line, "noEvent");
  return value;
}
