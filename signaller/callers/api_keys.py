"""Callers who prove themselves with a key of ours: known by digests only."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from signaller.model import Caller
from signaller.policy import Policy
from signaller.secret import Secret
from signaller.settings import MASTER, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    digest: bytes
    caller: Caller


class ApiKeys:
    """The master key and the keys of `callers`."""

    def __init__(self, settings: Settings) -> None:
        known = tuple(_known(settings))
        self._by_digest = {each.digest: each for each in known}
        self.policies: Mapping[tuple[str, str], Policy] = {
            (each.caller.name, each.caller.credential_id): each.caller.policy for each in known
        }
        """By a caller's name and the id of its key."""

    def __bool__(self) -> bool:
        """Whether there is any key at all."""
        return bool(self._by_digest)

    def caller(self, secret: Secret) -> Caller | None:
        """Whose key this is, in a time that depends neither on the key nor on how many there are.

        What the look-up may tell of a digest tells nothing of the key.
        """
        presented = _digest(secret)
        known = self._by_digest.get(presented)
        if known is None or not hmac.compare_digest(known.digest, presented):
            return None
        return known.caller


def _known(settings: Settings) -> Iterator[_Known]:
    masters = settings.policy
    for entry in settings.callers:
        if entry.name == MASTER:
            masters = entry.policy
            continue
        for digest in entry.key_digests:
            caller = Caller.under(entry.policy, entry.name, _credential_id(digest))
            yield _Known(digest=digest, caller=caller)
    # Last, so that a caller who was given the same key does not take the master's place.
    if settings.master_key:
        digest = _digest(settings.master_key)
        caller = Caller.under(masters, MASTER, _credential_id(digest), is_master=True)
        yield _Known(digest=digest, caller=caller)


def _credential_id(digest: bytes) -> str:
    # It leaves the process in sealed tokens; the digest that a key is known by does not.
    return f"key:{hashlib.sha256(b'signaller credential id ' + digest).hexdigest()[:16]}"


def _digest(secret: Secret) -> bytes:
    # Whatever a header held has some bytes: half of a surrogate pair too.
    return hashlib.sha256(secret.reveal().encode("utf-8", "surrogatepass")).digest()
