/** Times as one reads them. */

/** @param {number | null} value */
export function milliseconds(value) {
  if (value === null) return "–";
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return `${figure(value)} ms`;
}

/** @param {number | null} value */
export function figure(value) {
  return value === null ? "–" : value < 10 ? value.toFixed(1) : String(Math.round(value));
}
