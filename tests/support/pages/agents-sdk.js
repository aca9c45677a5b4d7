/** OpenAI's Agents SDK as an application uses it; only the URL is ours. */

import { OpenAIRealtimeWebRTC, RealtimeAgent, RealtimeSession } from "/sdk/openai-realtime-agents.mjs";

/**
 * @param {{callsUrl: string, token: string, model: string}} options
 */
export async function converse({ callsUrl, token, model }) {
  const transport = new OpenAIRealtimeWebRTC({ baseUrl: callsUrl });
  // connect() also resolves when no acknowledgement came within five seconds.
  const acknowledged = new Promise((resolve, reject) => {
    transport.on("*", (event) => {
      if (event.type === "session.updated") resolve(event.session);
      if (event.type === "error") reject(new Error(event.error.message));
    });
  });
  const agent = new RealtimeAgent({ name: "Ada", instructions: "Be brief." });
  const session = new RealtimeSession(agent, { transport, model });
  globalThis.session = session;
  const [, { instructions }] = await Promise.all([session.connect({ apiKey: token }), acknowledged]);
  return { callId: transport.callId, status: transport.status, instructions };
}

/** What the SDK tells a developer when connecting fails. */
export async function failure(options) {
  try {
    await converse(options);
  } catch (error) {
    return error.message;
  }
  throw new Error("it connected");
}

/** Hang up, as the SDK does it. */
export function close() {
  globalThis.session.close();
  return globalThis.session.transport.status;
}
