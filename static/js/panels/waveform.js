/** Two lanes of sound that go by: what each side sent, when it spoke, how long the answer took, where it was interrupted. */

const COLUMN_MS = 50;
const [BAR, PITCH] = [2, 3];
/** Wider than the widest screen: older columns are written over. */
const MOST_COLUMNS = 2048;
const MOST_MARKS = 200;
/** In decibels all speech looks alike: what is loud shall stand out. */
const CONTRAST = 1.6;
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const THEMES = [matchMedia("(prefers-color-scheme: dark)"), matchMedia("(forced-colors: active)")];
const STILL_EVERY_COLUMNS = 10;

/** @typedef {"you" | "model"} Who */
/** @typedef {{from: number, to: number | null, interrupted: boolean, answer: string}} Mark columns; `to` null: still going on */

/** @param {Record<Who, HTMLCanvasElement>} canvases */
export function Waveform(canvases) {
  const lanes = { you: Lane(canvases.you, "--accent"), model: Lane(canvases.model, "--model") };
  const both = Object.values(lanes);
  let began = performance.now();
  let last = -1;
  let running = false;
  const column = () => Math.floor((performance.now() - began) / COLUMN_MS);
  const draw = () => { for (const lane of both) lane.draw(Math.max(0, last)); };
  for (const canvas of Object.values(canvases)) new ResizeObserver(draw).observe(canvas);
  for (const query of [STILL, ...THEMES]) query.addEventListener("change", draw);

  /** @param {(who: Who) => number} level from 0 to 1 */
  function frame(level) {
    if (!running) return;
    const now = column();
    if (now !== last) {
      for (const who of /** @type {Who[]} */ (["you", "model"])) lanes[who].put(now, level(who));
      last = now;
      if (!STILL.matches || now % STILL_EVERY_COLUMNS === 0) draw();
    }
    requestAnimationFrame(() => frame(level));
  }

  return {
    /** @param {(who: Who) => number} level */
    start(level) {
      if (running) return;
      running = true;
      frame(level);
    },
    stop() {
      running = false;
      draw();
    },
    clear() {
      began = performance.now();
      last = -1;
      for (const lane of both) lane.clear();
      draw();
    },
    /** @param {Who} who */
    speaks(who) {
      lanes[who].open(column());
    },
    /**
     * @param {Who} who
     * @param {boolean} [interrupted]
     */
    stops(who, interrupted = false) {
      lanes[who].close(column(), interrupted);
    },
    /**
     * Beside the newest turn of the model.
     * @param {string} text
     */
    answered(text) {
      lanes.model.label(text);
      draw();
    },
  };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {string} tone
 */
function Lane(canvas, tone) {
  const levels = new Float32Array(MOST_COLUMNS);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  /** @type {Mark[]} */
  let marks = [];
  let newest = -1;

  /** @param {number} now the newest column */
  function draw(now) {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return;
    const scale = devicePixelRatio * (canvas.currentCSSZoom ?? 1); // sharp on a very wide screen, too
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
    const colours = getComputedStyle(canvas);
    const colour = (/** @type {string} */ name) => colours.getPropertyValue(name).trim();
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);

    const shown = Math.min(MOST_COLUMNS, Math.floor(width / PITCH));
    // Without motion nothing moves: a page is written from left to right, then a new one.
    const first = STILL.matches ? now - (now % shown) : now - shown + 1;
    const x = (/** @type {number} */ at) => (STILL.matches ? 0 : width - shown * PITCH) + (at - first) * PITCH;
    const snap = (/** @type {number} */ value) => Math.round(value * scale) / scale;
    const [foot, middle] = [height - 3, (height - 3) / 2];

    const [sound, silence] = [new Path2D(), new Path2D()];
    for (let at = first; at < first + shown; at++) {
      const level = at < 0 || at > now ? 0 : levels[at % MOST_COLUMNS] ?? 0;
      const loud = level ** CONTRAST * (foot - 4);
      const tall = snap(Math.max(1, loud));
      (loud > 1 ? sound : silence).rect(snap(x(at)), snap(middle - tall / 2), BAR, tall);
    }
    pen.fillStyle = colour("--line-strong");
    pen.globalAlpha = 0.55;
    pen.fill(silence);
    pen.globalAlpha = 1;
    pen.fillStyle = colour(tone);
    pen.fill(sound);
    for (const [index, { from, to, interrupted, answer }] of marks.entries()) {
      const end = to ?? now;
      if (end < first) continue;
      pen.fillStyle = colour(tone);
      const left = Math.max(0, x(from));
      pen.fillRect(snap(left), snap(foot + 1), Math.max(BAR, x(end) - left), 2);
      if (from >= first) pen.fillRect(snap(x(from)), snap(foot - 3), 1, 6);
      if (interrupted) {
        pen.fillStyle = colour("--bad");
        pen.fillRect(snap(x(end)), 0, 2, height);
        cross(x(end) - 7, 6);
      }
      if (answer) {
        pen.font = `600 11px ${colour("--sans")}`;
        const wide = pen.measureText(answer).width;
        const place = Math.min(x(from), width - wide - 2);
        const next = marks[index + 1];
        if (place < 0 || (next && x(next.from) < place + wide + 6)) continue; // no room for it
        pen.fillStyle = colour("--card");
        pen.fillRect(place - 2, 0, wide + 6, 14);
        pen.fillStyle = colour(tone);
        pen.fillText(answer, place, 11);
      }
    }
    marks = marks.filter(({ to }) => to === null || to >= now - MOST_COLUMNS).slice(-MOST_MARKS);

    /**
     * @param {number} at
     * @param {number} top
     */
    function cross(at, top) {
      pen.strokeStyle = colour("--bad");
      pen.lineWidth = 1.5;
      pen.beginPath();
      for (const side of [-1, 1]) {
        pen.moveTo(at - 3, top - 3 * side);
        pen.lineTo(at + 3, top + 3 * side);
      }
      pen.stroke();
    }
  }

  return {
    draw,
    /**
     * @param {number} at
     * @param {number} level
     */
    put(at, level) {
      // What a page in the background did not see is silence.
      for (let missed = Math.max(newest + 1, at - MOST_COLUMNS); missed < at; missed++) levels[missed % MOST_COLUMNS] = 0;
      levels[at % MOST_COLUMNS] = level;
      newest = at;
    },
    clear() {
      levels.fill(0);
      marks = [];
      newest = -1;
    },
    /** @param {number} from */
    open(from) {
      if (marks.at(-1)?.to !== null) marks.push({ from, to: null, interrupted: false, answer: "" });
    },
    /**
     * @param {number} to
     * @param {boolean} interrupted
     */
    close(to, interrupted) {
      const mark = marks.at(-1);
      if (mark?.to === null) Object.assign(mark, { to, interrupted });
    },
    /** @param {string} text */
    label(text) {
      const mark = marks.at(-1);
      if (mark) mark.answer = text;
    },
  };
}
