/** How loud a stream is right now. Knows no DOM. */

const FLOOR_DECIBELS = -60;

export class LevelSource {
  #context = new AudioContext();
  #analyser = this.#context.createAnalyser();
  #samples;

  /** @param {MediaStream} stream */
  constructor(stream) {
    this.#analyser.fftSize = 2048; // some 40 ms
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
  }

  /**
   * From 0 (silence, or -60 dBFS) to 1 (full scale); null: the browser does not tell, as one that finds no speaker.
   * @returns {number | null}
   */
  read() {
    if (this.#context.state !== "running") return null;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    const decibels = 10 * Math.log10(sum / this.#samples.length);
    return Math.min(1, Math.max(0, 1 - decibels / FLOOR_DECIBELS));
  }

  close() {
    void this.#context.close();
  }
}
