/** The microphone, opened as it was chosen. Knows no DOM. */

import { words } from "../words.js";
import { constraints } from "./devices.js";
import { LevelSource } from "./levels.js";

const LOOK_EVERY_MS = 50;

/**
 * @param {import("./devices.js").Devices} devices
 * @returns {Promise<MediaStream>}
 */
export async function openMicrophone(devices) {
  const { mediaDevices } = navigator;
  if (!mediaDevices) throw new DOMException(words.errors.insecure, "SecurityError");
  try {
    return await mediaDevices.getUserMedia({ audio: constraints(devices) });
  } catch (error) {
    const { name } = /** @type {Error} */ (error);
    if (!devices.microphone || !["OverconstrainedError", "NotFoundError"].includes(name)) throw error;
    return mediaDevices.getUserMedia({ audio: constraints({ ...devices, microphone: "" }) }); // it has gone: the system's own
  }
}

/** @param {MediaStream | null} stream */
export function close(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/**
 * How loud it is, some twenty times a second, until `signal` closes it.
 * @param {import("./devices.js").Devices} devices
 * @param {AbortSignal} signal
 * @param {(level: number | null) => void} onLevel from 0 to 1; null: the browser does not tell
 */
export async function listen(devices, signal, onLevel) {
  const stream = await openMicrophone(devices);
  if (signal.aborted) return close(stream); // permission came too late
  signal.addEventListener("abort", () => close(stream), { once: true });
  const source = new LevelSource(stream);
  const timer = setInterval(() => onLevel(source.read()), LOOK_EVERY_MS);
  signal.addEventListener("abort", () => {
    clearInterval(timer);
    source.close();
  }, { once: true });
}
