/** How well sound travels, second by second: charts, a verdict in a sentence, and the way it takes. */

import { BANDS, grade, judge } from "../call/stats.js";
import { element } from "../element.js";
import { isOver } from "../hub.js";
import { words } from "../words.js";

/** Five minutes. */
const MOST = 300;
const text = words.health;
const PATH = /** @type {const} */ (["local", "remote", "protocol", "codec"]);

/** @typedef {import("../call/stats.js").Figures & {at: number}} Second */
/** @typedef {import("../call/stats.js").Banded} Banded */
/** @typedef {Exclude<keyof import("../call/stats.js").Figures, "path">} Name */
/**
 * @typedef {object} Chart
 * @property {keyof typeof text.charts} name
 * @property {{name: Name, tone: string, side?: keyof typeof text.sides}[]} series
 * @property {(value: number) => string} figure
 * @property {number} least the highest value of the axis is never below it, so that nothing small looks large
 */

const small = (/** @type {number} */ value) => (value > 0 && value < 10 ? value.toFixed(1) : String(Math.round(value)));
const ms = (/** @type {number} */ value) => `${small(value)} ms`;
const percent = (/** @type {number} */ value) => `${small(value)} %`;
const kilobits = (/** @type {number} */ value) => `${Math.round(value)} kbit/s`;
const [YOU, MODEL] = ["--accent", "--model"];
/** @type {Chart[]} */
const CHARTS = [
  { name: "roundTrip", series: [{ name: "roundTrip", tone: YOU }], figure: ms, least: BANDS.roundTrip.good * 1.2 },
  { name: "jitter", series: [{ name: "jitter", tone: MODEL }], figure: ms, least: BANDS.jitter.good * 1.2 },
  { name: "buffer", series: [{ name: "buffer", tone: MODEL }], figure: ms, least: BANDS.buffer.good * 1.2 },
  { name: "loss", series: [{ name: "loss", tone: MODEL, side: "received" }, { name: "lossSent", tone: YOU, side: "sent" }], figure: percent, least: BANDS.loss.good * 2 },
  { name: "bitrate", series: [{ name: "bitrate", tone: MODEL, side: "received" }, { name: "bitrateSent", tone: YOU, side: "sent" }], figure: kilobits, least: 48 },
  { name: "level", series: [{ name: "level", tone: MODEL, side: "received" }, { name: "levelSent", tone: YOU, side: "sent" }], figure: (value) => percent(100 * value), least: 1 },
];

/**
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 */
export function mount(root, hub) {
  const word = element("strong");
  const because = element("span");
  const verdict = element("p", { class: "health-verdict" }, word, " ", because);
  const ways = PATH.map((name) => ({ name, value: element("dd") }));
  const shown = CHARTS.map(figure);
  const failed = element("p", { class: "hint" });
  root.append(verdict, element("dl", { class: "health-path" }, ...ways.map(({ name, value }) => element("div", {}, element("dt", {}, text.path[name]), value))),
    failed, element("div", { class: "health-charts" }, ...shown.map(({ box }) => box)));
  root.tabIndex = 0; // it scrolls, and holds nothing that takes the focus

  /** @type {Second[]} */
  let history = [];
  let over = false;
  /** @type {import("./health-charts.js").Drawn[]} */
  let drawn = [];
  let loading = false;

  hub.on("stats", (second) => {
    history.push(second);
    if (history.length > MOST) history.shift();
    update();
  });
  hub.on("state", ({ state }) => {
    if (state === "checking") history = [];
    over = isOver(state);
    update();
  });
  hub.on("show", (name) => { if (name === "health") void open(); });
  if (hub.latest("show") === "health") void open();
  update();

  /** The library comes when it is needed, and not before. */
  async function open() {
    if (!loading) {
      loading = true;
      try {
        const { draw } = await import("./health-charts.js");
        drawn = await Promise.all(shown.map(({ chart, plot, read }) => draw(plot, chart, read)));
        failed.textContent = "";
      } catch {
        loading = false;
        failed.textContent = text.failed;
      }
    }
    update();
  }

  function update() {
    const judged = judge(history);
    const state = judged?.grade ?? "none";
    if (verdict.dataset.grade !== state) {
      verdict.dataset.grade = state;
      hub.emit("badge", { tab: "health", text: state === "poor" ? "!" : "" });
    }
    word.textContent = judged ? `${text.verdicts[judged.grade]}.` : "";
    if (!judged) because.textContent = hub.latest("state")?.state === "connected" ? text.first : text.none;
    else if (!judged.worst || judged.value === null) because.textContent = over ? text.over : text.well;
    else because.textContent = text.because[judged.worst](CHARTS.find(({ series }) => series.some(({ name }) => name === judged.worst))?.figure(judged.value) ?? "");
    const path = history.at(-1)?.path;
    for (const { name, value } of ways) value.textContent = path?.[name] ?? text.unknown;
    for (const { read } of shown) read(history.at(-1) ?? null, history);
    if (root.checkVisibility()) for (const each of drawn) each.update(history);
  }
}

/** @param {Chart} chart */
function figure(chart) {
  const values = chart.series.map(() => element("span", { class: "health-value" }));
  const sides = chart.series.map(({ side, tone }, index) => element("span", { class: "health-side", "data-tone": tone.slice(2) }, ...(side ? [element("span", {}, text.sides[side]), " "] : []), /** @type {HTMLElement} */ (values[index])));
  const told = element("span", { class: "visually-hidden" });
  const plot = element("div", { class: "health-plot", "aria-hidden": "true" });
  const bands = chart.series[0] && chart.series[0].name in BANDS ? BANDS[/** @type {Banded} */ (chart.series[0].name)] : null;
  const box = element("figure", { class: "health-chart", "data-chart": chart.name },
    element("figcaption", {}, element("span", { class: "health-name", "aria-hidden": "true", title: bands ? text.bands(chart.figure(bands.good), chart.figure(bands.poor)) : "" }, text.charts[chart.name]),
      element("span", { class: "health-now", "aria-hidden": "true" }, ...sides), told), plot);

  /**
   * The figures of one second, and, where all are given, what they were.
   * @param {Second | null} second
   * @param {Second[]} [history]
   */
  function read(second, history) {
    chart.series.forEach(({ name }, index) => {
      const value = second?.[name] ?? null;
      /** @type {HTMLElement} */ (values[index]).textContent = value === null ? text.unknown : chart.figure(value);
    });
    if (history) told.textContent = chart.series.map((series) => summary(chart, series, history)).join(" ");
  }
  return { chart, box, plot, read };
}

/**
 * A chart in a sentence.
 * @param {Chart} chart
 * @param {Chart["series"][number]} series
 * @param {Second[]} history
 */
function summary(chart, { name, side }, history) {
  const values = history.flatMap((second) => second[name] ?? []);
  const title = side ? `${text.charts[chart.name]}, ${text.sides[side]}` : text.charts[chart.name];
  const now = values.at(-1);
  if (now === undefined) return `${title}: ${text.unknown}.`;
  const sorted = values.toSorted((a, b) => a - b);
  const figures = [now, sorted[sorted.length >> 1] ?? now, sorted.at(-1) ?? now].map(chart.figure);
  const graded = name in BANDS ? ` ${text.verdicts[grade(/** @type {Banded} */ (name), now)]}.` : "";
  return text.summary(title, figures[0] ?? "", figures[1] ?? "", figures[2] ?? "", graded);
}
