"""What requests are served with."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from signaller.logs import Journal
from signaller.masking import Masking
from signaller.metrics import Collected
from signaller.model import Trace
from signaller.ports import Callers, Store
from signaller.realtime.call_access import CallAccess
from signaller.realtime.call_feed import CallFeed
from signaller.realtime.call_lists import CallLists
from signaller.realtime.calls import Calls
from signaller.realtime.deployments import Deployments
from signaller.realtime.hangups import Hangups
from signaller.realtime.minting import Minting
from signaller.realtime.service_state import ServiceState
from signaller.realtime.token_control import TokenControl
from signaller.realtime.unified_calls import UnifiedCalls
from signaller.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What handlers work with; a reload puts another one in its place."""

    callers: Callers
    deployments: Deployments
    minting: Minting
    calls: Calls
    unified_calls: UnifiedCalls
    hangups: Hangups
    call_access: CallAccess
    call_lists: CallLists
    call_feed: CallFeed
    service_state: ServiceState
    token_control: TokenControl
    store: Store
    journal: Journal
    exposition: Callable[[], tuple[str, bytes]]
    """Media type and text of the metrics."""
    collect: Callable[[], Collected]
    """The metrics of this process, for their own port."""
    masking: Masking
    """Of all secrets of this configuration."""
    settings: Settings


@dataclass(slots=True)
class InForce:
    """The service that answers new requests; those that run keep the one they began with."""

    service: Service
    assemble: Callable[[Settings, Mapping[str, float]], Service]
    """Makes the service of other settings, and of which deployments rest until when."""
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server begins to shut down: whatever would go on for long ends then."""

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self.service.settings

    @property
    def journal(self) -> Journal:
        """Where reloads are noted and counted."""
        return self.service.journal

    def reload(self, settings: Settings) -> None:
        """Put these in force for all that begins from now on."""
        self.service = self.assemble(settings, self.service.deployments.rests)


class LifespanState(TypedDict):
    """What the application's lifespan lends to every request."""

    in_force: InForce


class State(LifespanState):
    """`request.state`; the middleware adds these."""

    service: Service
    trace: Trace
