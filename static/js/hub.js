/** Where the page's parts tell each other what happens; none of them knows another one. Knows no DOM. */

/** @typedef {"idle" | "checking" | "connecting" | "connected" | "interrupted" | "ended" | "failed"} State */
/** @typedef {{state: State, by?: "us" | "them", error?: import("./call/steps.js").StepFailure, seconds?: number}} Stage */
/** @typedef {{type: string, model?: string} & Record<string, unknown>} Session what a client may ask for; what the page knows of the rest is in session/settings.js */
/** @typedef {{key: string, session: Session, devices: import("./call/devices.js").Devices}} Wanted what to connect with */
/**
 * What is told, by name. `state` with `checking` begins a call, with `ended` or `failed` ends it: who keeps something of a
 * call clears it at `checking`. Times are milliseconds since the call began.
 * @typedef {object} Events
 * @property {{key: string | null, models: string[], demo: boolean, faults: string[]}} settings what the operator lets the page know; faults: those that the demo has switches for
 * @property {string[]} faults which of them are on
 * @property {Session & {model: string}} session what the next call will ask for, as it is typed; model: "" as long as there is none
 * @property {string} link the hash of the page's address that opens the page with that session
 * @property {boolean} opening Connect was pressed, and what a call needs is on its way
 * @property {Stage} state
 * @property {{who: "you" | "model" | null, interruptible: boolean, responding: boolean}} speaking who of both; interruptible: the model speaks or is about to; responding: its answer is still being made
 * @property {{muted: boolean, talking: boolean}} muted talking: the key or button is held
 * @property {import("./call/step-clock.js").Step} step
 * @property {import("./api.js").Exchange & {at: number}} exchange
 * @property {{direction: "in" | "out", event: any, at: number}} event
 * @property {string | null} id the call's id, null as long as there is none
 * @property {{value: string, expiresAt: number | null, session: object | null, callsUrl: string | null} | null} token
 * @property {import("./call/held-token.js").Held | null} held the token of the latest call, and what the service says of it
 * @property {import("./call/follow.js").CallObject | null} call what the service says of the call, each time it is read
 * @property {import("./call/follow.js").Account} usage what the call has used, by two accounts
 * @property {{side: "local" | "remote"} & import("./call/candidates.js").Candidate} candidate
 * @property {{side: "local" | "remote", sdp: string}} description
 * @property {{answers: boolean}} service whether it answers while a call goes on; told when that changes
 * @property {MediaStream | null} microphone told again when it is replaced in a call; null: none is open
 * @property {MediaStream | null} voice
 * @property {import("./call/devices.js").Devices} devices what to speak into and to listen with, at once and whenever that is chosen or comes and goes
 * @property {import("./call/stats.js").Figures & {at: number}} stats how well sound travels, once a second
 * @property {Readonly<import("./call/turns.js").Turn>} turn a turn of the conversation, each time it changes
 * @property {{step: string, error: unknown}} trouble a failure beside a call: it could not be ended, the page not set up, a device has gone
 * @property {{tab: string, text: string}} badge a few characters beside a tab's name
 * @property {string} show the view that was brought to the front
 */

/** Both sides may speak. @param {State} [state] */
export const isLive = (state) => state === "connected" || state === "interrupted";
/** A call is under way, from *Connect* to its end. @param {State} [state] */
export const isBusy = (state) => state === "checking" || state === "connecting" || isLive(state);
/** The other side closed a call that stood: for a limit, because somebody had it ended, or for a reason that only it knows. @param {Stage} stage */
export const endedByThem = ({ state, by, seconds = 0 }) => state === "ended" && by === "them" && seconds > 0;
/** It has come to its end, well or not. @param {State} state */
export const isOver = (state) => state === "ended" || state === "failed";

export class Hub extends EventTarget {
  /** @type {Map<string, any>} */
  #latest = new Map();

  /**
   * @template {keyof Events} T
   * @param {T} type
   * @param {(detail: Events[T]) => void} listener
   * @param {AbortSignal} [signal]
   */
  on(type, listener, signal) {
    this.addEventListener(type, (event) => listener(/** @type {CustomEvent} */ (event).detail), { signal });
  }

  /**
   * Returns when every listener has run; one that throws does not keep the others from it.
   * @template {keyof Events} T
   * @param {T} type
   * @param {Events[T]} detail
   */
  emit(type, detail) {
    this.#latest.set(type, detail);
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /**
   * What was told last, for parts that are loaded later.
   * @template {keyof Events} T
   * @param {T} type
   * @returns {Events[T] | undefined}
   */
  latest(type) {
    return this.#latest.get(type);
  }
}

/**
 * What a part may ask for.
 * @typedef {object} Actions
 * @property {(options?: {withMicrophone?: boolean}) => Promise<void>} connect with what stands in the session form
 * @property {(options?: {withMicrophone?: boolean}) => Promise<void>} connectAgain the same as the last time; a call that stands is ended first
 * @property {() => Wanted | null} wanted what to connect with; null, and the field pointed out, when something is missing
 * @property {() => Promise<void>} saveDiagnostics
 * @property {() => Promise<void>} hearNothing open the tests of what may be wrong
 * @property {() => Promise<RTCStatsReport>} stats of the last call
 * @property {() => HTMLAudioElement | null} voice what plays the model
 * @property {(kind: import("./call/devices.js").Kind) => void} chooseDevice bring its picker to the front, with the focus
 * @property {() => void} useSystemSpeaker whatever was chosen before
 * @property {() => Promise<void>} hangUp
 * @property {(muted: boolean) => void} mute or not; without a microphone neither this nor `talk` does anything
 * @property {(held: boolean) => void} talk open the microphone while held; released, it is muted
 * @property {() => void} interrupt
 * @property {(event: Record<string, unknown>) => string | false} send the event's id, or false without a channel
 * @property {(text: string) => boolean} say a written message; false without a channel
 * @property {() => Promise<void>} getToken get a token and begin no call with it
 * @property {() => Promise<void>} revoke take the token of the latest call back
 * @property {() => Promise<void>} useAgain use it once too often
 * @property {(change: () => void) => void} keepFocus make a change that may hide or disable what has the focus: a button of the call bar gets it then
 * @property {(dialog: HTMLDialogElement) => void} showDialog modal; at its end the focus is where it was, or if that can no longer have it, on a button of the call bar
 * @property {() => Promise<void>} endFaults switch all of the demo's faults off
 * @property {() => string} key what stands in the field Key; "": nothing
 * @property {(key: string) => void} setKey fill that field
 * @property {(field: import("./advice.js").Field) => void} correct bring a field of the session form to the front, with the focus
 * @property {(view: string) => void} show bring a view to the front: `talk`, `setup`, or a tab of the inspector
 */
/** @typedef {(root: HTMLElement, hub: Hub, actions: Actions) => unknown} Mount builds a part within its root */
