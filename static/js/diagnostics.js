/**
 * What happened, to attach to an issue. Holds no secret: no key and no token ever comes near the journal, what opens an
 * ICE session is masked, and of a conversation there are only the kinds of events and their sizes.
 */

import { read, voiceOf } from "./session/settings.js";

/**
 * @param {import("./call/journal.js").Known} known
 * @param {RTCStatsReport} [stats]
 */
export async function save(known, stats) {
  const report = JSON.stringify(await diagnostics(known, stats), null, 2);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([report], { type: "application/json" }));
  link.download = `signaller-diagnostics-${new Date().toISOString().replaceAll(":", "").slice(0, 17)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/**
 * @param {import("./call/journal.js").Known} known
 * @param {RTCStatsReport} [stats]
 */
export async function diagnostics({ states, steps, exchanges, candidates, descriptions, events, muted, id, session }, stats) {
  const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => null)) ?? [];
  return {
    about: "signaller voice tester: diagnostics without keys, tokens and what was said",
    at: new Date().toISOString(),
    browser: { agent: navigator.userAgent, online: navigator.onLine, secure: isSecureContext },
    devices: Object.groupBy ? Object.fromEntries(Object.entries(Object.groupBy(devices, ({ kind }) => kind)).map(([kind, all]) => [kind, all?.length])) : devices.length,
    call: { id, muted, model: session?.model ?? null, voice: session && voiceOf(session), instructions: session ? read(session).instructions.length : 0 },
    states: states.map(({ state, by, seconds, error }) => ({ state, by, seconds, failed: error && { step: error.step, ...told(error.cause) } })),
    steps, exchanges, candidates,
    descriptions: descriptions.map(({ side, sdp }) => ({ side, sdp: masked(sdp) })),
    events: events.map(({ direction, event, at }) => ({ direction, at, type: event?.type ?? null, bytes: JSON.stringify(event ?? null).length, ...(event?.type === "error" && { error: { type: event.error?.type, code: event.error?.code, param: event.error?.param } }) })),
    stats: stats ? [...stats.values()].filter(({ type }) => STATS.includes(type)).map(withoutNames) : [],
  };
}

const STATS = ["candidate-pair", "local-candidate", "remote-candidate", "inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "transport", "codec", "data-channel"];

/** What lets somebody into an ICE session; the fingerprint is public. */
function masked(/** @type {string} */ sdp) {
  return sdp.replace(/^(a=ice-(?:pwd|ufrag):).*$/gmu, "$1***").replace(/(a=candidate:.* ufrag )\S+/gu, "$1***");
}

/** Names of ICE sessions again. */
function withoutNames(/** @type {Record<string, unknown>} */ stats) {
  return Object.fromEntries(Object.entries(stats).filter(([name]) => !/usernameFragment|ufrag/iu.test(name)));
}

/** @param {unknown} cause */
function told(cause) {
  const { name, status, code, requestId, why } = /** @type {any} */ (cause) ?? {};
  return { name, status, code, requestId, why };
}
