"""Calls as this service remembers them: a record that somebody else wrote is none of ours.

A record in the store says whose a call is and how it can be ended. Whoever can write to the store
could give themselves another's call, so each record carries a proof made with a key that only the
service has.
"""

import hmac
import logging
import secrets
from collections.abc import Sequence

from msgspec.structs import replace

from signaller.json_writer import write_json
from signaller.jwe import derive
from signaller.model import MAX_CALL_SECONDS, Answer, Call
from signaller.ports import Store
from signaller.secret import Secret
from signaller.tokens import master_bytes

log = logging.getLogger("signaller")


def new_call(
    answer: Answer,
    *,
    grant_id: str | None,
    deployment_id: str,
    credential: str,
    caller: str,
    model: str,
    now: float,
) -> Call:
    """A call that the provider has just answered."""
    return Call(
        id=f"rtc_{secrets.token_urlsafe(18)}",
        provider_call_id=answer.provider_call_id,
        grant_id=grant_id,
        deployment_id=deployment_id,
        credential=credential,
        caller=caller,
        model=model,
        started_at=int(now),
        deadline=int(now) + MAX_CALL_SECONDS,
        ended=False,
    )


class CallBook:
    """Proves and checks the store's records of calls; the first key of the ring proves."""

    def __init__(self, store: Store, ring: Sequence[Secret]) -> None:
        self._store = store
        self._keys = [derive(master_bytes(master), "call records") for master in ring]

    async def put(self, call: Call) -> None:
        """Remember a call until its deadline. Raises StoreUnavailable."""
        await self._store.put_call(replace(call, proof=_proof(self._keys[0], call)))

    async def find(self, call_id: str) -> Call | None:
        """The call; None when it is unknown, past its deadline, or was changed by somebody else.

        Raises StoreUnavailable.
        """
        call = await self._store.get_call(call_id)
        if call is None:
            return None
        # The id asked for rules: a good record may have been copied to another's place.
        asked = replace(call, id=call_id)
        given = call.proof.encode()
        if any(hmac.compare_digest(given, _proof(key, asked).encode()) for key in self._keys):
            return call
        log.error("a call's record was not made here", extra={"fields": {"call": call_id}})
        return None


def _proof(key: bytes, call: Call) -> str:
    return hmac.digest(key, write_json(replace(call, proof="")), "sha256").hex()
