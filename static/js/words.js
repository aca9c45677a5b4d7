/** Every text of the page, but for what to do about a failure: that is in advice.js. */

export const words = Object.freeze({
  views: { setup: "Setup", talk: "Talk", steps: "Steps", events: "Events", session: "Session", more: "More" },
  layout: {
    stage: "Call", stageViews: "Views of the call", inspector: "Inspector", inspectorViews: "Views of the inspector",
    more: "Further views of the inspector", phoneViews: "Views", splitter: "Width of the call's side", close: "Close the inspector",
    notLoaded: "This part could not be loaded: is the service still there? Choose its tab again to try again.",
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
    search: "Search", placeholder: "response -delta", hint: "A word with a minus before it hides what has it.", list: "Events", families: "Families", tools: "Log",
    pause: "Pause", pauseHint: "Let the list stand still; what comes is kept", copy: "Copy", copyHint: "Copy what is shown, as JSON Lines", save: "Save", saveHint: "Save all as JSON Lines",
    load: "Load", loadHint: "Show a saved file", clear: "Clear", clearHint: "Forget all events", newest: "Newest", loadName: "File of saved events",
    none: "Every request and event will appear here, with its JSON.", noMatch: "No event matches the search.", noType: "(no type)",
    directions: { out: "sent", in: "received", http: "HTTP" }, shortened: "… (shortened)", times: (/** @type {number} */ count) => `× ${count}`,
    count: (/** @type {number} */ seen, /** @type {number} */ all) => (seen === all ? `${number(all)} ${all === 1 ? "event" : "events"}` : `${number(seen)} of ${number(all)}`),
    gone: (/** @type {number} */ count) => `the oldest ${number(count)} are gone`, missed: (/** @type {number} */ count) => `paused, ${number(count)} new`,
    call: (/** @type {number} */ count, /** @type {string} */ name, /** @type {string} */ time) => [`Call ${count}`, name, time].filter(Boolean).join(" · "),
    file: (/** @type {string} */ name) => `From the file ${name}. What happens here is still written down.`, back: "Back to this page's events", dismiss: "Dismiss",
    notLoaded: (/** @type {string} */ name, /** @type {string} */ why) => `${name} cannot be shown. ${why}`, tooLarge: (/** @type {number} */ most) => `It is larger than ${most} MB.`, unreadable: "The browser could not read it.",
    line: (/** @type {number} */ line, /** @type {string} */ why) => `Line ${number(line)} ${why}.`,
    faults: {
      notJson: "is not JSON", notObject: "is not an object", noTime: "has no “at”: a number of milliseconds", noDirection: "has no “direction”: in, out or http", noEvent: "has no “event”", nothing: "is the only one, and is empty",
    },
    copied: (/** @type {number} */ count) => `${number(count)} copied`, notCopied: "Copying is not allowed here", saved: (/** @type {number} */ count) => `${number(count)} saved`,
    detail: "Event", pin: "Pin", unpin: "Unpin", pinned: "Pinned", edit: "Edit and send", close: "Close", joined: "joined", events: "events",
    when: (/** @type {string} */ how, /** @type {string} */ seconds) => `${how} at ${seconds} s`, folded: (/** @type {number} */ count, /** @type {string} */ seconds) => `${count} deltas until ${seconds} s`,
    compose: "Compose", functions: "Tools", waiting: (/** @type {number} */ count) => `Function calls that wait for a result: ${count}`,
  },
  families: { http: "HTTP", session: "Session", input: "Input", item: "Item", response: "Response", output: "Output", tool: "Tool", error: "Error", other: "Other" },
  gist: {
    noAnswer: "no answer", answered: (/** @type {number} */ status, /** @type {number} */ ms) => `${status} in ${ms} ms`, noTurns: "no turn detection",
    tools: (/** @type {number} */ count) => `${count} ${count === 1 ? "tool" : "tools"}`, tokens: (/** @type {number} */ taken, /** @type {number} */ made) => `${taken} tokens in, ${made} out`,
    remaining: (/** @type {string} */ name, /** @type {number} */ left, /** @type {number} */ limit) => `${name}: ${left} of ${limit}`, atSeconds: (/** @type {string} */ seconds) => `at ${seconds} s`,
  },
  compose: {
    heading: "Compose an event", preset: "Preset", json: "Event as JSON", send: "Send event", answer: "Answer", closed: "Not connected. Connect first, then send.",
    notJson: (/** @type {string} */ why) => `Not valid JSON: ${why}`, notObject: "Not an event: a JSON object is needed.", noType: "An event needs a “type”, a text.", badId: "“event_id” must be a text.",
    sent: (/** @type {string} */ id, /** @type {string} */ wanted) => `Sent as ${id}; waiting for ${wanted}.`, sentOnly: (/** @type {string} */ id) => `Sent as ${id}. Nothing answers it, unless it is refused.`,
    answered: (/** @type {string} */ type, /** @type {number} */ ms) => `${type} after ${ms} ms`, refused: (/** @type {string} */ why) => `Refused: ${why}`, noReason: "no reason given",
    late: (/** @type {string} */ wanted) => `No ${wanted} within 5 seconds. Look among the events.`, over: "The call ended before there was an answer.",
    presets: {
      session: "session.update", tool: "session.update: a tool", item: "conversation.item.create", system: "conversation.item.create: system", response: "response.create", outOfBand: "response.create: beside the conversation",
      cancel: "response.cancel", commit: "input_audio_buffer.commit", clearInput: "input_audio_buffer.clear", clearOutput: "output_audio_buffer.clear",
      retrieve: "conversation.item.retrieve", truncate: "conversation.item.truncate", remove: "conversation.item.delete",
    },
  },
  functions: {
    heading: "Tools", waiting: "Waiting for a result", none: "No function call waits. Give the session one, ask for the weather, and the model calls it: its calls are answered here.", example: "Compose a session with a tool",
    result: (/** @type {string} */ name) => `Result of ${name}, as JSON`, send: "Send result", always: "Send, now and always", notJson: (/** @type {string} */ why) => `Not valid JSON: ${why}`, notSent: "The call is over.",
    rules: "Rules", rulesHint: "Answered at once. Kept until the page is closed.", function: "Function", gives: "Gives back, as JSON", add: "Add rule", noName: "Name a function.", remove: (/** @type {string} */ name) => `Remove the rule for ${name}`,
    answered: "Answered", by: { hand: "by hand", rule: "by rule" }, unanswered: "not answered: the call ended", resting: "Rules have answered eight times in a row and rest: the session may require a call each time. Answer by hand to go on.",
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

/** @param {number} value */
function number(value) {
  return value.toLocaleString("en");
}
