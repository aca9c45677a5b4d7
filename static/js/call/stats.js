/** How well sound travels: figures of one second, from two reports of `getStats`. Knows no DOM. */

const EVERY_MS = 1000;
/** How many seconds a verdict looks back: one bad packet is no bad line. */
const JUDGED = 5;

/**
 * Up to `good` nobody notices, above `poor` everybody does; units as in Figures.
 * Round trip: ITU-T G.114 allows 150 ms one way for a conversation, and the model's own thinking comes on top.
 */
export const BANDS = Object.freeze({
  roundTrip: { good: 150, poor: 300 },
  jitter: { good: 30, poor: 60 },
  loss: { good: 1, poor: 5 },
  lossSent: { good: 1, poor: 5 },
  buffer: { good: 150, poor: 300 },
});

/** @typedef {keyof typeof BANDS} Banded */
/** @typedef {"good" | "fair" | "poor"} Grade */
/** @typedef {{bytes: number, packets: number, lost: number, ms: number}} Counted */
/**
 * What a report says at one moment; null: it says nothing.
 * @typedef {object} Sample
 * @property {Counted | null} received
 * @property {Counted | null} sent what the other side has lost of it: `lost`
 * @property {{seconds: number, samples: number}} buffered waited in the jitter buffer, by all samples together
 * @property {number | null} roundTrip ms
 * @property {number | null} jitter ms
 * @property {number | null} level 0 to 1, received
 * @property {number | null} levelSent 0 to 1
 * @property {Path} path
 */
/** @typedef {{local: string | null, remote: string | null, protocol: string | null, codec: string | null}} Path the pair of candidates by their kinds and addresses */
/**
 * @typedef {object} Figures
 * @property {number | null} roundTrip ms
 * @property {number | null} jitter ms
 * @property {number | null} loss per cent of what should have come
 * @property {number | null} lossSent per cent of what we sent
 * @property {number | null} bitrate kbit/s received
 * @property {number | null} bitrateSent kbit/s
 * @property {number | null} buffer ms that sound waits before it is played
 * @property {number | null} level 0 to 1
 * @property {number | null} levelSent 0 to 1
 * @property {Path} path
 */

/**
 * Tell the figures once a second, from the first second in which sound travels.
 * @param {{getStats: () => Promise<RTCStatsReport>}} peer
 * @param {AbortSignal} signal
 * @param {(figures: Figures) => void} onFigures
 */
