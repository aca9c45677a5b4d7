/** The token that was minted last: what the service says of it, taking it back, and using it once too often. Knows no DOM. */

import { countReplays, introspect, revokeToken } from "../api-control.js";
import { ApiError, endCall, mintToken, postOffer } from "../api.js";

/** @typedef {import("../api-control.js").Introspection} Introspection */
/**
 * A token used once too often. `refused`: as it should be; `begun`: it had a use left, and that call was ended at once;
 * `failed`: nobody can tell.
 * @typedef {object} Again
 * @property {"asked" | "refused" | "begun" | "failed"} outcome
 * @property {ApiError} [answer]
 * @property {unknown} [error]
 * @property {{before: number, after: number} | null} counted signaller_replays_total of its caller; null for those who may not read it
 */
/**
 * Moments are milliseconds of `performance.now()`.
 * @typedef {object} Held
 * @property {string} masked
 * @property {number} mintedAt
 * @property {number | null} endsAt
 * @property {object | null} session the terms: what the service says the token stands for
 * @property {string | null} callsUrl
 * @property {Introspection | null} told what introspection said before it was used; null: not yet, or it did not answer
 * @property {number | null} usesLeft null: nobody has said
 * @property {boolean} used a call was begun with it
 * @property {boolean} revoked
 * @property {"introspect" | "revoke" | null} failed which of both the service did not do
 * @property {unknown} error
 * @property {Again | null} again
 */

const SHOWN_CHARS = 12;
const MASTER = "master";

/**
 * @param {import("../hub.js").Hub} hub
 * @param {() => {key: string, session: import("../hub.js").Session} | null} read what stands in the session form
 */
export function holdToken(hub, read) {
  /** @type {{key: string, token: string, held: Held} | null} */
  let holding = null;
  let began = performance.now();
  const onExchange = (/** @type {import("../api.js").Exchange} */ seen) => hub.emit("exchange", { ...seen, at: performance.now() - began });

  hub.on("state", ({ state }) => { if (state === "checking") began = performance.now(); });
  hub.on("token", (token) => {
    const wanted = token && read();
    if (wanted) hold(wanted.key, token);
  });
  hub.on("id", (id) => { if (id && holding) change(holding, { used: true, usesLeft: holding.held.usesLeft === null ? null : holding.held.usesLeft - 1 }); });

  /**
   * @param {string} key
   * @param {NonNullable<import("../hub.js").Events["token"]>} token
   */
  function hold(key, { value, expiresAt, session, callsUrl }) {
    const now = performance.now();
    holding = { key, token: value, held: {
      masked: `${value.slice(0, SHOWN_CHARS)}…`, mintedAt: now, endsAt: expiresAt === null ? null : now + expiresAt * 1000 - Date.now(), session, callsUrl,
      told: null, usesLeft: null, used: false, revoked: false, failed: null, error: null, again: null,
    } };
    hub.emit("held", holding.held);
    void look(holding);
  }

  /**
   * Tell of a change, unless another token has taken its place.
   * @param {NonNullable<typeof holding>} which
   * @param {Partial<Held>} changes
   */
  function change(which, changes) {
    which.held = { ...which.held, ...changes };
    if (which === holding) hub.emit("held", which.held);
  }

  /** @param {NonNullable<typeof holding>} which */
  async function look(which) {
    try {
      const told = await introspect(which.key, which.token);
      if (!told.active) return change(which, { usesLeft: 0 }); // a call was faster
      const life = told.exp !== undefined && told.iat !== undefined ? 1000 * (told.exp - told.iat) : null;
      const { used, mintedAt, endsAt } = which.held;
      const left = (told.uses_left ?? 1) - (used ? 1 : 0);
      change(which, { told, usesLeft: Math.max(0, left), endsAt: life === null ? endsAt : mintedAt + life });
    } catch (error) {
      change(which, { failed: "introspect", error });
    }
  }

  async function getToken() {
    const wanted = read();
    if (!wanted) return;
    try {
      const { told } = await mintToken(wanted.key, wanted.session, { onExchange });
      hold(wanted.key, told);
    } catch (error) {
      hub.emit("trouble", { step: "token", error });
    }
  }

  async function revoke() {
    const which = holding;
    if (!which) return;
    try {
      await revokeToken(which.key, which.token, { onExchange });
      change(which, { revoked: true, usesLeft: 0, failed: null });
    } catch (error) {
      change(which, { failed: "revoke", error });
    }
  }

  async function useAgain() {
    const which = holding;
    if (!which || which.held.again?.outcome === "asked") return;
    change(which, { again: { outcome: "asked", counted: null } });
    const before = await replays(which);
    const outcome = await postAgain(which.token, onExchange);
    const after = before === null ? null : await replays(which);
    change(which, { again: { ...outcome, counted: before === null || after === null ? null : { before, after } } });
  }

  return { getToken, revoke, useAgain };
}

/**
 * Null where it may not be read, or cannot.
 * @param {{key: string, held: Held}} holding
 */
async function replays({ key, held }) {
  if (held.told?.caller !== MASTER) return null;
  return await countReplays(key, MASTER).catch(() => null);
}

/**
 * An offer as good as the first, which nobody will answer.
 * @param {string} token
 * @param {(exchange: import("../api.js").Exchange) => void} onExchange
 * @returns {Promise<Omit<Again, "counted">>}
 */
async function postAgain(token, onExchange) {
  const peer = new RTCPeerConnection();
  try {
    peer.addTransceiver("audio", { direction: "sendrecv" });
    peer.createDataChannel("oai-events");
    const { sdp = "" } = await peer.createOffer();
    const { location } = await postOffer(token, sdp, { onExchange });
    await endCall(token, location, { onExchange });
    return { outcome: "begun" };
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return { outcome: "refused", answer: error };
    return { outcome: "failed", error };
  } finally {
    peer.close();
  }
}
