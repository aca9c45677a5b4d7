"""Mutated bodies over the wire: what a door refuses is a 4xx, and goes no further."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.faults import LONG
from tests.faults.clients.attacked import Attacked
from tests.faults.clients.wire import connected, head
from tests.faults.fuzz.mutation import mutations
from tests.faults.fuzz.targets import DOORS, FORM_TYPE
from tests.support.process import MASTER

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),  # the provider lives on that loop
    pytest.mark.timeout(900 if LONG else 120),
]

BODIES = 20_000 if LONG else 600
GROWTH_KIB = 8 * 1024
"""At 20,000 bodies 420 bytes for each: less than what most of them have."""
MINT, CALLS = "/v1/realtime/client_secrets", "/v1/realtime/calls"


def refused(name: str) -> Iterator[bytes]:
    """Mutations that are none of what this door lets in."""
    door = DOORS[name]
    for data in mutations(door.seeds, door.words, seed=9, count=BODIES):
        try:
            door.enter(data)
        except door.documented:
            yield data


async def asked(port: int, path: str, key: str, kind: str, body: bytes) -> int:
    """The status for a body, on a connection of its own: some are refused unread."""
    fields = f"Authorization: Bearer {key}", f"Content-Type: {kind}"
    length = f"Content-Length: {len(body)}"
    async with connected(port) as wire:
        await wire.send(head("POST", path, "Host: x", *fields, length, "Connection: close") + body)
        return await wire.head()


@pytest.mark.parametrize(
    ("door", "path", "kind"),
    [
        pytest.param("sdp", CALLS, "application/sdp", id="sdp"),
        pytest.param("multipart", CALLS, FORM_TYPE, id="multipart"),
        pytest.param("json-body", MINT, "application/json", id="json"),
    ],
)
async def test_no_mutation_gets_further(service: Attacked, door: str, path: str, kind: str) -> None:
    """Never a 500, a command at Redis, a request to the provider, or memory kept."""
    token = await service.token()
    key = MASTER if path == MINT else token
    bodies = list(refused(door))
    assert len(bodies) > BODIES // 2
    for body in bodies[: BODIES // 5]:  # what is remembered once is in place now
        await asked(service.port, path, key, kind, body)
    before, size = service.marks(), service.rss_kib()
    found = Counter([await asked(service.port, path, key, kind, body) for body in bodies])
    assert set(found) <= {400, 413}
    assert found[400] > 0
    assert service.marks() == before
    assert service.rss_kib() - size < GROWTH_KIB
    good = DOORS["sdp"].seeds[0]
    assert await asked(service.port, CALLS, token, "application/sdp", good) == 201
