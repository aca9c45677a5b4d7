/** Both sides' sound in one file, kept in memory: you on the left, the model on the right. Knows no DOM. */

/** The first that a browser can write is taken. */
const FORMATS = [["audio/webm;codecs=opus", "webm"], ["audio/mp4", "m4a"], ["audio/ogg;codecs=opus", "ogg"]];
const BITS_PER_SECOND = 64_000;
/** An hour is some 30 MB. What comes after is not kept. */
const MOST_BYTES = 64 * 1024 * 1024;
const EVERY_MS = 1000;

/** @returns {{type: string, extension: string} | null} null: this browser cannot record */
export function format() {
  if (typeof MediaRecorder === "undefined") return null;
  const [type, extension] = FORMATS.find(([each]) => MediaRecorder.isTypeSupported(each ?? "")) ?? [];
  return type && extension ? { type, extension } : null;
}

export class Recorder {
  #context = new AudioContext();
  #both = this.#context.createChannelMerger(2);
  #recorder;
  /** @type {Blob[]} */
  #parts = [];
  #bytes = 0;

  /** @param {string} type as `format` says */
  constructor(type) {
    const target = this.#context.createMediaStreamDestination();
    this.#both.connect(target);
    this.#recorder = new MediaRecorder(target.stream, { mimeType: type, audioBitsPerSecond: BITS_PER_SECOND });
    this.#recorder.addEventListener("dataavailable", ({ data }) => {
      this.#bytes += data.size;
      if (this.#bytes <= MOST_BYTES) this.#parts.push(data);
      else this.#end();
    });
    this.#recorder.start(EVERY_MS);
  }

  /**
   * @param {"you" | "model"} who
   * @param {MediaStream} stream
   */
  add(who, stream) {
    if (this.#context.state === "closed") return;
    // One channel each, or a stereo voice would be mixed into the other side.
    const mono = new GainNode(this.#context, { channelCount: 1, channelCountMode: "explicit" });
    this.#context.createMediaStreamSource(stream).connect(mono).connect(this.#both, 0, who === "you" ? 0 : 1);
  }

  /** @returns {Promise<Blob | null>} null: nothing was recorded */
  async stop() {
    if (this.#recorder.state !== "inactive") {
      const stopped = new Promise((done) => this.#recorder.addEventListener("stop", done, { once: true }));
      this.#end();
      await stopped; // the last part has come then
    }
    return this.#parts.length ? new Blob(this.#parts, { type: this.#recorder.mimeType }) : null;
  }

  #end() {
    if (this.#recorder.state !== "inactive") this.#recorder.stop();
    void this.#context.close();
  }
}
