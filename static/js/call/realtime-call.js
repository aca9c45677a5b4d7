/** One WebRTC call through the service, from microphone to hang up. Knows no DOM. */

import { ApiError, checkKey, endCall, mintToken, postOffer } from "../api.js";
import { words } from "../words.js";
import { whenAudible } from "./audible.js";
import { candidatesOf } from "./candidates.js";
import { MicrophoneLost, USUAL, alike, constraints, otherwise } from "./devices.js";
import { close, openMicrophone } from "./microphone.js";
import { watchService } from "./service-watch.js";
import { followStats } from "./stats.js";
import { StepClock } from "./step-clock.js";
import { CallLost, StepFailure, StepTimeout } from "./steps.js";

/** Seconds a step of the connection may take before it counts as failed. */
const PATIENCE = /** @type {Record<string, number>} */ ({ key: 20, token: 30, answer: 60, ice: 15, dtls: 10, "data-channel": 10, "session-created": 10 });
/** What a gateway answers that lets nobody list calls: that says nothing about the key. */
const NO_SUCH_ROUTE = [404, 405];
/** In this order: to have reached one is to have passed those before it. */
const CONNECTION = /** @type {const} */ (["ice", "dtls", "data-channel", "session-created"]);

/**
 * Tells what happens by names of the hub's: `step`, `exchange`, `event`, `id`, `token`, `microphone`, `voice`, `stats`, `candidate`,
 * `description`, `service`, `trouble`, and `state`:
 * checking, connecting, connected, interrupted, or at last ended or failed.
 */
export class RealtimeCall {
  #began = performance.now();
  #emit;
  #peer = new RTCPeerConnection();
  #channel = this.#peer.createDataChannel("oai-events");
  #steps = new StepClock((step) => this.#emit("step", { ...step }));
  #over = new AbortController();
  /** @type {MediaStream | null} */
  #microphone = null;
  #muted = false;
  /** What to speak into. */
  #devices = USUAL;
  /** What the microphone was opened with. */
  #opened = USUAL;
  /** What was tried last: while a microphone is open nothing is tried twice. */
  #tried = USUAL;
  #adjusting = Promise.resolve();
  /** @type {{token: string, location: string} | null} */
  #remote = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #patience;
  #connectedAt = 0;
  #serviceAnswers = true;
  #sent = 0;

  /** @param {(type: any, detail: any) => void} emit */
  constructor(emit) {
    this.#emit = emit;
  }

  /**
   * Press everything into motion; resolves when the answer is applied, and never rejects: see `state`.
   * @param {import("../hub.js").Wanted & {withMicrophone?: boolean}} wanted
   */
  async open({ key, session, devices, withMicrophone = true }) {
    this.#devices = devices;
    this.#watch();
    this.#state("checking");
    const within = (/** @type {string} */ name) => ({ signal: this.#soon(name), onExchange: this.#exchanged });
    try {
      await this.#step("key", () => this.#checkKey(key, within("key")));
      this.#state("connecting");
      if (withMicrophone) await this.#step("microphone", () => this.#openMicrophone());
      else this.#withoutMicrophone();
      const minted = await this.#step("token", () => mintToken(key, session, within("token")));
      this.#emit("token", minted.told);
      const offer = await this.#step("offer", () => this.#makeOffer());
      const { answer } = await this.#step("answer", async () => {
        const answered = await postOffer(minted.token, offer, within("answer"));
        this.#remote = { token: minted.token, location: answered.location };
        this.#emit("id", answered.callId);
        return answered;
      });
      this.#emit("description", { side: "remote", sdp: answer });
      for (const candidate of candidatesOf(answer)) this.#emit("candidate", { side: "remote", ...candidate });
      await this.#step("apply", () => this.#peer.setRemoteDescription({ type: "answer", sdp: answer }));
      this.#await("ice");
    } catch (error) {
      if (error instanceof StepFailure) this.#fail(error);
      else if (!this.#over.signal.aborted) throw error;
    }
  }

  /**
   * Send one client event; false when there is no open channel.
   * @param {Record<string, unknown>} event
   */
  send(event) {
    if (this.#channel.readyState !== "open") return false;
    const numbered = { event_id: `page_${++this.#sent}`, ...event };
    this.#channel.send(JSON.stringify(numbered));
    this.#emit("event", { direction: "out", event: numbered, at: this.#now() });
    return numbered.event_id;
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.#muted = muted;
    for (const track of this.#microphone?.getTracks() ?? []) track.enabled = !muted;
  }

  /**
   * Speak into something else, or be processed otherwise. In a call that has no microphone nothing changes.
   * @param {import("./devices.js").Devices} devices
   */
  use(devices) {
    this.#devices = devices;
    this.#adjusting = this.#adjusting.then(() => this.#adjust()).catch((error) => {
      if (this.#over.signal.aborted) return;
      const isOpen = this.#microphone?.getTracks().some(({ readyState }) => readyState === "live");
      if (!isOpen) this.#emit("microphone", null);
      this.#emit("trouble", { step: "devices", error: isOpen ? error : new MicrophoneLost(error) });
    });
  }

  /** What the browser counts of this call. */
  stats() {
    return this.#peer.getStats();
  }

  /** Close here at once, then tell the service; rejects when that fails. */
  async hangUp({ keepalive = false } = {}) {
    if (this.#over.signal.aborted) return;
    this.#close();
    this.#state("ended", { by: "us" });
    await this.#endRemote(keepalive);
  }

  /**
   * @template T
   * @param {string} name
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async #step(name, work) {
    this.#steps.begin(name, PATIENCE[name]);
    try {
      const result = await work();
      this.#over.signal.throwIfAborted();
      this.#steps.done(name, /** @type {any} */ (result)?.exchange?.timing);
      return result;
    } catch (error) {
      if (this.#over.signal.aborted) throw error;
      throw new StepFailure(name, error);
    }
  }

  /**
   * A caller may always list its own calls: whoever may not is none, and need not be asked for a microphone.
   * @param {string} key
   * @param {import("../api.js").Options} options
   */
  async #checkKey(key, options) {
    try {
      return await checkKey(key, options);
    } catch (error) {
      if (!(error instanceof ApiError && NO_SUCH_ROUTE.includes(error.status))) throw error;
      this.#steps.skip("key");
      return undefined;
    }
  }

