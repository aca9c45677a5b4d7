/** What to do about a failure, in words. Knows no DOM. */

import { AnswerError, ApiError, NetworkError } from "./api.js";
import { DeviceGone, MicrophoneLost } from "./call/devices.js";
import { CallLost } from "./call/step-clock.js";
import { fieldAt } from "./session/settings.js";

/** @typedef {"key" | "session" | import("./session/settings.js").Name} Field of the session form; session: one that only its JSON has */
/**
 * What mends it, as far as a button can: `reconnect` is for a call that stood, `token` for a token that is spent or over,
 * `devices` leads to the choice of a microphone.
 * @typedef {"again" | "reconnect" | "token" | "withoutMicrophone" | "devices" | Field | null} Remedy
 */
/** @typedef {{title: string, message: string, todo: string, field?: Field, remedy: Remedy}} Advice */

const TITLES = /** @type {Record<string, string>} */ ({
  key: "The key could not be used", microphone: "No microphone", token: "No token", offer: "No offer", answer: "No answer from the provider", apply: "The answer was not understood",
  ice: "No way through the network", dtls: "No secure connection", "data-channel": "No data channel",
  "session-created": "The provider is silent", connection: "The connection was lost", service: "The service does not answer", devices: "The microphone was not changed", hangup: "The hang up was not confirmed", page: "The page could not be set up", part: "This could not be loaded",
});

/** In place of "No answer from the provider", where there was one, or nobody has asked it. */
const ANSWERS = /** @type {Record<string, string>} */ ({
  token_rejected: "The token was refused", upstream_unavailable: "The provider failed",
});

const MICROPHONE = /** @type {Record<string, [string, string]>} */ ({
  NotAllowedError: ["The microphone was refused.", "Allow it for this page in the address bar (and in the system's privacy settings), then connect again."],
  NotFoundError: ["No microphone was found.", "Plug one in or choose one in the system's sound settings, then connect again."],
  NotReadableError: ["The microphone is there but cannot be opened.", "Close other programs that use it, then connect again."],
  SecurityError: ["Browsers give the microphone to secure pages only.", "Open this page over https, or as http://localhost on this machine."],
});

/** In a call that stands. */
const ANOTHER_MICROPHONE = /** @type {Record<string, string>} */ ({
  NotAllowedError: "Allow it for this page in the address bar, then choose it again.",
  NotFoundError: "Plug one in: the call takes it by itself. Until then the model hears nothing.",
  NotReadableError: "Close other programs that use it, or choose another one.",
});

const CODES = /** @type {Record<string, string>} */ ({
  invalid_api_key: "Check the key: it is this service's key (master_key in its configuration), not the provider's.",
  invalid_jwt: "Get a fresh JWT from your issuer, paste it as the key, and connect again.",
  insufficient_scope: "Ask whoever issues your JWTs for the scope this service requires.",
  model_not_allowed: "Choose another model, or ask the operator to allow this one in your policy.",
  origin_not_allowed: "This page's address is not among the origins of your policy. Open the page that is, or ask the operator to add this one.",
  rate_limit_exceeded: "Your policy allows no more in this minute.",
  issuer_unavailable: "The operator should check jwks_url. Wait a moment and connect again.",
  token_rejected: "Connect again for a fresh token; each starts one call, and soon expires.",
  model_not_found: "Choose another model, or ask the operator to add this one to model_list.",
  upstream_auth_failed: "Your key is fine. The operator must correct the deployment's api_key.",
  upstream_unavailable: "The provider fails or is over its limits, the service is in order. Try again in a moment.",
  upstream_unreachable: "Try again; if it stays so, the operator should check api_base and the way out to the provider.",
  upstream_disconnected: "Connect again. Nothing was repeated on its own, so that no second call was started.",
  upstream_timeout: "Connect again in a moment. The provider was slow; a call it may have begun ends by itself.",
  upstream_invalid_response: "The operator should check that api_base points at a realtime provider.",
  store_unavailable: "The service lost its store (Redis). Wait a moment and connect again.",
  invalid_offer: "The browser's offer was not accepted. Try another browser, and report this one.",
});

/** Where the service's own sentence is for programmers. */
const SAID = /** @type {Record<string, string>} */ ({
  invalid_api_key: "This service does not know the key.",
});

/** The field at fault, for what can be put right in the session form. */
const FIELDS = /** @type {Record<string, Field>} */ ({
  invalid_api_key: "key", invalid_jwt: "key", insufficient_scope: "key", model_not_allowed: "model", model_not_found: "model",
});

const STATUSES = /** @type {Record<number, string>} */ ({
  400: "The message names what was not accepted.",
  401: "Check the key, then connect again.",
  403: "This key may not do that. Ask the operator what it is allowed.",
  404: "Check that this page is served by signaller itself, and the model's name.",
  413: "Something between this page and the provider limits the size of requests.",
  429: "Too many requests for this key or at the provider.",
  500: "A fault of the service. If it persists, give the operator the request id.",
  502: "The provider, or something on the way to it, failed. Try again.",
  503: "The service or the provider is overloaded or restarting.",
  504: "Nothing answered in time. Connect again in a moment.",
});