export function followStats(peer, signal, onFigures) {
  /** @type {Sample | null} */
  let before = null;
  const timer = setInterval(async () => {
    const now = sample(await peer.getStats());
    if (signal.aborted) return;
    if (before?.received) onFigures(between(before, now));
    before = now;
  }, EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}

/**
 * @param {ReadonlyMap<string, any>} report
 * @returns {Sample}
 */
export function sample(report) {
  const all = [...report.values()];
  const sound = (/** @type {string} */ type) => all.find((each) => each.type === type && (each.kind ?? "audio") === "audio");
  const [incoming, outgoing, heardOfUs, source] = ["inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "media-source"].map(sound);
  const pair = report.get(sound("transport")?.selectedCandidatePairId) ?? all.find((each) => each.type === "candidate-pair" && (each.selected || (each.nominated && each.state === "succeeded")));
  const seconds = pair?.currentRoundTripTime ?? heardOfUs?.roundTripTime;
  const [local, remote] = [report.get(pair?.localCandidateId), report.get(pair?.remoteCandidateId)];
  return {
    received: incoming ? { bytes: incoming.bytesReceived ?? 0, packets: incoming.packetsReceived ?? 0, lost: incoming.packetsLost ?? 0, ms: incoming.timestamp } : null,
    sent: outgoing ? { bytes: outgoing.bytesSent ?? 0, packets: outgoing.packetsSent ?? 0, lost: heardOfUs?.packetsLost ?? 0, ms: outgoing.timestamp } : null,
    buffered: { seconds: incoming?.jitterBufferDelay ?? 0, samples: incoming?.jitterBufferEmittedCount ?? 0 },
    roundTrip: milliseconds(seconds),
    jitter: milliseconds(incoming?.jitter),
    level: incoming?.audioLevel ?? null,
    levelSent: source?.audioLevel ?? null,
    path: { local: place(local), remote: place(remote), protocol: local?.relayProtocol ?? local?.protocol ?? null, codec: codec(report.get(incoming?.codecId)) },
  };
}

/**
 * @param {Sample} before
 * @param {Sample} now
 * @returns {Figures}
 */
export function between(before, now) {
  const [received, sent] = [gained(before.received, now.received), gained(before.sent, now.sent)];
  const samples = now.buffered.samples - before.buffered.samples;
  return {
    roundTrip: now.roundTrip,
    jitter: now.jitter,
    // Lost packets are not among those received, but among those sent.
    loss: received && share(received.lost, received.packets + received.lost),
    lossSent: sent && share(sent.lost, sent.packets),
    bitrate: received && rate(received),
    bitrateSent: sent && rate(sent),
    buffer: samples > 0 ? (1000 * (now.buffered.seconds - before.buffered.seconds)) / samples : null,
    level: now.level,
    levelSent: now.levelSent,
    path: now.path,
  };
}

/**
 * What the last seconds are worth, and what is worst about them.
 * @param {Figures[]} figures the newest last
 * @returns {{grade: Grade, worst: Banded | null, value: number | null} | null} null: nothing is known
 */
export function judge(figures) {
  const grades = /** @type {Grade[]} */ (["good", "fair", "poor"]);
  /** @type {{grade: Grade, worst: Banded | null, value: number | null} | null} */
  let verdict = null;
  for (const name of /** @type {Banded[]} */ (Object.keys(BANDS))) {
    const value = mean(figures.slice(-JUDGED).map((each) => each[name]));
    if (value === null) continue;
    const found = grade(name, value);
    if (!verdict || grades.indexOf(found) > grades.indexOf(verdict.grade)) verdict = { grade: found, worst: found === "good" ? null : name, value };
  }
  return verdict;
}

/**
 * @param {Banded} name
 * @param {number} value
 * @returns {Grade}
 */
export function grade(name, value) {
  const { good, poor } = BANDS[name];
  return value <= good ? "good" : value <= poor ? "fair" : "poor";
}

/**
 * @param {Counted | null} before
 * @param {Counted | null} now
 */
function gained(before, now) {
  if (!before || !now || now.ms <= before.ms) return null;
  // Packets that come late are taken off the lost ones again.
  return { bytes: now.bytes - before.bytes, packets: now.packets - before.packets, lost: Math.max(0, now.lost - before.lost), ms: now.ms - before.ms };
}

/** @param {Counted} counted in kbit/s */
function rate({ bytes, ms }) {
  return (8 * bytes) / ms;
}

/**
 * @param {number} part
 * @param {number} whole
 */
function share(part, whole) {
  return whole > 0 ? Math.min(100, (100 * part) / whole) : null;
}

/** @param {number | undefined} seconds */
function milliseconds(seconds) {
  return seconds === undefined ? null : 1000 * seconds;
}

/** @param {any} candidate */
function place(candidate) {
  if (!candidate) return null;
  const address = candidate.address ?? candidate.ip;
  return address ? `${candidate.candidateType} ${address.includes(":") ? `[${address}]` : address}:${candidate.port}` : candidate.candidateType;
}

/** @param {any} used */
function codec(used) {
  if (!used) return null;
  const channels = used.channels > 1 ? `/${used.channels}` : "";
  return `${used.mimeType.replace("audio/", "")}/${used.clockRate}${channels}`;
}

/** @param {(number | null)[]} values */
function mean(values) {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
}
