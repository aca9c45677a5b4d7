/** Why nothing is heard: eight tests in the order in which sound goes its way. Knows no DOM. */

/** In this order: the first that fails is the cause, whatever those after it would say. */
export const TESTS = Object.freeze(["microphone", "level", "sent", "received", "heard", "playing", "output", "started"]);

/** Below it is silence: -46 dBFS. */
const AUDIBLE = 0.005;

/**
 * What was seen within a few seconds of a call.
 * @typedef {object} Seen
 * @property {boolean} live
 * @property {boolean} muted by this page
 * @property {{ended: boolean, silenced: boolean} | null} microphone silenced: by the system; null: the call has none
 * @property {number | null} loudest of the microphone, 0 to 1, as amplitude; null: the browser does not tell
 * @property {number} packetsSent since a moment ago
 * @property {number} packetsReceived since a moment ago
 * @property {number} energyReceived since the call began
 * @property {{there: boolean, paused: boolean, silent: boolean}} element what plays it; silent: turned down
 * @property {{known: boolean, any: boolean, found: boolean}} output known: the browser tells its devices; found: the chosen one is among them
 * @property {boolean} started the provider has said that it speaks
 */

/** @typedef {"good" | "bad" | "skipped" | "untested"} Verdict */
/** @typedef {"connect" | "unmute" | "devices" | "reconnect" | "ask" | "play" | "output" | "again"} Mend */

/**
 * @param {Seen} seen
 * @returns {{verdicts: Record<string, Verdict>, failed: string | null, why: string, mend: Mend | null}} why: a key of `words.hearing.whys`
 */
export function examine(seen) {
  const verdicts = /** @type {Record<string, Verdict>} */ (Object.fromEntries(TESTS.map((name) => [name, "untested"])));
  if (!seen.live) return { verdicts, failed: null, why: "noCall", mend: "connect" };
  for (const name of TESTS) {
    const found = CHECKS[/** @type {keyof typeof CHECKS} */ (name)](seen);
    if (found === "skipped") verdicts[name] = "skipped";
    else if (found === null) verdicts[name] = "good";
    else {
      verdicts[name] = "bad";
      return { verdicts, failed: name, why: found[0], mend: found[1] };
    }
  }
  return { verdicts, failed: null, why: "allGood", mend: "again" };
}

/** Null: good. */
const CHECKS = {
  microphone: (/** @type {Seen} */ { microphone, muted }) => {
    if (microphone === null) return "skipped";
    if (muted) return /** @type {[string, Mend]} */ (["muted", "unmute"]);
    if (microphone.ended) return /** @type {[string, Mend]} */ (["unplugged", "reconnect"]);
    return microphone.silenced ? /** @type {[string, Mend]} */ (["silenced", "again"]) : null;
  },
  level: (/** @type {Seen} */ { microphone, loudest }) =>
    (microphone === null || loudest === null ? "skipped" : loudest > AUDIBLE ? null : /** @type {[string, Mend]} */ (["silence", "devices"])),
  sent: (/** @type {Seen} */ { microphone, packetsSent }) =>
    (microphone === null ? "skipped" : packetsSent > 0 ? null : /** @type {[string, Mend]} */ (["notSent", "reconnect"])),
  received: (/** @type {Seen} */ { packetsReceived }) => (packetsReceived > 0 ? null : /** @type {[string, Mend]} */ (["notReceived", "reconnect"])),
  heard: (/** @type {Seen} */ { energyReceived }) => (energyReceived > 0.0001 ? null : /** @type {[string, Mend]} */ (["nothingInIt", "ask"])),
  playing: (/** @type {Seen} */ { element }) =>
    (element.there && !element.paused && !element.silent ? null : /** @type {[string, Mend]} */ ([element.silent ? "turnedDown" : "notPlaying", "play"])),
  output: (/** @type {Seen} */ { output }) => (!output.known ? "skipped" : output.found ? null : /** @type {[string, Mend]} */ (output.any ? ["noOutput", "output"] : ["noSpeaker", "again"])),
  started: (/** @type {Seen} */ { started }) => (started ? null : /** @type {[string, Mend]} */ (["notStarted", "ask"])),
};

/**
 * The figures of a report that the tests go by.
 * @param {RTCStatsReport} report
 */
export function counted(report) {
  const sum = { packetsSent: 0, packetsReceived: 0, energyReceived: 0 };
  for (const stats of report.values()) {
    if (stats.type === "outbound-rtp" && stats.kind === "audio") sum.packetsSent += stats.packetsSent;
    if (stats.type !== "inbound-rtp" || stats.kind !== "audio") continue;
    sum.packetsReceived += stats.packetsReceived;
    sum.energyReceived += stats.totalAudioEnergy ?? 0;
  }
  return sum;
}
