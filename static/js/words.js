/** Every text of the page, what its own errors say included. */

export const words = tables({
  views: { setup: "Setup", talk: "Talk", steps: "Steps", events: "Events", health: "Health", usage: "Usage", token: "Token", code: "Code", session: "Update", more: "More" },
  pages: {
    label: "Pages", talk: "Tester", calls: "Calls",
    titles: { talk: "signaller: talk to a realtime model", calls: "signaller: calls" },
  },
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
    left: (/** @type {string} */ time) => `${time} left`, costHint: "What the call has cost so far, by the service's account",
  },
  states: {
    idle: "Ready", connecting: "Connecting", listening: "Listening", you: "You are speaking", model: "Model is speaking",
    muted: "Muted", interrupted: "Reconnecting", ended: "Ended", failed: "Could not connect",
  },
  details: {
    idle: "Press Connect and speak.", idleWithoutKey: "Enter the service's key, then connect.",
    listening: "Speak, or write a message.", withoutMicrophone: "No microphone: write a message.", you: "The model waits for you.",
    model: "Speak to interrupt.", modelMuted: "Muted: the model does not hear you.", muted: "The model does not hear you.", held: "Hold Talk or Space to speak.",
    interrupted: "Waiting for the network.", waited: (/** @type {number} */ seconds) => ` ${seconds} s`, byUs: "You hung up", lost: "The connection was lost",
    /** `client` is also what the service calls an end that it cannot tell from the page's own hang up, which the page can. */
    enders: {
      unknown: "by the other side", client: "by the other side", caller: "by the caller's key", operator: "by the operator", length: "longest call", idle: "no answer for too long",
      replay: "token used again", drift: "session changed", supervision: "nobody watched", provider: "by the provider",
    },
    afterBy: (/** @type {string} */ time, /** @type {string} */ ender) => `after ${time}: ${ender}`,
    after: (/** @type {string} */ what, /** @type {string} */ time) => `${what} after ${time}`,
  },
  setup: {
    heading: "Session", demo: "Demo: everything runs and stays on this machine, at no charge.",
    key: "Key", keyPlaceholder: "This service's key", keyHint: "Kept in this page's memory only.", keyMissing: "Enter this service's key first.",
    show: "Show", hide: "Hide", showKey: "Show the key",
    intro: "Sent with the token. What is empty is left to the provider.", fixed: "In a call these are fixed; they are sent with the next one.",
    json: "JSON", jsonHint: "The session as JSON, or as a form", copyLink: "Copy link", copyLinkHint: "An address that opens the page with this session, without the key", more: "More",
    modelMissing: "Name a model first.", noModel: "None", kept: "As the JSON says", example: "Add an example", asJson: "Session as JSON",
    names: {
      model: "Model", voice: "Voice", instructions: "Instructions", turns: "Turn detection", threshold: "Threshold", silence: "Silence", prefix: "Prefix", eagerness: "Eagerness",
      transcription: "Transcription", language: "Language", output: "Output", reasoning: "Reasoning effort", tools: "Tools",
    },
    placeholders: {
      model: "such as gpt-realtime", voice: "the model's default", instructions: "How the model should speak and behave, in your own words.", threshold: "0.5", silence: "500", prefix: "300",
      transcription: "none", language: "any", tools: "A list of functions, as JSON.",
    },
    hints: { threshold: "0 to 1", silence: "in ms", prefix: "in ms", eagerness: "How soon the model answers.", transcription: "A model that writes down what you say.", language: "Such as en or de." },
    turnHints: { server_vad: "A pause ends your turn.", semantic_vad: "What you say tells when you are done.", off: "Nothing ends a turn: commit it yourself, or write." },
    /** What is chosen, in words; "" leaves it to the provider. */
    choices: {
      turns: { "": "The provider's choice", server_vad: "By silence (server_vad)", semantic_vad: "By meaning (semantic_vad)", off: "Off" },
      eagerness: { "": "The provider's choice", low: "Low", medium: "Medium", high: "High", auto: "Auto" },
      output: { "": "The provider's choice", audio: "Sound", text: "Text only" },
      reasoning: { "": "The provider's choice", minimal: "Minimal", low: "Low", medium: "Medium", high: "High" },
    },
    complaints: {
      threshold: "Only 0 to 1.", milliseconds: "A whole number.", choice: (/** @type {string} */ options) => `Choose one of ${options}.`,
    },
    link: {
      left: (/** @type {string[]} */ what) => `Left out of the link: ${what.join(" ")}`, more: "And more.", unknown: (/** @type {string} */ name) => `“${name}” is no setting.`,
      broken: (/** @type {string} */ name, /** @type {string} */ why) => `“${name}”: ${why}`, idle: (/** @type {string} */ name) => `“${name}” does not go with the others.`,
      noModel: (/** @type {string} */ name) => `There is no model “${name}” here.`, secret: (/** @type {number} */ number, /** @type {string} */ member) => `Tool ${number} came without its ${member}: no link carries it.`,
    },
  },
  json: {
    place: (/** @type {number} */ line, /** @type {number} */ column, /** @type {string} */ wanted, /** @type {string} */ found) => `Line ${line}, column ${column}: ${wanted} should stand here, ${found}.`,
    wanted: { value: "a value", name: "a name in double quotes", colon: "a colon", object: "a comma or “}”", list: "a comma or “]”", nothing: "nothing more" },
    found: (/** @type {string} */ what) => `not “${what}”`, end: "but it ends", openText: "but this one is not closed in its line, or holds a wrong “\\”",
    tooDeep: (/** @type {number} */ most) => `It is nested too deeply: more than ${most} levels.`,
    tooLarge: (/** @type {string} */ number) => `“${number}” is too large a number: it would arrive as another one. A text, in double quotes, arrives as it is.`,
    notSession: "A session is an object: {…}.", notText: (/** @type {string} */ name) => `“${name}” has to be a text, in double quotes.`, notList: "Tools are a list: […].", tool: (/** @type {number} */ number, /** @type {string} */ why) => `Tool ${number}: ${why}`,
    notTool: "an object is needed.", noType: "“type” is missing.", noName: "“name” is missing.",
  },
  faults: {
    open: "See it fail", label: "Faults", off: "Turn off", failed: "It was not switched: is the demo still running?",
    named: faultNamed, on: (/** @type {string[]} */ on) => `Fault on: ${on.map(faultNamed).join(", ")}`,
    names: { expired_token: "Expired token", provider_500: "Provider fails", udp_blocked: "UDP blocked", slow_answer_seconds: "Slow answer", dead_sideband: "Dead sideband" },
    none: "Switch one on, connect, and see it explained. The next calls meet it, until it is switched off.",
    shown: {
      expired_token: "Tokens are a day old when they come back to the service: it refuses them at Answer.",
      provider_500: "The provider answers every call with 500, so Answer fails. The token is not spent by it.",
      udp_blocked: "Nothing comes through the network: ICE tries for some 15 seconds, then gives up.",
      slow_answer_seconds: "The provider takes half a minute, and the service waits ten seconds: Answer ends with a 504.",
      dead_sideband: "The call goes well, but the service's watch hears nothing of it: after some 20 seconds Usage says so, and counts less than this page.",
    },
  },
  devices: {
    heading: "Devices", names: { microphone: "Microphone", speaker: "Speaker" },
    standing: {
      unasked: "The microphone has not been allowed yet: until then devices have no names.", allowed: "The microphone is allowed.",
      refused: "The microphone is refused. Allow it for this page in the address bar, and in the system's privacy settings.",
      none: "No microphone was found. Plug one in, and it appears here.", insecure: "Browsers give the microphone to secure pages only: open this page over https, or as http://localhost.",
    },
    allow: "Allow microphone", system: (/** @type {string} */ label) => (label ? `Default: ${label}` : "System default"),
    fixedSpeaker: "This browser plays on the system's own speaker. Choose it in the system's settings.",
    gone: (/** @type {string} */ what, /** @type {string} */ label) => `${what} ${label || "that was chosen"} is not there: the system default is used.`,
    back: (/** @type {string} */ what, /** @type {string} */ label) => `${what} ${label} is back, and used again.`,
    test: "Test microphone", stop: "Stop the test", level: "Microphone level",
    heard: { opening: "", listening: "Say something.", heard: "We hear you.", silence: "We hear nothing. Speak up, look for its switch, or choose another one.", untold: "The browser does not tell how loud it is. Is there a speaker?", live: "In a call its level is under Talk." },
    failed: "It cannot be opened. Close other programs that use it, or choose another one.",
    tone: "Play a tone", playing: "Playing.", played: (/** @type {string} */ label) => `Played on ${label}.`, notPlayed: "Nothing was played. Is there a speaker?", playedElsewhere: "That speaker cannot be used: played on the system default.",
    systemSpeaker: "the system default",
    processing: "Your voice, before it is sent", switches: { echoCancellation: "Echo cancellation", noiseSuppression: "Noise suppression", autoGainControl: "Automatic gain" },
    otherwise: (/** @type {string[]} */ names) => `Not as chosen, by the browser's own decision: ${names.join(", ").toLowerCase()}.`,
  },
  milliseconds,
  levels: {
    you: "You", model: "Model", names: { you: "Sound sent", model: "Sound received" }, volume: "Volume",
    answer: (/** @type {number} */ ms) => `Answered after ${milliseconds(ms)}`,
  },
  transcript: {
    heading: "Conversation", label: "Transcript of both sides", empty: "What both sides say will be written down here.", you: "You", model: "Model",
    unheard: { speaking: "speaking", untranscribed: "spoken, not transcribed", failed: "spoken, transcription failed" }, play: "Play the model's voice",
    answered: (/** @type {number} */ ms) => `answered after ${milliseconds(ms)}`, tokens: (/** @type {number} */ count) => `${count.toLocaleString("en")}\u00a0tokens`,
    interrupted: (/** @type {number | null} */ ms) => (ms === null ? "interrupted" : `interrupted after ${(ms / 1000).toFixed(1)}\u00a0s`),
  },
  summary: {
    heading: "The call", length: "Length", turns: "Turns", median: "Answer", medianOf: "median", tokens: "Tokens", none: "–",
    turnsOf: (/** @type {number} */ you, /** @type {number} */ model) => `${you} yours, ${model} the model's`,
    interrupted: (/** @type {number} */ count) => `${count} interrupted`, tokensOf: (/** @type {number} */ input, /** @type {number} */ output) => `${input.toLocaleString("en")} in, ${output.toLocaleString("en")} out`,
    ended: (/** @type {string} */ why) => `${why}.`, endedBy: (/** @type {string} */ ender) => `Ended: ${ender}`, text: "Save transcript", json: "Save as JSON", sound: "Save sound", preparing: "Preparing the sound",
    noSound: "This browser cannot record: there is no sound to save.", empty: "No sound was recorded.", kept: "You left, the model right. Kept in this page until the next call.",
  },
  health: {
    verdicts: { good: "Good", fair: "Fair", poor: "Poor" }, none: "Connect: figures come once a second.", first: "Measuring.", over: "The call is over. This is how its last seconds were.",
    well: "Nothing stands between you and the model.",
    because: {
      roundTrip: (/** @type {string} */ value) => `The network takes ${value} there and back: answers come late, and you talk over each other.`,
      jitter: (/** @type {string} */ value) => `Packets come unevenly, by ${value}: the sound is held back to smooth it, or breaks up.`,
      loss: (/** @type {string} */ value) => `${value} of the model's sound is lost: words are missing, or sound metallic.`,
      lossSent: (/** @type {string} */ value) => `${value} of your sound is lost: the model may not understand you.`,
      buffer: (/** @type {string} */ value) => `Sound waits ${value} in the browser before it is played: the line was uneven, or this machine is busy.`,
    },
    charts: { roundTrip: "Round trip", jitter: "Jitter", loss: "Loss", bitrate: "Bitrate", buffer: "Jitter buffer", level: "Level" },
    sides: { received: "received", sent: "sent" }, unknown: "–",
    path: { local: "Here", remote: "There", protocol: "Protocol", codec: "Codec" },
    summary: (/** @type {string} */ name, /** @type {string} */ now, /** @type {string} */ median, /** @type {string} */ most, /** @type {string} */ grade) => `${name}: now ${now}, median ${median}, highest ${most}.${grade}`,
    bands: (/** @type {string} */ good, /** @type {string} */ poor) => `good up to ${good}, poor above ${poor}`,
    failed: "The charts could not be loaded from this service.",
  },
  message: { label: "Message", send: "Send", open: "Write a message", closed: "Connect to write a message" },
  steps: {
    names: {
      key: "Key", microphone: "Microphone", token: "Token", offer: "Offer", answer: "Answer", apply: "Apply", ice: "ICE", dtls: "DTLS",
      "data-channel": "Channel", "session-created": "session.created", "first-audio": "First audio",
    },
    states: { pending: "not started", active: "under way", done: "done", failed: "failed", lost: "lost", skipped: "skipped" },
    /** What a step that is under way waits for. */
    waiting: { microphone: "Allow the microphone when the browser asks.", "first-audio": "Speak, or write a message." },
    givesUp: (/** @type {number} */ seconds) => `gives up in ${seconds} s`, interrupted: "Interrupted: waiting for the network.",
    candidates: { local: "Yours", remote: "Provider's", none: "none yet" }, notReached: (/** @type {string} */ names) => `Not reached: ${names}`,
    tenTimes: "Connect 10 times", save: "Save diagnostics",
    gateway: "Gateway", provider: "Provider", network: "Network", ready: "Ready in", callId: "Call id", noCall: "none yet", copyId: "Copy the call id",
    apart: (/** @type {string} */ gateway, /** @type {string} */ provider, /** @type {string} */ network) => `gateway ${gateway} · provider ${provider} · network ${network}`,
  },
  hearing: {
    open: "I hear nothing", heading: "I hear nothing", close: "Close", listening: "Listening for three seconds: say something.",
    tests: {
      microphone: "Microphone on", level: "Your voice reaches this page", sent: "Sound goes out", received: "Sound comes in", heard: "There is something in it",
      playing: "This page plays it", output: "There is a speaker for it", started: "The provider says that it speaks",
    },
    verdicts: { good: "yes", bad: "no", skipped: "not tested: no microphone in this call, or the browser does not tell", untested: "" },
    whys: {
      noCall: "There is no call. Connect first, then look again.", allGood: "All eight are in order. Look at the speaker's own volume, and at its plug.",
      muted: "You are muted: the model does not hear you, and so does not answer.", unplugged: "The microphone has gone. Plug it in, then connect again.",
      silenced: "The system gives silence instead of the microphone. Look for its switch, or in the privacy settings.",
      silence: "Nothing was heard from the microphone. Speak up, or choose another one.",
      notSent: "Nothing leaves this browser: the connection is broken.", notReceived: "Nothing arrives from the provider: the connection is broken.",
      nothingInIt: "What arrives is silence: the model has not spoken yet.", notPlaying: "The browser holds the sound back.", turnedDown: "The sound is turned off on this page.",
      noOutput: "The speaker that was chosen is not there.", noSpeaker: "The browser finds no speaker. Plug one in, then test again.", notStarted: "The provider has not said that it began to speak.",
    },
    mends: { connect: "Connect now", unmute: "Unmute", devices: "Choose a device", reconnect: "Connect again", ask: "Ask the model to speak", play: "Play it", output: "Use the system's speaker", again: "Test again" },
  },
  repeat: {
    heading: "Connect 10 times", caption: "Milliseconds that each step took", stop: "Stop", step: "Step", bars: "p50 to p95", p50: "p50", p95: "p95",
    withoutMicrophone: "Without a microphone, which is not allowed yet.",
    progress: (/** @type {number} */ done, /** @type {number} */ all) => `${done} of ${all} calls`,
    done: (/** @type {number} */ all) => `${all} calls, each ended.`, stopped: (/** @type {number} */ done) => `Stopped after ${done}.`,
    failed: (/** @type {number} */ number, /** @type {string} */ title, /** @type {string} */ why) => `Call ${number} failed. ${title}: ${why}`,
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
    noAnswer: "no answer", answered: (/** @type {string} */ status, /** @type {number} */ ms) => `${status} in ${ms} ms`, noTurns: "no turn detection",
    tools: (/** @type {number} */ count) => `${count} ${count === 1 ? "tool" : "tools"}`, tokens: (/** @type {string | number} */ taken, /** @type {string | number} */ made) => `${taken} tokens in, ${made} out`,
    remaining: (/** @type {string} */ name, /** @type {string} */ left, /** @type {string} */ limit) => `${name}: ${left} of ${limit}`, atSeconds: (/** @type {string} */ seconds) => `at ${seconds} s`,
  },
  compose: {
    heading: "Compose an event", preset: "Preset", json: "Event as JSON", send: "Send event", answer: "Answer", closed: "Not connected. Connect first, then send.",
    notObject: "Not an event: a JSON object is needed.", noType: "An event needs a “type”, a text.", badId: "“event_id” must be a text.",
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
    result: (/** @type {string} */ name) => `Result of ${name}, as JSON`, send: "Send result", always: "Send, now and always", notSent: "The call is over.",
    rules: "Rules", rulesHint: "Answered at once. Kept until the page is closed.", function: "Function", gives: "Gives back, as JSON", add: "Add rule", noName: "Name a function.", remove: (/** @type {string} */ name) => `Remove the rule for ${name}`,
    answered: "Answered", by: { hand: "by hand", rule: "by rule" }, unanswered: "not answered: the call ended", resting: "Rules have answered eight times in a row and rest: the session may require a call each time. Answer by hand to go on.",
  },
  session: {
    label: "Session to send with session.update, as JSON", presets: "Presets",
    presetNames: { short: "Short answers", interpreter: "Interpreter", voice: "Voice", transcribe: "Transcribe me", patient: "Patient turns", text: "Text only" },
    send: "Send session.update", intro: "Change the session while you talk.",
    notConnected: "Not connected. Connect first, then send.", sent: "Sent; waiting for session.updated", late: "No session.updated within 5 seconds. Look for an error among the events.",
    updated: (/** @type {number} */ ms) => `session.updated after ${ms} ms`, refused: (/** @type {string} */ why) => `Refused: ${why}`, noReason: "no reason given",
  },
  /** What a failure is, and what to do about it. */
  advice: {
    titles: {
      key: "The key could not be used", microphone: "No microphone", token: "No token", offer: "No offer", answer: "No answer from the provider", apply: "The answer was not understood",
      ice: "No way through the network", dtls: "No secure connection", "data-channel": "No data channel",
      "session-created": "The provider is silent", connection: "The connection was lost", service: "The service does not answer", devices: "The microphone was not changed", hangup: "The hang up was not confirmed", page: "The page could not be set up", part: "This could not be loaded",
    },
    /** In place of "No answer from the provider", where there was one, or nobody has asked it. */
    answers: {
      token_rejected: "The token was refused", upstream_unavailable: "The provider failed",
    },
    microphone: {
      NotAllowedError: ["The microphone was refused.", "Allow it for this page in the address bar (and in the system's privacy settings), then connect again."],
      NotFoundError: ["No microphone was found.", "Plug one in or choose one in the system's sound settings, then connect again."],
      NotReadableError: ["The microphone is there but cannot be opened.", "Close other programs that use it, then connect again."],
      SecurityError: ["Browsers give the microphone to secure pages only.", "Open this page over https, or as http://localhost on this machine."],
    },
    /** In a call that stands. */
    anotherMicrophone: {
      NotAllowedError: "Allow it for this page in the address bar, then choose it again.",
      NotFoundError: "Plug one in: the call takes it by itself. Until then the model hears nothing.",
      NotReadableError: "Close other programs that use it, or choose another one.",
    },
    codes: {
      invalid_api_key: "Check the key: it is this service's key (master_key in its configuration), not the provider's.",
      invalid_jwt: "Get a fresh JWT from your issuer, paste it as the key, and connect again.",
      insufficient_scope: "Ask whoever issues your JWTs for the scope this service requires.",
      model_not_allowed: "Choose another model, or ask the operator to allow this one in your policy.",
      origin_not_allowed: "This page's address is not among the origins of your policy. Open the page that is, or ask the operator to add this one.",
      rate_limit_exceeded: "Your policy allows no more in this minute.",
      issuer_unavailable: "The operator should check jwks_url. Wait a moment and connect again.",
      token_rejected: "Connect again for a fresh token; each starts one call, and soon expires.",
      upstream_secret_refused: "Connect again for a fresh token.",
      model_not_found: "Choose another model, or ask the operator to add this one to model_list.",
      upstream_auth_failed: "Your key is fine. The operator must correct the deployment's api_key.",
      upstream_unavailable: "The provider fails or is over its limits, the service is in order. Try again in a moment.",
      upstream_unreachable: "Try again; if it stays so, the operator should check api_base and the way out to the provider.",
      upstream_disconnected: "Connect again. Nothing was repeated on its own, so that no second call was started.",
      upstream_timeout: "Connect again in a moment. The provider was slow; a call it may have begun ends by itself.",
      upstream_invalid_response: "The operator should check that api_base points at a realtime provider.",
      store_unavailable: "The service lost its store (Redis). Wait a moment and connect again.",
      invalid_offer: "The browser's offer was not accepted. Try another browser, and report this one.",
    },
    /** Where the service's own sentence is for programmers. */
    said: {
      invalid_api_key: "This service does not know the key.",
      token_rejected: "The token is expired, used or not known.",
      upstream_secret_refused: "The provider takes what is behind this token no longer.",
      rate_limit_exceeded: "Too many requests in a minute.",
      too_many_followers: "Too many pages follow the calls already.",
    },
    statuses: {
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
    },
    connection: {
      ice: "Signalling worked, but no audio path opened. A firewall or VPN is probably blocking UDP: try another network, or allow outgoing UDP.",
      dtls: "The network path opened but encryption did not. Turn off VPNs or inspecting firewalls, then connect again.",
      "data-channel": "Audio may work, but events cannot pass. Turn off VPNs or inspecting firewalls, then connect again.",
      "session-created": "The channel is open but the provider is silent. Try a message; if nothing answers, connect again.",
      connection: "Check the network, then connect again.",
      service: "Talk on. Hang up ends your side at once; new calls have to wait until the service is back.",
      hangup: "Your side is closed. The provider ends the call by itself once nothing comes from here.",
      apply: "Something between this page and the provider may change its answers; try another browser, or ask the operator.",
      page: "Check that the service runs, then load the page again.",
    },
    /** Why a call that stood is no more. */
    lost: {
      network: { title: "The connection was lost", message: "ICE disconnected: nothing came through the network any more.", todo: "Check the network, then connect again." },
      service: { title: "The connection was lost", message: "ICE disconnected, and the service does not answer either.", todo: "The network is down, or the service's machine. Connect again once it is back." },
      provider: { title: "The other side ended the call", message: "It closed the channel: for a limit, a hang-up by somebody else, or of its own accord.", todo: "Connect again if you were not done. The bar above says who ended it, once the service has told." },
    },
    /** Where nothing above says it. */
    other: { title: "Something went wrong", todo: "Connect again. If it persists, try another browser.", microphone: "Check the microphone in the system's sound settings, then connect again.", device: "Choose another one." },
    wait: (/** @type {number} */ count) => ` Wait ${count === 1 ? "1 second" : `${count} seconds`}, then try again.`,
    service: "Your call goes on: sound and events go straight to the provider.",
    part: { message: "It comes from the service when it is first used.", todo: "Check that the service is there, then try again. A call goes on without it." },
    timeout: "Nothing came back in time.", network: "Check that the service runs and that you are online, then try again.",
    answerChanged: "Something between this page and the service may change its answers; ask the operator.",
    deviceGone: (/** @type {string} */ kind, /** @type {string} */ label) => ({ title: `The ${kind} has gone`, message: `${label} is no longer there. Your call goes on with the system's own.`, todo: "Once it is back, it is used again." }),
    microphoneLost: (/** @type {string} */ why) => ({ title: "The call has no microphone", message: `${why} The model does not hear you any more.` }),
  },
  failure: {
    answer: "Answer", request: "Request", field: "Field", requestId: "Request id", dismiss: "Dismiss",
    remedies: {
      again: "Try again", reconnect: "Connect again", token: "Get a fresh token", withoutMicrophone: "Connect without a microphone", devices: "Choose another microphone", key: "Correct the key", model: "Choose another model",
      voice: "Choose another voice", instructions: "Correct the instructions", tools: "Correct the tools", turns: "Correct the turn detection", threshold: "Correct the threshold", silence: "Correct the silence",
      prefix: "Correct the prefix", eagerness: "Choose another eagerness", transcription: "Correct the transcription", language: "Correct the language",
      output: "Choose another output", reasoning: "Choose another effort", session: "Correct the session",
    },
  },
  amounts: { unknown: "cost unknown", atLeast: (/** @type {string} */ sum) => `≥ ${sum}` },
  usage: {
    none: "Connect, and see here what the call uses and costs: by the service's account and by this page's.",
    caption: "Tokens of this call, by two accounts", service: "Service", page: "This page", kind: "Counted",
    sofar: "Cost so far", total: "Cost", label: "The account is", watch: "Watch", endsBy: "Ends by", ended: "Ended", nobody: "–", differs: "differs",
    labels: { complete: "complete", partial: "partial", unknown: "unknown" },
    watches: { watched: "attached", lost: "cut off", clock: "none", whole: "to the end" },
    figures: {
      responses: "Responses", input: "Input tokens", inputText: "text", inputAudio: "audio", cached: "of these cached",
      output: "Output tokens", outputText: "text", outputAudio: "audio", transcribed: "Transcription tokens", transcribedSeconds: "seconds of sound",
    },
    why: {
      unread: "The service has not told its account yet.",
      unheard: "The service has heard nothing of this call yet. Where supervision is off, it never will: then only this page counts.",
      unwatched: "Nobody listened to this call for the service, so it knows neither usage nor cost: supervision was off. Only this page has counted.",
      same: "Both accounts agree.",
      behind: "They differ for now: the service writes its account down every few seconds, this page counts at once.",
      gaps: "They differ: for a while the service's watch was cut off, and this page heard what it missed.",
      more: "They differ: the service heard more. What ends after the hang up no longer reaches this page.",
      less: "They differ: this page heard more than the service.",
    },
    silent: "The service did not answer when it was asked last. The call does not need it: it goes on.",
    seconds: (/** @type {number} */ value) => `${value} s`,
  },
  token: {
    none: "A token starts one call. Connect, or get one to look at, without a call.", get: "Get a token", revoke: "Revoke", again: "Use it again",
    name: "Token", id: "Token id", caller: "Caller", origins: "Origins", uses: "Uses left", metadata: "Metadata", terms: "Terms", callsUrl: "Takes offers at", model: "Model",
    any: "any page", noMetadata: "none", untold: "not told", expiresAt: (/** @type {string} */ time) => `expires at ${time}`, expiredAt: (/** @type {string} */ time) => `expired at ${time}`, noExpiry: "nobody said when it expires",
    states: { unused: "Not used yet", used: "Spent", left: "Used, and good for more", revoked: "Revoked", expired: "Expired" }, usedByCall: "Spent by this call",
    /** States in which it starts no more calls, for the ring, where a token that is good has its time. */
    spent: { used: "spent", revoked: "revoked", expired: "expired" },
    late: "The call was faster than the question: of a spent token the service says no more.",
    notLooked: "The service did not say what it knows of this token.", notRevoked: "It was not revoked.",
    revokeHint: "It starts no more calls. One that has begun goes on.",
    againHint: "Posts an offer with the spent token. It should be refused. If the caller's policy says on_replay: hangup, it also ends the call.",
    againUnused: "Possible once it is spent or revoked.",
    untried: "What the service answers will stand here.", asked: "Asking …", refused: "Refused, as it should be", begun: "A second call began, and was ended at once: the token had a use left.", failed: "It could not be tried.",
    answer: (/** @type {number} */ status, /** @type {string} */ code) => `${status} ${code}`,
    counted: (/** @type {number} */ before, /** @type {number} */ after) => `The operator sees: signaller_replays_total ${before} → ${after}, and a log line “replay” with caller and token id.`,
    uncounted: "The operator sees one more in signaller_replays_total, and a log line “replay” with caller and token id.",
    notCounted: "No replay: a token that was taken back or has expired is refused as one that is not known.",
  },
  code: {
    examples: "Languages", copy: "Copy the code", label: "Code", intro: "With the settings of the session form. The key stays out: export SIGNALLER_MASTER_KEY, with the master key or with a caller's own.",
    languages: { curl: "curl", browser: "Browser", node: "Node", python: "Python", swift: "Swift", kotlin: "Kotlin", dart: "Dart", native: "React Native" },
    failed: "The example could not be loaded: the service does not answer.",
  },
  shortcuts: {
    open: "Keyboard shortcuts", heading: "Keyboard shortcuts", close: "Close",
    keys: { Space: "Hold to talk", M: "Mute, or not", I: "Interrupt the model", H: "Hang up", "?": "Show these" },
    note: "In a call, while nothing is typed.",
  },
  operators: {
    title: "Calls", list: "List of calls", more: "Show earlier calls", clearEnded: "Clear ended", reading: "Reading the calls.",
    callNamed: (/** @type {string} */ id) => `call ${id}`,
    /** Its end: many begin alike. */
    shortId: (/** @type {string} */ id) => `…${id.slice(-6)}`,
    gate: {
      intro: "Live calls as they happen, and those that have ended. The master key shows all of them, a caller's key that caller's own.",
      key: "Master key or a caller's key", hint: "Kept in this page's memory only.", show: "Show the calls", missing: "Enter a key first.",
    },
    feed: {
      connecting: "Connecting", following: "Following", refused: "Not available", retry: "Try now",
      waiting: (/** @type {number} */ seconds) => `Cut off, again in ${seconds} s`,
    },
    filters: { label: "Filters", status: "Status", caller: "Caller", model: "Served model", anyCaller: "any caller", anyModel: "any model" },
    columns: { caller: "Caller", model: "Model", age: "Age", endsBy: "Ends by", ended: "Ended", cost: "Cost", supervision: "Supervision", status: "Status", action: "Hang up" },
    statuses: { live: "Live", ended: "Ended", unknown: "Unknown", ending: "Ending" },
    none: { live: "No live call. Whoever begins one appears here at once.", ended: "No call has ended that is still kept.", unknown: "No call of which nobody knows what became." },
    noMatch: "No live call matches the filters.", noExactMatch: "No call of this caller and model. Both names have to be exact here.",
    count: (/** @type {number} */ seen, /** @type {number} */ all) => (seen === all ? "" : `${seen} of ${all} shown`), listed: (/** @type {number} */ count) => `${count} shown`,
    countEnded: (/** @type {number} */ live, /** @type {number} */ ended) => `${live} live, ${ended} ended meanwhile`,
    sum: (/** @type {number} */ live, /** @type {string} */ cost) => `${live} live${cost && ` · ${cost}`}`,
    inTime: (/** @type {string} */ time) => `in ${time}`, overdue: "due now",
    costs: { unknown: "cost unknown", partial: "partial: something may be missing" },
    supervision: { watched: "Watched", lost: "Watch lost", clock: "Clock only" },
    gaps: (/** @type {number} */ count) => (count === 1 ? "1 gap" : `${count} gaps`), warned: "warned", drifted: "session changed",
    endedBy: (/** @type {string} */ by) => `Ended: ${by}`,
    enders: { client: "client", caller: "caller's key", operator: "operator", length: "longest call", idle: "silence", replay: "replay", drift: "session changed", supervision: "no watch", provider: "provider" },
    hangUp: {
      ask: "Hang up", sure: "Hang up now", keep: "Keep", question: "Hang up this call?", sending: "Hanging up",
      refusals: {
        hangup_unconfirmed: "Not confirmed yet: asked again until it is", call_id_not_found: "Not known any more", store_unavailable: "The store is gone: try again",
      },
    },
    record: {
      title: "Record of a call", none: "Choose a call to see its record as it changes.", notKnown: "This call is not known here, or not to this key.",
      close: "Close the record", copyId: "Copy the id", json: "As JSON", fields: "Fields of the record", noMetadata: "none", noneOf: "none", unknown: "unknown", uncounted: "unknown: nobody counted", stillOpen: "still open",
      endingBy: (/** @type {string} */ by, /** @type {string} */ since) => `asked for by ${by}, ${since}`,
      sections: { call: "Call", cost: "Cost", usage: "Usage", supervision: "Supervision", metadata: "Metadata" },
      names: {
        id: "Id", caller: "Caller", model: "Model", deployment: "Deployment", started: "Started", lasted: "Lasts", endsBy: "Ends by", left: "Time left", ending: "Ending", ended: "Ended", endedBy: "Ended by",
        cost: "Cost", label: "Label", supervision: "Watch", gaps: "Gaps", warnings: "Warnings", drift: "Changes",
      },
      usage: {
        responses: "Responses", input_tokens: "Input", output_tokens: "Output", input_token_details: "Input", output_token_details: "Output", transcription: "Transcription",
        text_tokens: "text", audio_tokens: "audio", image_tokens: "image", cached_tokens: "cached", cached_tokens_details: "cached", tokens: "tokens", seconds: "seconds",
      },
    },
    band: {
      label: "How the service stands", unreachable: "Not reachable", serviceGone: "The service does not answer.",
      names: { deployments: "Deployments", store: "Store", replays: "Replays", live: "Live calls" },
      kinds: { redis: "Redis", memory: "memory of one process" },
      serving: (/** @type {number} */ count) => (count === 1 ? "1 serves" : `${count} serve`), noneRests: "none rests",
      resting: (/** @type {number} */ resting, /** @type {number} */ all) => `${resting} of ${all} rest`,
      rests: (/** @type {string} */ model, /** @type {string} */ time) => `${model} for ${time}`,
      answersIn: (/** @type {string} */ ms) => `${ms} ms`, replaysSince: "this replica, since it began", everywhere: "of all replicas, with unknown ones",
    },
  },
  /** What errors of the page's own say. */
  errors: {
    noAnswer: "The service did not answer.", noReason: (/** @type {number | null} */ status) => `The service answered ${status} without a reason.`,
    noToken: "The service's answer holds no token.", noLocation: "The service's answer has no Location, so the call cannot be ended from here.", elsewhere: "The call's Location is at another host.",
    notObject: "The service's answer is not a JSON object.", notCalls: "The service's answer is not a list of calls.", noEvents: "The service's answer holds no events.",
    feed: { ended: "The feed ended.", silent: "The feed fell silent.", cut: "The feed was cut off." },
    noMicrophone: "No microphone could be opened.", insecure: "This page is not in a secure context.", connection: "The connection failed.", waited: (/** @type {number} */ seconds) => `Nothing happened for ${seconds} seconds.`,
  },
  copy: { name: "Copy", done: "Copied", refused: "Not allowed" },
});

/**
 * Frozen, and without a prototype: what comes from elsewhere and is looked up here finds a text of its own, or nothing.
 * @template {object} Table
 * @param {Table} all
 * @returns {Readonly<Table>}
 */
function tables(all) {
  for (const each of Object.values(all)) if (typeof each === "object" && !Array.isArray(each)) tables(each);
  return Object.freeze(Object.setPrototypeOf(all, null));
}

/** @param {string} name a fault of the demo */
function faultNamed(name) {
  return /** @type {Record<string, string>} */ (words.faults.names)[name] ?? name;
}

/** @param {number} value */
function number(value) {
  return value.toLocaleString("en");
}

/** @param {number} ms */
function milliseconds(ms) {
  return ms < 10_000 ? `${Math.round(ms)}\u00a0ms` : `${(ms / 1000).toFixed(1)}\u00a0s`;
}
