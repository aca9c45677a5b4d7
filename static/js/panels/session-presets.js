/** Sessions worth trying, by the name of their button. Knows no DOM. */

/** @type {Readonly<Record<string, object>>} */
export const PRESETS = Object.freeze({
  "Short answers": { type: "realtime", instructions: "Answer in one short, friendly sentence." },
  Interpreter: { type: "realtime", instructions: "Repeat everything you hear in French. Say nothing else." },
  Voice: { type: "realtime", audio: { output: { voice: "marin" } } },
  "Transcribe me": { type: "realtime", audio: { input: { transcription: { model: "gpt-4o-mini-transcribe" } } } },
  "Patient turns": { type: "realtime", audio: { input: { turn_detection: { type: "semantic_vad", eagerness: "low" } } } },
  "Text only": { type: "realtime", output_modalities: ["text"] },
});
