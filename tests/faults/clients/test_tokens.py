"""Tokens that nobody minted, by the thousand."""

import asyncio
import random
from collections import Counter

import pytest

from tests.faults import LONG
from tests.faults.clients.attacked import Attacked
from tests.faults.clients.wire import Wire, connected, head
from tests.support.service import OFFER

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),  # the provider lives on that loop
    pytest.mark.timeout(600 if LONG else 120),
]

TOKENS = 50_000 if LONG else 5_000
CLIENTS = 16
GROWTH_KIB = 8 * 1024
"""At 50,000 tokens that is 170 bytes for each: less than any of them is long."""
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
LEGAL = "".join(map(chr, (*range(0x21, 0x7F), *range(0x80, 0x100))))
"""What a header can carry, white space apart."""


def mutation(token: str, chance: random.Random) -> str:
    """Another token: nearly this one, or nothing like it."""
    place, letter = chance.randrange(3, len(token)), chance.choice(BASE64URL)
    segments = token.split(".")
    one, other = chance.sample(range(5), 2)
    swapped = [*segments]
    swapped[one], swapped[other] = segments[other], segments[one]
    found = chance.choice(
        [
            token[:place] + letter + token[place + 1 :],
            token[:place] + letter + token[place:],
            token[:place] + chance.choice(LEGAL) + token[place + 1 :],
            token[:place] + token[place + 1 :],
            token[:place],
            token[place:],
            ".".join(swapped),
            ".".join(segments[:one] + segments[one + 1 :]),
            ".".join([*segments, segments[one]]),
            token + "=" * chance.randrange(1, 4),
            token.removeprefix("ek_"),
            token.upper(),
            "ek_" + token,
            token * chance.randrange(2, 8),
            "ek_" + "".join(chance.choices(BASE64URL + ".", k=chance.randrange(2000))),
            "ek_" + "." * chance.randrange(7),
            "".join(chance.choices(LEGAL, k=chance.randrange(1, 9000))),
            f"{segments[0]}..{'.'.join(chance.choices(BASE64URL, k=3))}",
        ]
    )
    return found if found != token else "ek_"


async def ask(wire: Wire, token: str, way: int) -> int:
    """The status for a token at a route that takes one."""
    if way:
        path, body = "/v1/realtime/calls", OFFER
        kind = "Content-Type: application/sdp"
    else:
        path, body, kind = "/v1/realtime/calls/call_of_nobody/hangup", b"", "X: y"
    who = f"Authorization: Bearer {token}"
    await wire.send(head("POST", path, "Host: x", who, kind, f"Content-Length: {len(body)}") + body)
    answer = await wire.reader.readuntil(b"\r\n\r\n")
    length = answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await wire.reader.readexactly(int(length))
    return int(answer.split(b" ", 2)[1])


async def storm(service: Attacked, count: int, token: str, seed: int) -> Counter[int]:
    """The statuses for so many tokens."""
    found: Counter[int] = Counter()

    async def client(number: int) -> None:
        chance = random.Random(seed * CLIENTS + number)  # noqa: S311 - to be the same every time
        async with connected(service.port) as wire, asyncio.timeout(500):
            for turn in range(count // CLIENTS):
                found[await ask(wire, mutation(token, chance), turn % 8)] += 1

    await asyncio.gather(*map(client, range(CLIENTS)))
    return found


async def test_no_forged_token_gets_anywhere(service: Attacked) -> None:
    """401 for each, without a command at Redis, a request to the provider, or memory kept."""
    token = await service.token()
    await storm(service, TOKENS // 5, token, 1)  # what is remembered once is in place now
    before, size = service.marks(), service.rss_kib()
    found = await storm(service, TOKENS, token, 2)
    assert found == {401: TOKENS // CLIENTS * CLIENTS}
    assert service.marks() == before
    assert service.rss_kib() - size < GROWTH_KIB
    async with connected(service.port) as wire:
        assert await ask(wire, token, 1) == 201
