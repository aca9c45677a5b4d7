"""Grants, calls and a clock that tests set."""

import time
from dataclasses import dataclass, field
from uuid import uuid4

from signaller.model import Call, Grant, Rate, Terms


@dataclass(slots=True)
class SetClock:
    """A clock that starts at the real time, so that Redis agrees, and moves only when told."""

    now: float = field(default_factory=lambda: float(int(time.time())))

    def __call__(self) -> float:
        return self.now


def make_grant(clock: SetClock, *, uses: int = 1, lives_seconds: int = 60) -> Grant:
    """A grant of its own id."""
    return Grant(
        id=uuid4().hex,
        sealed_secret="eyJhbGciOiJkaXIifQ..sealed",
        deployment_id="deployment-1",
        credential="credential-1",
        caller="web",
        terms=Terms(
            model="gpt-realtime",
            session_type="realtime",
            uses=uses,
            start_by=int(clock.now) + lives_seconds,
            origins=("https://app.example", "https://other.example"),
        ),
        call_rates=(Rate(bucket="calls:web", per_minute=60),),
        models=(("gpt-*",), ("gpt-realtime", "o1")),
        safety_identifier="5f3c",
    )


def make_call(clock: SetClock, *, lives_seconds: int = 3600) -> Call:
    """A call of its own id."""
    return Call(
        id=uuid4().hex,
        provider_call_id="rtc_1",
        grant_id=uuid4().hex,
        deployment_id="deployment-1",
        credential="credential-1",
        caller="web",
        model="gpt-realtime",
        started_at=int(clock.now),
        deadline=int(clock.now) + lives_seconds,
        ended=False,
    )
