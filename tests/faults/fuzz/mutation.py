"""Mutations of known inputs, the same for every run with one seed."""

import random
from collections.abc import Iterator, Sequence

MOST_BYTES = 300_000
"""Beyond every limit of ours: the largest body that is read at all has some 320 KiB."""


def mutations(
    seeds: Sequence[bytes], words: Sequence[bytes], *, seed: int, count: int
) -> Iterator[bytes]:
    """So many; one in twenty grows long."""
    chance = random.Random(seed)  # noqa: S311 - to be the same every time
    for _ in range(count):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 3, 8))):
            _mutate(data, words, chance)
        if chance.random() < 0.05:
            data *= chance.randrange(2, 200)
        yield bytes(data[:MOST_BYTES])


def _mutate(data: bytearray, words: Sequence[bytes], chance: random.Random) -> None:
    place = chance.randrange(len(data) + 1)
    end = min(len(data), place + chance.randrange(1, 40))
    match chance.randrange(6):
        case 0:
            data[place:end] = b""
        case 1:
            data[place:place] = data[place:end] * chance.choice((1, 2, 100))
        case 2:
            data[place:place] = chance.randbytes(chance.randrange(1, 9))
        case 3 if place < len(data):
            data[place] ^= 1 << chance.randrange(8)
        case 4:
            data[place:end] = chance.choice(words)
        case _:
            data[place:place] = chance.choice(words) * chance.choice((1, 1, 2, 50))
