/** Which rows of a log are shown: by family and by words, unless time stands still. Knows no DOM. */

import { gist } from "./gist.js";
import { slices } from "./slices.js";
import { words } from "../words.js";

const TOLD_EVERY_MS = 50;
const ALL = { has: () => true }; // a set of 50,000 rows takes its time to fill

/** @typedef {import("./log.js").Row} Row */
/** @typedef {import("./log.js").EventLog} EventLog */

export class Shown {
  /** @type {Row[]} oldest first */
  rows = [];
  paused = false;
  /** Events that came while paused. */
  missed = 0;
  #last = 0; // the number of the newest row when it was paused

  /** @type {EventLog} */
  #log;
  #changed;
  /** @type {string[]} */
  #words = [];
  /** @type {Set<string>} */
  #families = new Set();
  /** @type {Set<Row>} new or grown since the last time */
  #dirty = new Set();
  /** @type {Row | null} the line of a call of which nothing is shown yet */
  #divider = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #filtering = new AbortController();
  #busy = false;
  #forget;

  /**
   * @param {EventLog} log
   * @param {(grown: {has(row: Row): boolean}, gone: number) => void} changed rows that look different, and how many left at the front
   */
  constructor(log, changed) {
    this.#log = log;
    this.#changed = changed;
    this.#forget = log.listen(this.#heard);
    this.#refilter();
  }

  get log() {
    return this.#log;
  }

  /** Whether anything is left out. */
  get filters() {
    return this.#words.length + this.#families.size > 0;
  }

  /** Events that are shown. */
  get count() {
    return this.rows.reduce((sum, { entries }) => sum + entries.length, 0);
  }

  /** @param {EventLog} log */
  show(log) {
    this.#forget();
    this.#log = log;
    this.#forget = log.listen(this.#heard);
    this.pause(false);
  }

  /**
   * @param {string} search words that must occur; one with a minus before it must not
   * @param {Iterable<string>} families none: all
   */
  filter(search, families) {
    this.#words = search.toLowerCase().split(/\s+/).filter(Boolean);
    this.#families = new Set(families);
    this.#refilter();
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.paused = paused;
    this.missed = 0;
    this.#last = this.#log.rows.at(-1)?.number ?? 0;
    if (!paused) this.#refilter();
    else this.#changed(new Set(), 0);
  }

  #heard = (/** @type {Row | null} */ row) => {
    if (row === null) return this.#refilter();
    if (this.paused) this.missed += row.divider ? 0 : 1;
    else this.#dirty.add(row);
    this.#timer ??= setTimeout(this.#flush, TOLD_EVERY_MS);
    return undefined;
  };

  /** All over again; a long log is gone through in slices, and what was shown stays until that is done. */
  async #refilter() {
    this.#filtering.abort();
    const { signal } = (this.#filtering = new AbortController());
    this.#dirty.clear();
    this.#divider = null;
    this.#busy = true;
    /** @type {Row[]} */
    const found = [];
    const all = this.paused ? this.#log.rows.filter(({ number }) => number <= this.#last) : this.#log.rows;
    if (!(await slices(this.#searching(all, found), signal))) return;
    this.#busy = false;
    this.rows = found;
    this.#changed(ALL, 0);
    this.#timer ??= setTimeout(this.#flush, TOLD_EVERY_MS);
  }

  /**
   * @param {Row[]} all
   * @param {Row[]} found
   */
  *#searching(all, found) {
    for (const row of all) {
      if (this.#take(row)) this.#append(found, row);
      if (this.filters) yield;
    }
  }

  #flush = () => {
    this.#timer = undefined;
    if (this.#busy) return; // what is dirty is seen to afterwards
    const grown = this.#dirty;
    this.#dirty = new Set();
    const { oldest } = this.#log;
    const gone = this.paused ? 0 : place(this.rows, oldest);
    if (gone) this.rows = this.rows.slice(gone);
    for (const row of grown) {
      if (row.number < oldest || !this.#take(row)) continue;
      const at = place(this.rows, row.number);
      if (at === this.rows.length) this.#append(this.rows, row);
      else if (this.rows[at] !== row) this.rows.splice(at, 0, row); // what it says matches only now
    }
    this.#changed(grown, gone);
  };

  /**
   * @param {Row[]} rows
   * @param {Row} row
   */
  #append(rows, row) {
    if (this.#divider) rows.push(this.#divider);
    this.#divider = null;
    rows.push(row);
  }

  /** @param {Row} row */
  #take(row) {
    if (!this.filters) return true;
    if (row.divider) {
      this.#divider = row;
      return false;
    }
    if (this.#families.size && !this.#families.has(String(row.family))) return false;
    if (!this.#words.length) return true;
    const all = haystack(row);
    return this.#words.every((word) => (word.length > 1 && word.startsWith("-") ? !all.includes(word.slice(1)) : all.includes(word)));
  }
}

/**
 * The index of the first row that is not older.
 * @param {Row[]} rows
 * @param {number} number
 */
function place(rows, number) {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (/** @type {Row} */ (rows[middle]).number < number) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @param {Row} row */
function haystack({ title, direction, entries }) {
  if (!direction) return "";
  const events = entries.map(({ event }) => event);
  return `${words.events.directions[direction]} ${title} ${gist(direction, events)} ${JSON.stringify(events)}`.toLowerCase();
}
