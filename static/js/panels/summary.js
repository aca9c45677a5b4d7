/** What a call came to, and its files: the conversation, and both sides' sound. */

import { minutes } from "../amounts.js";
import { Recorder, format } from "../call/recorder.js";
import { element } from "../element.js";
import { whyEnded } from "../ending.js";
import { isOver } from "../hub.js";
import { words } from "../words.js";
import { noted } from "./transcript.js";

const FIGURES = /** @type {const} */ (["length", "turns", "median", "tokens"]);
const text = words.summary;

/** @typedef {import("../hub.js").Stage} Stage */

/**
 * Lies in the place of the lanes, which it covers when the call is over.
 * @param {HTMLElement} root
 * @param {import("../hub.js").Hub} hub
 * @param {{readonly now: import("../call/turns.js").Turns}} turns
 */
export function mount(root, hub, turns) {
  const figures = FIGURES.map((name) => ({ name, value: element("strong"), note: element("span") }));
  const why = element("p", { class: "summary-why" });
  const note = element("p", { class: "summary-note" });
  const button = (/** @type {string} */ name) => /** @type {HTMLButtonElement} */ (element("button", { class: "button", type: "button" }, name));
  const [asText, asJson, sound] = [button(text.text), button(text.json), button(text.sound)];
  const box = element("section", { class: "summary is-away", "aria-label": text.heading },
    why, element("dl", { class: "summary-figures" }, ...figures.map(({ name, value, note: small }) => element("div", {}, element("dt", {}, text[name]), element("dd", {}, value, small)))),
    element("div", { class: "summary-files" }, asText, asJson, sound, note));
  root.append(box);

  const recorded = format();
  /** @type {Recorder | null} */
  let recorder = null;
  /** @type {Blob | null} */
  let kept = null;
  let facts = { call: "", began: new Date(), seconds: 0, why: "" };
  let reached = false;

  hub.on("id", (id) => { if (id) facts.call = id; });
  for (const [type, who] of /** @type {const} */ ([["microphone", "you"], ["voice", "model"]])) {
    hub.on(type, (stream) => {
      if (!stream || !recorded) return;
      recorder ??= new Recorder(recorded.type);
      recorder.add(who, stream);
    });
  }
  hub.on("state", (stage) => {
    if (stage.state === "checking") begin();
    if (stage.state === "connected") reached = true;
    if (isOver(stage.state)) void end(stage);
  });
  hub.on("call", (call) => {
    const stage = hub.latest("state");
    if (stage?.state !== "ended" || !reached) return;
    facts.why = whyEnded(stage, call);
    update();
  });
  asText.addEventListener("click", () => save(new Blob([transcript(facts, turns.now.all)], { type: "text/plain" }), "txt"));
  asJson.addEventListener("click", () => save(new Blob([JSON.stringify({ ...facts, figures: turns.now.figures, turns: turns.now.all }, null, 2)], { type: "application/json" }), "json"));
  sound.addEventListener("click", () => { if (kept && recorded) save(kept, recorded.extension); });

  function begin() {
    facts = { call: "", began: new Date(), seconds: 0, why: "" };
    reached = false;
    kept = null;
    void recorder?.stop();
    recorder = null;
    show(false);
  }

  /** @param {Stage} stage */
  async function end(stage) {
    const [ended, mine] = [recorder, facts];
    recorder = null;
    if (!reached) return void ended?.stop();
    Object.assign(facts, { seconds: stage.seconds ?? 0, why: whyEnded(stage, null) });
    sound.disabled = true;
    note.textContent = recorded ? text.preparing : text.noSound;
    update();
    show(true);
    if (!ended) return;
    const file = await ended.stop();
    if (facts !== mine) return; // the next call has begun
    kept = file;
    sound.disabled = file === null;
    note.textContent = file ? text.kept : text.empty;
  }

  function update() {
    const { you, model, interrupted, median, tokens } = turns.now.figures;
    const values = {
      length: [minutes(facts.seconds), ""],
      turns: [String(you + model), interrupted ? text.interrupted(interrupted) : text.turnsOf(you, model)],
      median: [median === null ? text.none : words.milliseconds(median), median === null ? "" : text.medianOf],
      tokens: tokens ? [(tokens.input + tokens.output).toLocaleString("en"), text.tokensOf(tokens.input, tokens.output)] : [text.none, ""],
    };
    for (const { name, value, note: small } of figures) [value.textContent, small.textContent] = /** @type {[string, string]} */ (values[name]);
    why.textContent = text.ended(facts.why);
  }

  /** @param {boolean} shown */
  function show(shown) {
    box.classList.toggle("is-away", !shown);
    root.classList.toggle("is-over", shown);
  }

  /**
   * @param {Blob} file
   * @param {string} extension
   */
  function save(file, extension) {
    const address = URL.createObjectURL(file);
    element("a", { href: address, download: `${facts.call || "call"}.${extension}` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser reads it while it saves
  }
}

/**
 * @param {{call: string, began: Date, seconds: number, why: string}} facts
 * @param {Readonly<import("../call/turns.js").Turn>[]} turns
 */
function transcript({ call, began, seconds, why }, turns) {
  const lines = turns.map((turn) => {
    const notes = noted(turn).join(", ");
    const heard = turn.text || (turn.unheard ? `(${words.transcript.unheard[turn.unheard]})` : "");
    return `[${minutes(turn.at / 1000)}] ${words.transcript[turn.who]}: ${heard}${notes ? ` (${notes})` : ""}`;
  });
  return `${[`${call}, ${began.toISOString()}, ${minutes(seconds)}`, text.ended(why), "", ...lines].join("\n")}\n`;
}
