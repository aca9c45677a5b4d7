/** The browser flow of LiteLLM's documentation: no SDK, two requests, one data channel. */

/**
 * @param {{baseUrl: string, key: string, model: string}} options
 */
export async function converse({ baseUrl, key, model }) {
  const minted = await fetch(`${baseUrl}/v1/realtime/client_secrets`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ model }),
  });
  const token = (await minted.json()).client_secret.value;

  const peer = new RTCPeerConnection();
  globalThis.peer = peer;
  const speaker = document.createElement("audio");
  speaker.autoplay = true;
  peer.ontrack = ({ streams }) => { speaker.srcObject = streams[0]; };
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  peer.addTrack(microphone.getTracks()[0]);
  const channel = peer.createDataChannel("oai-events");
  const updated = new Promise((resolve, reject) => {
    channel.addEventListener("message", ({ data }) => {
      const event = JSON.parse(data);
      if (event.type === "session.updated") resolve(event.session);
      if (event.type === "error") reject(new Error(event.error.message));
    });
  });
  channel.addEventListener("open", () => {
    channel.send(JSON.stringify({ type: "session.update", session: { type: "realtime", instructions: "Be brief." } }));
  });

  await peer.setLocalDescription(await peer.createOffer());
  const answered = await fetch(`${baseUrl}/v1/realtime/calls`, {
    method: "POST",
    body: peer.localDescription.sdp,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" },
  });
  await peer.setRemoteDescription({ type: "answer", sdp: await answered.text() });

  const { instructions, model: served } = await updated;
  return { status: answered.status, token, channel: channel.readyState, instructions, served };
}
