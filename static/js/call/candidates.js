/** The ways to a side that its SDP names. Knows no DOM. */

/** @typedef {{type: string | null, protocol: string | null, address: string | null}} Candidate type: host, srflx, relay or prflx */

/**
 * @param {string} sdp
 * @returns {Candidate[]} each once, however many sections name it
 */
export function candidatesOf(sdp) {
  const found = sdp.matchAll(/^a=candidate:\S+ 1 (\S+) \d+ (\S+) (\d+) typ (\w+)/gmu);
  const each = [...found].map(([, protocol = "", address = "", port = "", type = ""]) => ({ type, protocol: protocol.toLowerCase(), address, port }));
  const once = new Map(each.map((one) => [Object.values(one).join(" "), one]));
  return [...once.values()].map(({ type, protocol, address }) => ({ type, protocol, address }));
}
