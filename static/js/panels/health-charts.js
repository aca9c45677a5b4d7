/** The charts of Health, drawn by uPlot. */

import uPlot from "../../vendor/uPlot/uPlot.esm.js";
import { minutes } from "../amounts.js";
import { BANDS } from "../call/stats.js";
import { stylesheet } from "../late.js";

const HEIGHT = 104;
const LEAST_SECONDS = 60;
const FONT = "11px system-ui, sans-serif";

/** @typedef {import("./health.js").Second} Second */
/** @typedef {{update: (history: Second[]) => void}} Drawn */

const styled = stylesheet("../vendor/uPlot/uPlot.min.css");
const dark = matchMedia("(prefers-color-scheme: dark)");

/**
 * @param {HTMLElement} box
 * @param {import("./health.js").Chart} chart
 * @param {(second: Second | null) => void} read shows the figures of one second: that under the pointer
 * @returns {Promise<Drawn>}
 */
export async function draw(box, chart, read) {
  await styled;
  const colour = (/** @type {string} */ name) => getComputedStyle(box).getPropertyValue(name).trim();
  /** @type {Second[]} */
  let seconds = [];
  const bands = BANDS[/** @type {keyof typeof BANDS} */ (chart.series[0]?.name)];
  const plot = new uPlot({
    width: box.clientWidth || 300, height: HEIGHT, padding: [6, 8, 0, 0], legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 }, sync: { key: "health" } },
    scales: {
      x: { time: false, range: (_, least, most) => [least ?? 0, Math.max((least ?? 0) + LEAST_SECONDS, most ?? 0)] },
      y: { range: (_, __, most) => [0, Math.max(chart.least, (most ?? 0) * 1.1)] },
    },
    axes: [
      { font: FONT, size: 22, gap: 4, space: 70, stroke: () => colour("--ink-soft"), grid: { show: false }, ticks: { show: false }, values: (_, at) => at.map(minutes) },
      { font: FONT, size: 40, gap: 4, space: 34, stroke: () => colour("--ink-soft"), grid: { width: 1, stroke: () => colour("--line") }, ticks: { show: false }, values: (_, at) => at.map((value) => chart.figure(value).split(" ")[0]) },
    ],
    series: [{}, ...chart.series.map(({ tone }) => ({ width: 1.5, stroke: () => colour(tone), points: { show: false }, spanGaps: false }))],
    hooks: {
      drawClear: [(/** @type {any} */ drawn) => { if (bands) shade(drawn, bands, colour); }],
      setCursor: [({ cursor }) => read(seconds[cursor.idx ?? -1] ?? seconds.at(-1) ?? null)],
    },
  }, [[], ...chart.series.map(() => [])], box);

  new ResizeObserver(() => { if (box.clientWidth) plot.setSize({ width: box.clientWidth, height: HEIGHT }); }).observe(box);
  dark.addEventListener("change", () => plot.redraw());
  return {
    update(history) {
      seconds = [...history];
      plot.setData([seconds.map(({ at }) => at / 1000), ...chart.series.map(({ name }) => seconds.map((second) => second[name]))]);
    },
  };
}

/**
 * What is poor, and what is on the way to it.
 * @param {any} plot
 * @param {{good: number, poor: number}} bands
 * @param {(name: string) => string} colour
 */
function shade(plot, { good, poor }, colour) {
  const { ctx, bbox } = plot;
  const top = plot.scales.y.max;
  for (const [from, to, tone] of /** @type {const} */ ([[good, poor, "--wait-wash"], [poor, Infinity, "--bad-wash"]])) {
    if (from >= top) continue;
    const [high, low] = [plot.valToPos(Math.min(to, top), "y", true), plot.valToPos(from, "y", true)];
    ctx.fillStyle = colour(tone);
    ctx.fillRect(bbox.left, high, bbox.width, low - high);
  }
}