const CONNECTION = /** @type {Record<string, string>} */ ({
  ice: "Signalling worked, but no audio path opened. A firewall or VPN is probably blocking UDP: try another network, or allow outgoing UDP.",
  dtls: "The network path opened but encryption did not. Turn off VPNs or inspecting firewalls, then connect again.",
  "data-channel": "Audio may work, but events cannot pass. Turn off VPNs or inspecting firewalls, then connect again.",
  "session-created": "The channel is open but the provider is silent. Try a message; if nothing answers, connect again.",
  connection: "Check the network, then connect again.",
  service: "Talk on. Hang up ends your side at once; new calls have to wait until the service is back.",
  hangup: "Your side is closed. The provider ends the call by itself once nothing comes from here.",
  apply: "Something between this page and the provider may change its answers; try another browser, or ask the operator.",
  page: "Check that the service runs, then load the page again.",
});

/** Why a call that stood is no more. */
const LOST = /** @type {Record<string, [string, string, string]>} */ ({
  network: ["The connection was lost", "ICE disconnected: nothing came through the network any more.", "Check the network, then connect again."],
  service: ["The connection was lost", "ICE disconnected, and the service does not answer either.", "The network is down, or the service's machine. Connect again once it is back."],
  provider: ["The other side ended the call", "It closed the channel: for a limit, a hang-up by somebody else, or of its own accord.", "Connect again if you were not done. The bar above says who ended it, once the service has told."],
});

/**
 * @param {string} step
 * @param {unknown} error
 * @returns {Advice}
 */
export function advise(step, error) {
  const title = TITLES[step] ?? "Something went wrong";
  const message = error instanceof Error ? error.message : String(error);
  const remedy = remedyFor(step, error);
  if (error instanceof CallLost) {
    const [lost, why, todo] = LOST[error.why] ?? [title, message, ""];
    return { title: lost, message: why, todo, remedy };
  }
  if (error instanceof ApiError) {
    const wait = error.retryAfterSeconds === null ? "" : ` Wait ${seconds(error.retryAfterSeconds)}, then try again.`;
    return { title: (step === "answer" && ANSWERS[error.code ?? ""]) || title, remedy, message: SAID[error.code ?? ""] ?? message, field: fieldOf(error), todo: (CODES[error.code ?? ""] ?? STATUSES[error.status] ?? STATUSES[error.status < 500 ? 400 : 500]) + wait };
  }
  if (step === "service") return { title, remedy, message: "Your call goes on: sound and events go straight to the provider.", todo: CONNECTION.service ?? "" };
  if (step === "part") return { title, remedy, message: "It comes from the service when it is first used.", todo: "Check that the service is there, then try again. A call goes on without it." };
  if (error instanceof DOMException && error.name === "TimeoutError") return { title, remedy, message: "Nothing came back in time.", todo: STATUSES[504] ?? "" };
  if (error instanceof NetworkError) {
    if (step === "hangup") return { title, remedy, message, todo: CONNECTION.hangup ?? "" };
    return { title: step === "key" ? TITLES.service ?? title : title, remedy, message, todo: "Check that the service runs and that you are online, then try again." };
  }
  if (error instanceof AnswerError) return { title, remedy, message, todo: "Something between this page and the service may change its answers; ask the operator." };
  if (error instanceof DeviceGone) {
    return { title: `The ${error.kind} has gone`, remedy: error.kind === "microphone" ? remedy : null, message: `${error.label} is no longer there. Your call goes on with the system's own.`, todo: "Once it is back, it is used again." };
  }
  if (error instanceof MicrophoneLost) {
    const { message: why, todo } = advise(step, error.cause);
    return { title: "The call has no microphone", remedy, message: `${why} The model does not hear you any more.`, todo };
  }
  if (step === "devices" && error instanceof Error) {
    return { title, remedy, message: MICROPHONE[error.name]?.[0] ?? message, todo: ANOTHER_MICROPHONE[error.name] ?? "Choose another one." };
  }
  if (step === "microphone" && error instanceof Error) {
    const [what, todo] = MICROPHONE[error.name] ?? [message, "Check the microphone in the system's sound settings, then connect again."];
    return { title, remedy, message: what, todo };
  }
  return { title, remedy, message, todo: CONNECTION[step] ?? "Connect again. If it persists, try another browser." };
}

/**
 * @param {string} step
 * @param {unknown} error
 * @returns {Remedy}
 */
function remedyFor(step, error) {
  if (["hangup", "page", "part", "service"].includes(step)) return null;
  if (step === "devices") return "devices";
  if (step === "microphone") return /** @type {Error} */ (error).name === "NotReadableError" ? "devices" : "withoutMicrophone";
  if (step === "connection" || step === "session-created") return "reconnect";
  if (!(error instanceof ApiError)) return "again";
  if (error.code === "token_rejected") return "token";
  return fieldOf(error) ?? "again";
}

/**
 * What was refused is what `param` names, and else what its code is about.
 * @param {ApiError} error
 * @returns {Field | undefined}
 */
function fieldOf({ status, code, param }) {
  const named = status < 500 && status !== 429 ? fieldAt(param ?? "") : null;
  return named ?? FIELDS[code ?? ""];
}

/** @param {number} count */
function seconds(count) {
  return count === 1 ? "1 second" : `${count} seconds`;
}
