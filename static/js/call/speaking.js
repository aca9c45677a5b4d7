/** Who speaks, as the channel's events tell it. Knows no DOM. */

/** @typedef {"you" | "model" | null} Who */

export class Speaking {
  #you = false;
  #sounding = false;
  #responding = false;

  /** You, if both do: then the model is being interrupted. */
  get now() {
    const model = this.#sounding || this.#responding;
    return { who: /** @type {Who} */ (this.#you ? "you" : model ? "model" : null), interruptible: model, responding: this.#responding };
  }

  /** @param {any} event from the provider */
  receive(event) {
    switch (event?.type) {
      case "input_audio_buffer.speech_started": this.#you = true; break;
      case "input_audio_buffer.speech_stopped": this.#you = false; break;
      case "output_audio_buffer.started": this.#sounding = true; break;
      case "output_audio_buffer.stopped":
      case "output_audio_buffer.cleared": this.#sounding = false; break;
      case "response.created": this.#responding = true; break;
      case "response.done": this.#responding = false; break;
      case "session.updated": // without turn detection nobody tells when you stop
        if (event.session?.audio?.input?.turn_detection === null) this.#you = false;
        break;
    }
  }
}
