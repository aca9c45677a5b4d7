/** Fills this service's address and a session into the examples. Knows no DOM. */

/** @typedef {{url: string, session: import("../hub.js").Session}} Settings url: the service's, without a slash at its end */

/** Each of the placeholders `{{name}}`, as its language writes it. */
const WRITERS = /** @type {Record<string, (settings: Settings) => string>} */ ({
  url: ({ url }) => url,
  json: ({ session }) => json(session, 2),
  line: ({ session }) => json(session),
  shell: ({ session }) => `'${json({ session }).replaceAll("'", "'\\''")}'`,
  python: ({ session }) => python(session),
  /** What may still change in a call; the first line stands two spaces in. */
  update: ({ session: { model: _, ...rest } }) => json(rest, 2).replaceAll("\n", "\n  "),
});

/**
 * @param {string} template
 * @param {Settings} settings
 */
export function fill(template, settings) {
  return template.replace(/\{\{(\w+)\}\}/g, (whole, name) => WRITERS[name]?.(settings) ?? whole);
}

/**
 * JavaScript too, and good for a comment of one line.
 * @param {unknown} value
 * @param {number} [indent]
 */
function json(value, indent) {
  return JSON.stringify(value, null, indent).replace(/[\u2028\u2029]/g, (end) => `\\u${end.charCodeAt(0).toString(16)}`);
}

/**
 * @param {unknown} value
 * @param {string} margin
 * @returns {string}
 */
function python(value, margin = "") {
  const inner = `${margin}    `;
  const among = (/** @type {string[]} */ parts, /** @type {string} */ [open, close]) => (parts.length ? `${open}\n${parts.map((part) => `${inner}${part},\n`).join("")}${margin}${close}` : `${open}${close}`);
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return among(value.map((each) => python(each, inner)), ["[", "]"]);
  if (typeof value === "object") return among(Object.entries(value).map(([name, each]) => `${json(name)}: ${python(each, inner)}`), ["{", "}"]);
  return json(value);
}
