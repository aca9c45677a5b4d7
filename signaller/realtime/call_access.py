"""Who may see a call: whoever holds its token, the caller it belongs to, and the master key."""

import re
from dataclasses import dataclass

from signaller.errors import CallNotFound
from signaller.logs import Line
from signaller.model import Caller, CallFacts, EndedBy, Evidence
from signaller.ports import Callers
from signaller.realtime.call_records import CallRecord, SealedBook
from signaller.tokens.tokens import PREFIX, Tokens

CALL_ID = re.compile(r"rtc_[A-Za-z0-9_-]{24}")
"""As they are made; the store is not asked for anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks about a call: one of the two is set."""

    grant_id: str | None = None
    """Of the token that was brought."""
    caller: Caller | None = None

    def may_touch(self, facts: CallFacts) -> bool:
        """Whether the call is theirs."""
        if self.caller is None:
            return self.grant_id is not None and self.grant_id == facts.grant_id
        return self.caller.is_master or self.caller.name == facts.caller

    @property
    def ends_as(self) -> EndedBy:
        """Who it was that ended a call, should they."""
        if self.caller is None:
            return "client"
        return "operator" if self.caller.is_master else "caller"


class CallAccess:
    """Finds calls for those who may know of them."""

    def __init__(self, *, callers: Callers, tokens: Tokens, book: SealedBook) -> None:
        self._callers = callers
        self._tokens = tokens
        self._book = book

    async def asker(self, evidence: Evidence, line: Line) -> Asker:
        """Who asks. An expired token still proves whose call it began.

        Raises InvalidApiKey and its like, and TokenRejected.
        """
        secret = evidence.secret
        if secret is not None and secret.reveal().startswith(PREFIX):
            claims = self._tokens.read(secret, even_if_expired=True)
            line.add(grant=claims.grant_id)
            return Asker(grant_id=claims.grant_id)
        caller = await self._callers.identify(evidence)
        line.add(by=caller.name)
        return Asker(caller=caller)

    async def find(self, evidence: Evidence, call_id: str, line: Line) -> CallRecord:
        """The call, for whoever may know of it; to all others it is not there.

        Raises what `asker` raises, CallNotFound and StoreUnavailable.
        """
        record, _ = await self.find_for(evidence, call_id, line)
        return record

    async def find_for(
        self, evidence: Evidence, call_id: str, line: Line
    ) -> tuple[CallRecord, Asker]:
        """The same, and who asks."""
        asker = await self.asker(evidence, line)
        record = await self._book.find(call_id) if CALL_ID.fullmatch(call_id) else None
        if record is None:
            raise CallNotFound(param="call_id")
        if not asker.may_touch(record.facts):
            raise CallNotFound(f"call {call_id} is another's", param="call_id")
        facts = record.facts
        line.add(call=facts.id, caller=facts.caller, deployment=facts.deployment_id)
        return record, asker