  async #openMicrophone() {
    const devices = this.#devices;
    const stream = await this.#open(devices);
    for (const track of stream.getTracks()) this.#peer.addTrack(track, stream);
    this.#tried = devices;
    this.#speakInto(stream, devices);
    this.use(this.#devices); // it may have changed while the browser asked
  }

  /**
   * A microphone that is closed with the call, whenever the browser gives it.
   * @param {import("./devices.js").Devices} devices
   */
  async #open(devices) {
    const { signal } = this.#over;
    signal.throwIfAborted();
    const stream = await openMicrophone(devices);
    if (signal.aborted) close(stream);
    signal.throwIfAborted();
    signal.addEventListener("abort", () => close(stream), { once: true });
    for (const track of stream.getTracks()) track.enabled = !this.#muted; // before anybody hears it
    return stream;
  }

  async #adjust() {
    const [track] = this.#microphone?.getTracks() ?? [];
    const [devices, opened] = [this.#devices, this.#opened];
    const isLive = track?.readyState === "live";
    if (!track || (isLive && alike(devices, this.#tried))) return;
    this.#tried = devices;
    if (!isLive || devices.microphone !== opened.microphone) {
      await this.#replaceMicrophone(devices);
      return;
    }
    await track.applyConstraints(constraints(devices));
    if (otherwise(track.getSettings(), devices).length === 0) {
      this.#opened = devices;
      return;
    }
    close(this.#microphone); // Chromium changes nothing of an open track, and mixes the wishes of two that are open
    try {
      await this.#replaceMicrophone(devices);
    } catch (error) {
      await this.#replaceMicrophone(opened).catch(() => {}); // why it failed before is what matters
      throw error;
    }
  }

  /**
   * The one before is let go when this one is open.
   * @param {import("./devices.js").Devices} devices
   */
  async #replaceMicrophone(devices) {
    const stream = await this.#open(devices);
    await this.#peer.getSenders()[0]?.replaceTrack(stream.getTracks()[0] ?? null);
    close(this.#microphone);
    this.#speakInto(stream, devices);
  }

  /**
   * @param {MediaStream} stream
   * @param {import("./devices.js").Devices} devices
   */
  #speakInto(stream, devices) {
    [this.#microphone, this.#opened] = [stream, devices];
    this.mute(this.#muted);
    for (const track of stream.getTracks()) track.addEventListener("ended", () => this.use(this.#devices), { signal: this.#over.signal }); // unplugged
    this.#emit("microphone", stream);
  }

  #withoutMicrophone() {
    this.#steps.skip("microphone");
    this.#peer.addTransceiver("audio", { direction: "sendrecv" }); // providers want an audio section in any case
  }

  async #makeOffer() {
    await this.#peer.setLocalDescription();
    const { sdp } = /** @type {RTCSessionDescription} */ (this.#peer.localDescription);
    this.#emit("description", { side: "local", sdp });
    return sdp;
  }

  #watch() {
    const { signal } = this.#over;
    followStats(this.#peer, signal, (figures) => this.#emit("stats", { ...figures, at: this.#now() }));
    this.#peer.addEventListener("icecandidate", ({ candidate }) => {
      if (!candidate?.candidate) return; // the end of them
      const { type, protocol, address } = candidate;
      this.#emit("candidate", { side: "local", type, protocol, address });
    }, { signal });
    this.#peer.addEventListener("iceconnectionstatechange", () => {
      const state = this.#peer.iceConnectionState;
      if (state === "connected" || state === "completed") this.#await("dtls");
      if (state === "disconnected") this.#state("interrupted");
    }, { signal });
    this.#peer.addEventListener("connectionstatechange", () => {
      const state = this.#peer.connectionState;
      if (state === "connected") this.#connected();
      if (state === "failed") this.#failConnection(new Error(words.errors.connection));
    }, { signal });
    this.#peer.addEventListener("track", ({ receiver, track }) => {
      this.#emit("voice", new MediaStream([track]));
      whenAudible(receiver, signal, () => this.#steps.done("first-audio"));
    }, { signal });
    this.#channel.addEventListener("open", () => {
      this.#await("session-created");
      this.#state("connected");
      watchService(signal, (answers) => {
        this.#serviceAnswers = answers;
        this.#emit("service", { answers });
      });
    }, { signal });
    this.#channel.addEventListener("message", ({ data }) => this.#receive(data), { signal });
    this.#channel.addEventListener("close", () => {
      if (!this.#connectedAt) this.#steps.lose(); // one that stood may have come to its proper end
      this.#close();
      this.#state("ended", { by: "them", error: new StepFailure("connection", new CallLost("provider")) });
    }, { signal });
  }

  #connected() {
    if (this.#channel.readyState === "open") this.#state("connected"); // back after an interruption
    else this.#await("data-channel");
    this.#steps.begin("first-audio");
  }

  /** @param {unknown} data */
  #receive(data) {
    let event;
    try {
      event = JSON.parse(String(data));
    } catch {
      event = { type: "(not JSON)", data: String(data) };
    }
    this.#emit("event", { direction: "in", event, at: this.#now() });
    if (event?.type === "session.created") {
      clearTimeout(this.#patience);
      this.#steps.done("session-created");
    }
  }

  /** Everything before this step of the connection is reached; give it its time. */
  #await(/** @type {typeof CONNECTION[number]} */ name) {
    for (const passed of CONNECTION.slice(0, CONNECTION.indexOf(name))) this.#steps.done(passed);
    if (this.#steps.state(name) !== "pending") return;
    this.#steps.begin(name, PATIENCE[name]);
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => {
      const timeout = new StepTimeout(words.errors.waited(PATIENCE[name] ?? 0));
      if (name === "session-created") { // the call itself stands
        this.#steps.fail(name);
        this.#emit("trouble", { step: name, error: timeout });
      } else this.#fail(new StepFailure(name, timeout));
    }, (PATIENCE[name] ?? 0) * 1000);
  }

  /** @param {Error} error */
  #failConnection(error) {
    const step = CONNECTION.find((name) => this.#steps.state(name) === "active");
    this.#fail(step ? new StepFailure(step, error) : new StepFailure("connection", new CallLost(this.#serviceAnswers ? "network" : "service")));
  }

  /** @param {StepFailure} error */
  #fail(error) {
    if (error.step === "connection") this.#steps.lose();
    else this.#steps.fail(error.step, error.cause instanceof ApiError ? error.cause.exchange.timing : null);
    this.#close();
    this.#state("failed", { error });
    this.#endRemote(false).catch(() => {}); // seen in `exchange`; the failure itself is what matters
  }

  #close() {
    this.#over.abort();
    clearTimeout(this.#patience);
    this.#steps.stop();
    this.#peer.close();
  }

  /** @param {boolean} keepalive */
  async #endRemote(keepalive) {
    if (!this.#remote) return;
    const { token, location } = this.#remote;
    this.#remote = null;
    await endCall(token, location, { keepalive, onExchange: this.#exchanged });
  }

  #state(/** @type {string} */ state, /** @type {object} */ detail = {}) {
    if (state === "connected") this.#connectedAt ||= performance.now();
    const seconds = this.#connectedAt && (performance.now() - this.#connectedAt) / 1000;
    this.#emit("state", { state, seconds, ...detail });
  }

  /** Milliseconds since the call began. */
  #now() {
    return performance.now() - this.#began;
  }

  /** Over with the call, or with the time that a request of this step may take. */
  #soon(/** @type {string} */ name) {
    return AbortSignal.any([this.#over.signal, AbortSignal.timeout((PATIENCE[name] ?? 0) * 1000)]);
  }

  #exchanged = (/** @type {import("../api.js").Exchange} */ seen) => this.#emit("exchange", { ...seen, at: this.#now() });
}
