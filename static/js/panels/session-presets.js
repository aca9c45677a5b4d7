/** Sessions worth trying, by their names in `words.session.presetNames`. Knows no DOM. */

export const PRESETS = Object.freeze({
  short: { type: "realtime", instructions: "Answer in one short, friendly sentence." },
  interpreter: { type: "realtime", instructions: "Repeat everything you hear in French. Say nothing else." },
  voice: { type: "realtime", audio: { output: { voice: "marin" } } },
  transcribe: { type: "realtime", audio: { input: { transcription: { model: "gpt-4o-mini-transcribe" } } } },
  patient: { type: "realtime", audio: { input: { turn_detection: { type: "semantic_vad", eagerness: "low" } } } },
  text: { type: "realtime", output_modalities: ["text"] },
});
