"""Lists of calls in OpenAI's form: what may be asked for, and which calls a page has."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from signaller.errors import InvalidRequest, StoreUnavailable, UnknownParameter
from signaller.model import Caller, CallStatus
from signaller.ports import CallBook
from signaller.realtime.call_access import CALL_ID
from signaller.realtime.call_records import CallRecord, CallRecords

MAX_LIMIT, DEFAULT_LIMIT = 100, 20
"""OpenAI's own for lists."""
MAX_TEXT_CHARS = 256
"""No caller's and no model's name is longer."""
MAX_SCANNED = 2000
"""Calls that are looked at for one page where few fit: some 20 reads of the store. A page may then
be shorter than asked for, and says where to go on."""
STATUSES: dict[str, CallStatus] = {name: name for name in get_args(CallStatus)}
PARAMETERS = ("status", "caller", "model", "limit", "after")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQuery:
    """What a list shall hold. None: whatever there is."""

    status: CallStatus | None = None
    caller: str | None = None
    model: str | None = None
    limit: int = DEFAULT_LIMIT
    after: str | None = None
    """The call behind which it begins."""

    def wants(self, record: CallRecord) -> bool:
        """Whether a call has the status that is asked for."""
        return self.status in (None, record.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPage:
    """Calls, those that were begun last first."""

    records: tuple[CallRecord, ...] = ()
    last_id: str | None = None
    """What `after` has to be for the next page."""
    has_more: bool = False

    @property
    def first_id(self) -> str | None:
        """The newest call's."""
        return self.records[0].facts.id if self.records else None


def parse_call_query(given: Iterable[tuple[str, str]]) -> CallQuery:
    """What a URL's query asks for; an empty value asks for nothing.

    Raises InvalidRequest, which names the parameter.
    """
    asked: dict[str, str] = {}
    for name, value in given:
        if name not in PARAMETERS:
            known = ", ".join(PARAMETERS)
            raise UnknownParameter(
                public=f"This parameter is not known here; there are {known}.", param=name[:40]
            )
        if name in asked:
            raise InvalidRequest(public=f"{name} stands twice. Send it once.", param=name)
        if len(value) > MAX_TEXT_CHARS:
            raise InvalidRequest(
                public=f"{name} is longer than {MAX_TEXT_CHARS} characters.", param=name
            )
        asked[name] = value
    return CallQuery(
        status=_status(asked.get("status")),
        caller=asked.get("caller") or None,
        model=asked.get("model") or None,
        limit=_limit(asked.get("limit")),
        after=asked.get("after") or None,
    )


class CallLists:
    """Pages of the calls that somebody may see."""

    def __init__(
        self, *, book: CallBook, records: CallRecords, max_scanned: int = MAX_SCANNED
    ) -> None:
        self._book = book
        self._records = records
        self._max_scanned = max_scanned

    async def page(self, caller: Caller, query: CallQuery) -> CallPage:
        """Calls of the caller's own, or of all for the master key; of others' none.

        Raises InvalidRequest for an `after` that is not known to this caller, and StoreUnavailable.
        """
        whose = query.caller if caller.is_master else caller.name
        if query.after is not None:
            await self._require_known(query.after, caller)
        if query.caller not in (None, whose):
            return CallPage()
        return await self._scan(query, whose)

    async def _scan(self, query: CallQuery, whose: str | None) -> CallPage:
        live = {None: None, "ended": False}.get(query.status, True)
        # Most calls fit, unless a model or the rare status is asked for.
        rare = query.model is not None or query.status == "unknown"
        at_once = MAX_LIMIT if rare else query.limit + 1
        found: list[CallRecord] = []
        at, scanned = query.after, 0
        while scanned < self._max_scanned:
            kept = await self._book.list(caller=whose, live=live, after=at, limit=at_once)
            if kept is None:
                if scanned == 0:
                    raise _unknown_after()
                raise StoreUnavailable("a call was forgotten while its list was read")
            for each in kept:
                if query.model not in (None, each.entry.model):
                    continue
                record = self._records.read(each)
                if record is None or not query.wants(record):
                    continue
                if len(found) == query.limit:
                    return CallPage(records=tuple(found), last_id=found[-1].facts.id, has_more=True)
                found.append(record)
            if len(kept) < at_once:
                last_id = found[-1].facts.id if found else None
                return CallPage(records=tuple(found), last_id=last_id)
            at, scanned = kept[-1].entry.id, scanned + len(kept)
        return CallPage(records=tuple(found), last_id=at, has_more=True)

    async def _require_known(self, after: str, caller: Caller) -> None:
        """Another's call is as unknown as none: nobody learns here whether it is there."""
        kept = await self._book.find(after) if CALL_ID.fullmatch(after) else None
        if kept is None or not (caller.is_master or kept.entry.caller == caller.name):
            raise _unknown_after()


def _unknown_after() -> InvalidRequest:
    return InvalidRequest(
        public="after must be the id of a call of the list that you read; this one is not known "
        "(any more). Begin without it.",
        param="after",
    )


def _status(text: str | None) -> CallStatus | None:
    if not text:
        return None
    if text not in STATUSES:
        expected = ", ".join(STATUSES)
        raise InvalidRequest(public=f"status must be one of {expected}.", param="status")
    return STATUSES[text]


def _limit(text: str | None) -> int:
    if not text:
        return DEFAULT_LIMIT
    # `isdecimal` alone would take digits of other scripts; int() also takes "1_0" and " 1".
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT):
        raise InvalidRequest(
            public=f"limit must be a whole number from 1 to {MAX_LIMIT}.", param="limit"
        )
    return int(text)
