/** Every text of the page, but for what to do about a failure: that is in advice.js. */

export const words = Object.freeze({
  views: { setup: "Setup", talk: "Talk", steps: "Steps", events: "Events", session: "Session", more: "More" },
  layout: {
    stage: "Call", stageViews: "Views of the call", inspector: "Inspector", inspectorViews: "Views of the inspector",
    more: "Further views of the inspector", phoneViews: "Views", splitter: "Width of the call's side", close: "Close the inspector",
  },
  callBar: {
    title: "signaller voice tester",
    connect: "Connect", mute: "Mute", talk: "Talk", interrupt: "Interrupt", hangUp: "Hang up", cancel: "Cancel",
    controls: "Call controls", noModel: "No model", defaultVoice: "default voice",
    talkHint: "Hold to speak (Space)", noMicrophone: "There is no microphone in this call", interruptHint: "Stop the model (I)", muteHint: "Microphone off (M)", hangUpHint: "End the call (H)",
  },
  states: {
    idle: "Ready", connecting: "Connecting", listening: "Listening", you: "You are speaking", model: "Model is speaking",
    muted: "Muted", interrupted: "Reconnecting", ended: "Ended", failed: "Could not connect",
  },
  details: {
    idle: "Press Connect and speak.", idleWithoutKey: "Enter the service's key, then connect.",
    listening: "Speak, or write a message.", withoutMicrophone: "No microphone: write a message.", you: "The model waits for you.",
    model: "Speak to interrupt.", modelMuted: "Muted: the model does not hear you.", muted: "The model does not hear you.", held: "Hold Talk or Space to speak.",
    interrupted: "Waiting for the network.", byUs: "You hung up", byThem: "The provider ended the call", lost: "The connection was lost",
    after: (/** @type {string} */ what, /** @type {string} */ time) => `${what} after ${time}`,
  },
  setup: {
    heading: "Session", demo: "Demo: the provider runs on this machine. No account is charged, nothing leaves it.",
    key: "Key", keyPlaceholder: "This service's key", keyHint: "Kept in this page's memory only.", keyMissing: "Enter this service's key first.",
    show: "Show", hide: "Hide", showKey: "Show the key",
    model: "Model", modelHint: "As the service names it.", modelMissing: "Name a model first.", modelPlaceholder: "gpt-realtime",
    voice: "Voice", voiceHint: "Optional.", voicePlaceholder: "the model's default",
    instructions: "Instructions", instructionsPlaceholder: "Optional. How the model should speak and behave, in your own words.",
    fixed: "In a call these are fixed; they are sent with the next one.",
  },
  levels: { you: "You", model: "Model", names: { you: "Sound sent", model: "Sound received" } },
  transcript: {
    heading: "Conversation", label: "Transcript of both sides", empty: "Connect and speak. Both sides will be written down here.", you: "You", model: "Model",
    speaking: "speaking", untranscribed: "spoken, not transcribed", failed: "spoken, transcription failed", play: "Play the model's voice",
  },
  message: { label: "Message", send: "Send", open: "Write a message", closed: "Connect to write a message" },
  steps: {
    names: {
      key: "Key", microphone: "Microphone", token: "Token", offer: "Offer", answer: "Answer", apply: "Apply", ice: "ICE", dtls: "DTLS",
      "data-channel": "Channel", "session-created": "session.created", "first-audio": "First audio",
    },
    states: { pending: "not started", active: "under way", done: "done", failed: "failed", skipped: "skipped" },
    /** What a step that is under way waits for. */
    waiting: { microphone: "Allow the microphone when the browser asks.", "first-audio": "Speak, or write a message." },
    gateway: "Gateway", provider: "Provider", network: "Network", ready: "Ready in", callId: "Call id", noCall: "none yet", copyId: "Copy the call id",
    apart: (/** @type {string} */ gateway, /** @type {string} */ provider, /** @type {string} */ network) => `gateway ${gateway} · provider ${provider} · network ${network}`,
  },
  events: {
    search: "Search", placeholder: "response -delta", hint: "A word with a minus before it hides what has it.", clear: "Clear", list: "Events",
    none: "Every request and event will appear here, with its JSON.", noMatch: "No event matches the search.", noAnswer: "no answer", noType: "(no type)",
    directions: { out: "sent", in: "received", http: "HTTP" }, shortened: "… (shortened)",
    count: (/** @type {number} */ seen, /** @type {number} */ all) => `${seen} of ${all}`,
  },
  session: {
    label: "Session to send with session.update, as JSON", presets: "Presets", send: "Send session.update", intro: "Change the session while you talk.",
    notConnected: "Not connected. Connect first, then send.", sent: "Sent; waiting for session.updated", late: "No session.updated within 5 seconds. Look for an error among the events.",
    updated: (/** @type {number} */ ms) => `session.updated after ${ms} ms`, refused: (/** @type {string} */ why) => `Refused: ${why}`, noReason: "no reason given",
    notJson: (/** @type {string} */ why) => `Not valid JSON: ${why}`, notObject: "Not a session: a JSON object is needed.",
  },
  failure: { answer: "Answer", request: "Request", field: "Field", requestId: "Request id", dismiss: "Dismiss", withoutMicrophone: "Connect without a microphone" },
  copy: { name: "Copy", done: "Copied", refused: "Not allowed" },
});
