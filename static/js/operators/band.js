/** How the service stands, above its calls: for the master key, which alone is told. */

import { ApiError } from "../api.js";
import { element } from "../element.js";
import { words } from "../words.js";
import { now, readState } from "./api.js";
import { duration } from "./shown.js";

const text = words.operators.band;
const EVERY_MS = 5000;
const TILES = /** @type {const} */ (["deployments", "store", "replays", "live"]);

/** @param {HTMLElement} root */
export function mount(root) {
  const list = element("dl", { class: "band", "aria-label": text.label });
  const tiles = Object.fromEntries(TILES.map((name) => {
    const value = element("dd", { class: "band-value" }, "–");
    const detail = element("dd", { class: "band-detail" });
    const tile = element("div", { class: "band-tile", "data-tile": name }, element("dt", {}, text.names[name]), value, detail);
    list.append(tile);
    return [name, { tile, value, detail }];
  }));
  root.append(list);
  /** @type {AbortController | null} */
  let running = null;
  /** @type {import("./api.js").ServiceState | null} */
  let state = null;

  /** @param {string} key */
  async function follow(key) {
    const mine = running = new AbortController();
    while (!mine.signal.aborted) {
      try {
        state = await readState(key, { signal: mine.signal });
        list.hidden = false;
        update();
      } catch (error) {
        if (mine.signal.aborted) return;
        if (error instanceof ApiError && error.status < 500) {
          list.hidden = true; // another's key: nothing of it
          return;
        }
        show("store", text.unreachable, text.serviceGone, "bad");
      }
      await new Promise((resolve) => { setTimeout(resolve, EVERY_MS); });
    }
  }

  function update() {
    if (!state) return;
    const { deployments, store, live_calls: live, replays } = state;
    const at = now();
    const resting = deployments.filter(({ rests_until: until }) => until !== null && until > at);
    const serving = deployments.length - resting.length;
    const names = resting.map(({ model, rests_until: until }) => text.rests(model, duration(Math.ceil(/** @type {number} */ (until) - at))));
    show("deployments", resting.length ? text.resting(resting.length, deployments.length) : text.serving(serving), names.join(", ") || text.noneRests, resting.length ? "wait" : "");
    const kind = text.kinds[/** @type {keyof typeof text.kinds} */ (store.kind)] ?? store.kind;
    if (store.reachable && store.seconds !== null) show("store", text.answersIn((store.seconds * 1000).toFixed(1)), kind, "");
    else show("store", text.unreachable, kind, "bad");
    show("replays", String(replays), text.replaysSince, replays ? "wait" : "");
    show("live", live === null ? "?" : String(live), text.everywhere, "");
  }

  /**
   * @param {string} name
   * @param {string} value
   * @param {string} detail
   * @param {string} tone
   */
  function show(name, value, detail, tone) {
    const tile = /** @type {typeof tiles[string]} */ (tiles[name]);
    if (tile.value.textContent !== value) tile.value.textContent = value;
    if (tile.detail.textContent !== detail) tile.detail.textContent = detail;
    tile.detail.title = detail;
    tile.tile.dataset.tone = tone;
  }

  return {
    /** @param {string} key */
    start(key) {
      running?.abort();
      void follow(key);
    },
    stop() { running?.abort(); },
    /** Once a second. */
    tick: update,
  };
}
