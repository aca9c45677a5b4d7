/** What is heard, and on which speaker. Knows no DOM but the element it is given. */

/** Firefox before 116 and most of Safari play on the system's own speaker, whatever a page says. */
export const canChoose = "setSinkId" in HTMLMediaElement.prototype;

const NOTES = [523.25, 659.25, 783.99];
const [NOTE_SECONDS, SOFT_SECONDS, LOUDNESS] = [0.28, 0.03, 0.2];

/**
 * Play on that speaker, or on the system's own where that is not possible; whether it is the one that was wanted.
 * @param {HTMLMediaElement} element
 * @param {string} speaker an id; "": the system's own
 */
export async function playOn(element, speaker) {
  if (!canChoose) return speaker === "";
  const sink = /** @type {HTMLMediaElement & {sinkId: string, setSinkId: (id: string) => Promise<void>}} */ (element);
  try {
    if (sink.sinkId !== speaker) await sink.setSinkId(speaker);
    return true;
  } catch {
    if (sink.sinkId !== "") await sink.setSinkId("").catch(() => {}); // then it stays where it is
    return false;
  }
}

/**
 * Three notes; resolves when they are over, and rejects where nothing sounds before `signal` ends: a browser without a speaker
 * waits for ever.
 * @param {string} speaker
 * @param {AbortSignal} signal
 */
export async function playTone(speaker, signal) {
  const context = new AudioContext();
  const element = new Audio();
  const over = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
  try {
    return await Promise.race([play(context, element, speaker), over]);
  } finally {
    element.srcObject = null;
    void context.close();
  }
}

/**
 * @param {AudioContext} context
 * @param {HTMLMediaElement} element
 * @param {string} speaker
 */
async function play(context, element, speaker) {
  const target = context.createMediaStreamDestination();
  const loudness = new GainNode(context, { gain: 0 });
  const tone = new OscillatorNode(context);
  tone.connect(loudness).connect(target);
  element.srcObject = target.stream;
  const there = await playOn(element, speaker);
  await element.play();
  const begin = context.currentTime + SOFT_SECONDS;
  NOTES.forEach((frequency, index) => {
    const at = begin + index * NOTE_SECONDS;
    tone.frequency.setValueAtTime(frequency, at);
    loudness.gain.setTargetAtTime(LOUDNESS, at, SOFT_SECONDS);
    loudness.gain.setTargetAtTime(0, at + NOTE_SECONDS - 3 * SOFT_SECONDS, SOFT_SECONDS);
  });
  tone.start(begin);
  tone.stop(begin + NOTES.length * NOTE_SECONDS + 3 * SOFT_SECONDS);
  await new Promise((resolve) => tone.addEventListener("ended", resolve, { once: true }));
  return there;
}
