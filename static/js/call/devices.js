/** What to speak into and to listen with: the choice, what of it is there, and whether the browser lets us. Knows no DOM. */

import { words } from "../words.js";

/** What the browser may do to a voice before it is sent; each is a constraint's name. */
export const PROCESSING = /** @type {const} */ (["echoCancellation", "noiseSuppression", "autoGainControl"]);
export const KINDS = /** @type {const} */ (["microphone", "speaker"]);
/** As browsers call them. */
const SORTS = { microphone: "audioinput", speaker: "audiooutput" };
/** Chromium lists the system's own device once more by this id. */
const SYSTEM = "default";
const PLACE = "signaller.devices";

/** @typedef {typeof KINDS[number]} Kind */
/** @typedef {Record<Kind, string> & Record<typeof PROCESSING[number], boolean>} Devices ids of devices; "": the system's own */
/** @typedef {"insecure" | "refused" | "none" | "unasked" | "allowed"} Standing */

/** @type {Readonly<Devices>} */
export const USUAL = Object.freeze({ microphone: "", speaker: "", echoCancellation: true, noiseSuppression: true, autoGainControl: true });

/** A device that is in use in a call is no more; the system's own has taken its place. */
export class DeviceGone extends Error {
  name = "DeviceGone";

  /**
   * @param {Kind} kind
   * @param {string} label
   */
  constructor(kind, label) {
    super(`${kind}: ${label}`);
    this.kind = kind;
    this.label = label;
  }
}

/** A call that goes on has no microphone any more; `cause` says why none could be opened. */
export class MicrophoneLost extends Error {
  name = "MicrophoneLost";

  /** @param {unknown} cause */
  constructor(cause) {
    super(words.errors.noMicrophone, { cause });
  }
}

/** @returns {Devices} as they were chosen the last time in this browser */
export function remembered() {
  let said;
  try {
    said = JSON.parse(localStorage.getItem(PLACE) ?? "null");
  } catch {
    said = null; // written by somebody else, or this page may keep nothing
  }
  const entries = Object.entries(USUAL).map(([name, usual]) => [name, typeof said?.[name] === typeof usual ? said[name] : usual]);
  return /** @type {Devices} */ (Object.fromEntries(entries));
}

/** @param {Devices} chosen */
export function remember(chosen) {
  try {
    localStorage.setItem(PLACE, JSON.stringify(chosen));
  } catch {
    // holds for as long as the page is open
  }
}

/**
 * Those that can be chosen, and the name of the one the system would take. Without permission browsers tell no names, and no ids.
 * @param {MediaDeviceInfo[]} found
 * @param {Kind} kind
 */
export function listed(found, kind) {
  const named = found.filter((device) => device.kind === SORTS[kind] && device.label);
  const system = named.find(({ deviceId }) => deviceId === SYSTEM)?.label.replace(/^Default - /, "") ?? "";
  return { system, devices: named.filter(({ deviceId }) => deviceId !== SYSTEM).map(({ deviceId, label }) => ({ id: deviceId, label })) };
}

/** @param {MediaDeviceInfo[]} found */
export function isNamed(found) {
  return found.some(({ kind, label }) => Object.values(SORTS).includes(kind) && label);
}

/**
 * What was chosen, as far as it is there: the system's own instead of what has gone.
 * @param {Devices} chosen
 * @param {MediaDeviceInfo[]} found
 * @returns {Devices}
 */
export function available(chosen, found) {
  if (!isNamed(found)) return chosen; // nobody knows yet
  const there = (/** @type {Kind} */ kind) => (listed(found, kind).devices.some(({ id }) => id === chosen[kind]) ? chosen[kind] : "");
  return { ...chosen, microphone: there("microphone"), speaker: there("speaker") };
}

/**
 * @param {object} known
 * @param {boolean} known.secure the browser gives devices to this page at all
 * @param {PermissionState | null} known.permission null: this browser does not tell
 * @param {MediaDeviceInfo[]} known.found
 * @returns {Standing}
 */
export function standing({ secure, permission, found }) {
  if (!secure) return "insecure";
  if (permission === "denied") return "refused";
  if (!found.some(({ kind }) => kind === SORTS.microphone)) return "none";
  return permission === "granted" || isNamed(found) ? "allowed" : "unasked"; // Firefox says "prompt" of what is allowed this once
}

/**
 * @param {Devices} devices
 * @returns {MediaTrackConstraints}
 */
export function constraints({ microphone, echoCancellation, noiseSuppression, autoGainControl }) {
  return { ...(microphone && { deviceId: { exact: microphone } }), echoCancellation, noiseSuppression, autoGainControl };
}

/**
 * Whether both speak into the same, processed alike.
 * @param {Devices} one
 * @param {Devices} other
 */
export function alike(one, other) {
  return one.microphone === other.microphone && PROCESSING.every((name) => one[name] === other[name]);
}

/**
 * What the browser does otherwise than it was asked to.
 * @param {MediaTrackSettings} settings of an open microphone
 * @param {Devices} devices
 */
export function otherwise(settings, devices) {
  return PROCESSING.filter((name) => (settings[name] ?? devices[name]) !== devices[name]);
}
