/** Tell once when sound, not just packets, arrives at a receiver. Knows no DOM. */

/** About -46 dBFS: above comfort noise, below the quietest voice. */
const AUDIBLE = 0.005;
const EVERY_MS = 40;

/**
 * @param {RTCRtpReceiver} receiver
 * @param {AbortSignal} signal
 * @param {() => void} onAudible
 */
export function whenAudible(receiver, signal, onAudible) {
  const timer = setInterval(async () => {
    const report = await receiver.getStats();
    if (signal.aborted) return;
    for (const stats of report.values()) {
      if (stats.type !== "inbound-rtp" || !(stats.audioLevel > AUDIBLE)) continue;
      stop();
      onAudible();
    }
  }, EVERY_MS);
  const stop = () => clearInterval(timer);
  signal.addEventListener("abort", stop, { once: true });
}
