"""Whatever comes, only documented errors come out, and soon."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults import LONG
from tests.faults.fuzz.mutation import mutations
from tests.faults.fuzz.targets import DOORS, Door

SECONDS = 2.0
"""For one input of 300 kB at most, on a machine that is busy with other tests."""
MUTATIONS = 20_000 if LONG else 300
EXAMPLES = 2_000 if LONG else 100

pytestmark = pytest.mark.timeout(900 if LONG else 120)
doors = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)


def within_time(door: Door, data: bytes) -> None:
    """Try a door; being slow is a failure too (in CPU time: others' work is not ours)."""
    began = time.process_time()
    door.try_(data)
    assert time.process_time() - began < SECONDS, data[:200]


@doors
def test_seeds_are_what_they_seem(door: Door) -> None:
    """The first of each door is good: mutations begin behind the first check."""
    for seed in door.seeds:
        within_time(door, seed)
    assert isinstance(door.enter(door.seeds[0]), door.gives)


@doors
def test_mutations_meet_documented_errors(door: Door) -> None:
    """Cut, doubled, flipped, spliced with the door's own language, repeated until long."""
    for data in mutations(door.seeds, door.words, seed=4, count=MUTATIONS):
        try:
            within_time(door, data)
        except Exception as undocumented:
            undocumented.add_note(f"with {data[:2000]!r} ({len(data)} bytes)")
            raise


@doors
@settings(max_examples=EXAMPLES)
@given(pieces=st.data())
def test_any_composition_meets_documented_errors(door: Door, pieces: st.DataObject) -> None:
    """Words of a door's language, its seeds and anything else, in any order."""
    part = st.sampled_from([*door.words, *door.seeds]) | st.binary(max_size=30)
    within_time(door, b"".join(pieces.draw(st.lists(part, max_size=12))))


WORST = {
    "sdp": b"\n" * 65_536,
    "jwe": b"." * 6000,
    "tokens": b"ek_" + b"." * 6000,
    "multipart": b"--b\r\n" * 60_000,
    "strict-json": b'{"a":' * 50_000,
    "json-body": b'{"a": ' + b"[" * 250_000,
    "document": b"[" * 300_000,
    "settings": b"a: " * 100_000,
}


@pytest.mark.parametrize("name", WORST)
def test_the_longest_nonsense_is_refused_in_time(name: str) -> None:
    """What invites recursion or quadratic work is neither deep nor slow here."""
    with pytest.raises(DOORS[name].documented):
        DOORS[name].enter(WORST[name])
    within_time(DOORS[name], WORST[name])
