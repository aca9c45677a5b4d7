/** The models that the page is told of, and a session with one of them. Knows no DOM. */

/** LiteLLM's patterns: the page cannot list what they match, so the name is typed. */
const PATTERN = /[*?[]/;

/** @typedef {import("../hub.js").Session} Session */
/** @typedef {{names: string[], complete: boolean}} Models complete: there are no others */

/**
 * @param {string[]} told
 * @returns {Models}
 */
export function modelsOf(told) {
  const names = told.filter((name) => !PATTERN.test(name));
  return { names, complete: names.length === told.length && names.length > 0 };
}

/**
 * A session from elsewhere may name a model that is not here, or none. A transcription needs none of its own.
 * @param {Session} session
 * @param {Models} models
 * @param {string} [usual] the model of a session that names none
 * @returns {{session: Session, strange: string | null}} strange: the model that it named in vain
 */
export function withModel({ type, model, ...rest }, models, usual = models.names[0]) {
  const strange = models.complete && model !== undefined && !models.names.includes(model) ? model : null;
  const named = (strange === null ? model : undefined) ?? (type === "realtime" ? usual : undefined);
  return { session: { type, ...(named !== undefined && { model: named }), ...rest }, strange };
}
