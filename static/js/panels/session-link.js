/** The session in the page's address: read when a link is followed, written as the session changes. */

import { linkTo, readLink } from "../session/link.js";

/**
 * @param {import("../hub.js").Hub} hub
 * @param {() => import("../hub.js").Session} wanted
 * @param {(link: NonNullable<ReturnType<typeof readLink>>) => void} open
 */
export function SessionLink(hub, wanted, open) {
  let standing = ""; // the hash of what stands in the form; it says less, so it is not read again
  let waits = false;
  /** @type {ReturnType<typeof readLink>} followed in a call */
  let missed = null;
  addEventListener("hashchange", follow);

  /** What a link asks for replaces what stands there; in a call, once that is over. */
  function follow() {
    const link = location.hash === standing ? null : readLink(location.hash);
    if (waits && (link || location.hash === standing)) missed = link;
    if (waits || !link) return;
    standing = location.hash;
    open(link);
  }

  /** In the address, not in the history. */
  function keep() {
    standing = linkTo(wanted());
    if (!location.hash.startsWith("#/calls")) history.replaceState(history.state, "", standing);
    hub.emit("link", standing);
    return standing;
  }

  return {
    follow, keep,
    /** @param {boolean} now */
    wait(now) {
      waits = now;
      if (waits || !missed) return;
      const link = missed;
      missed = null;
      open(link);
      keep();
    },
  };
}
