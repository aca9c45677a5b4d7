/** The steps of a call in their order, and how it fails: at one of them, or after it stood. Knows no DOM. */

export const STEPS = Object.freeze([
  "key", "microphone", "token", "offer", "answer", "apply", "ice", "dtls", "data-channel", "session-created", "first-audio",
]);

/** A step did not come to its end; `cause` says why. */
export class StepFailure extends Error {
  name = "StepFailure";

  /**
   * @param {string} step
   * @param {unknown} cause
   */
  constructor(step, cause) {
    super(`${step}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    this.step = step;
  }
}

/** A step took longer than anyone should wait. */
export class StepTimeout extends Error {
  name = "StepTimeout";
}

/** The other side or the network has let go: no step is to blame. */
export class CallLost extends Error {
  name = "CallLost";

  /** @param {"network" | "provider" | "service"} why service: neither the other side nor the service is heard any more */
  constructor(why) {
    super(why);
    this.why = why;
  }
}
