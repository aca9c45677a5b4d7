"""Keys of our own: the master's, and those of configured callers."""

import hashlib
import time
from statistics import median

import pytest

from signaller.callers import FrontDesk, KeySets
from signaller.errors import InvalidApiKey
from signaller.model import (
    Evidence,
)
from signaller.policy import Policy, Rate
from signaller.secret import Secret
from signaller.settings import NamedCaller
from tests.callers.issuing import MASTER_KEY, bearing, settings

WEB = Policy(models=(("gpt-*",),), mints_per_minute=60, calls_per_minute=30)
DEFAULT = Policy(token_ttl_seconds=20)


def digest(key: str) -> bytes:
    """As a configuration holds it."""
    return hashlib.sha256(key.encode()).digest()


def named(name: str, *keys: str, policy: Policy = WEB) -> NamedCaller:
    """An entry of `callers`."""
    return NamedCaller(name=name, key_digests=tuple(map(digest, keys)), policy=policy)


async def test_the_master_key_is_the_master(key_sets: KeySets) -> None:
    """With the default policy, and the right to touch what is others'."""
    caller = await FrontDesk(settings(policy=DEFAULT), key_sets).identify(bearing(MASTER_KEY))
    assert (caller.name, caller.is_master, caller.policy) == ("master", True, DEFAULT)
    assert caller.mint_rates == caller.call_rates == ()


async def test_an_entry_named_master_gives_the_master_its_policy(key_sets: KeySets) -> None:
    """Limits for the master are written as for everybody else."""
    desk = FrontDesk(settings(policy=DEFAULT, callers=(named("master"),)), key_sets)
    caller = await desk.identify(bearing(MASTER_KEY))
    assert (caller.policy, caller.is_master) == (WEB, True)
    assert desk.policy_of("master", caller.credential_id) == WEB


@pytest.mark.parametrize("key", ["sk-web-1", "sk-web-2"])
async def test_each_key_of_a_caller_is_that_caller(key_sets: KeySets, key: str) -> None:
    """With the policy and the rates of its entry, and without the master's rights."""
    desk = FrontDesk(settings(callers=(named("web", "sk-web-1", "sk-web-2"),)), key_sets)
    caller = await desk.identify(bearing(key))
    assert (caller.name, caller.policy, caller.is_master) == ("web", WEB, False)
    assert caller.mint_rates == (Rate(bucket="mints:web", per_minute=60),)
    assert caller.call_rates == (Rate(bucket="calls:web", per_minute=30),)
    assert caller.end_user is None


@pytest.mark.parametrize(
    "text",
    ["", "sk-master", f"{MASTER_KEY} ", "sk-web-", "ключ", "\udcff", "a.b.c"],
)
async def test_any_other_key_is_refused(key_sets: KeySets, text: str) -> None:
    """Whatever its length and characters, and without saying it again."""
    desk = FrontDesk(settings(callers=(named("web", "sk-web-1"),)), key_sets)
    with pytest.raises(InvalidApiKey) as refused:
        await desk.identify(bearing(text))
    assert refused.value.public == InvalidApiKey.public
    assert not text or text not in str(refused.value)


async def test_no_credential_is_refused(key_sets: KeySets) -> None:
    """A missing proof is no proof."""
    with pytest.raises(InvalidApiKey, match="no credential"):
        await FrontDesk(settings(), key_sets).identify(Evidence())


@pytest.mark.parametrize("evidence", [Evidence(), bearing(""), bearing("sk-anything")])
async def test_without_any_key_nobody_gets_in_and_is_told_why(
    key_sets: KeySets, evidence: Evidence
) -> None:
    """Not even with an empty credential; an empty master key is none."""
    for master_key in (None, Secret("")):
        desk = FrontDesk(settings(master_key=master_key), key_sets)
        with pytest.raises(InvalidApiKey, match="no master key"):
            await desk.identify(evidence)


async def test_a_callers_key_works_without_a_master_key(key_sets: KeySets) -> None:
    """A service may do without a key that opens everything."""
    desk = FrontDesk(settings(master_key=None, callers=(named("web", "sk-web-1"),)), key_sets)
    assert (await desk.identify(bearing("sk-web-1"))).name == "web"
    with pytest.raises(InvalidApiKey):
        await desk.identify(bearing(""))


async def test_a_removed_key_withdraws_what_was_minted_with_it_and_no_more(
    key_sets: KeySets,
) -> None:
    """The other key of the same caller keeps its tokens."""
    before = FrontDesk(settings(callers=(named("web", "sk-old", "sk-new"),)), key_sets)
    old, new = [(await before.identify(bearing(key))) for key in ("sk-old", "sk-new")]
    assert before.policy_of("web", old.credential_id) == WEB
    after = FrontDesk(settings(callers=(named("web", "sk-new"),)), key_sets)
    assert after.policy_of("web", old.credential_id) is None
    assert after.policy_of("web", new.credential_id) == WEB


async def test_a_key_that_changed_hands_is_not_its_former_owners(key_sets: KeySets) -> None:
    """Name and key are withdrawn together."""
    before = FrontDesk(settings(callers=(named("web", "sk-1"),)), key_sets)
    credential_id = (await before.identify(bearing("sk-1"))).credential_id
    after = FrontDesk(settings(callers=(named("app", "sk-1"),)), key_sets)
    assert after.policy_of("web", credential_id) is None
    assert after.policy_of("app", credential_id) == WEB


async def test_a_new_master_key_withdraws_the_old_ones_tokens(key_sets: KeySets) -> None:
    """The master's credential is a key like any other."""
    old = await FrontDesk(settings(), key_sets).identify(bearing(MASTER_KEY))
    after = FrontDesk(settings(master_key=Secret("sk-another")), key_sets)
    assert after.policy_of("master", old.credential_id) is None


async def test_a_policy_is_looked_up_as_it_is_now(key_sets: KeySets) -> None:
    """What the caller may do today rules over what it might when it minted."""
    before = FrontDesk(settings(callers=(named("web", "sk-1"),)), key_sets)
    credential_id = (await before.identify(bearing("sk-1"))).credential_id
    after = FrontDesk(settings(callers=(named("web", "sk-1", policy=DEFAULT),)), key_sets)
    assert after.policy_of("web", credential_id) == DEFAULT


async def test_a_credentials_id_tells_nothing_of_the_key(key_sets: KeySets) -> None:
    """Neither the key nor its digest travels in tokens."""
    desk = FrontDesk(settings(), key_sets)
    credential_id = (await desk.identify(bearing(MASTER_KEY))).credential_id
    found = credential_id.removeprefix("key:")
    assert len(found) == 16
    assert found not in digest(MASTER_KEY).hex()
    assert MASTER_KEY not in credential_id


async def test_the_same_key_twice_is_the_masters(key_sets: KeySets) -> None:
    """Whoever was given the master key by mistake does not lock the operator out."""
    desk = FrontDesk(settings(callers=(named("web", MASTER_KEY),)), key_sets)
    assert (await desk.identify(bearing(MASTER_KEY))).is_master


async def test_looking_up_a_key_takes_as_long_among_ten_as_among_ten_thousand(
    key_sets: KeySets,
) -> None:
    """One dictionary, not a walk: the bound leaves room for cold caches and a busy machine."""
    medians = {}
    for count in (10, 10_000):
        callers = tuple(named(f"c{number}", f"sk-{number}") for number in range(count))
        desk = FrontDesk(settings(callers=callers), key_sets)
        took = []
        for turn in range(2000):
            evidence = bearing(f"sk-{turn % count}")
            began = time.perf_counter_ns()
            await desk.identify(evidence)
            took.append(time.perf_counter_ns() - began)
        medians[count] = median(took)
    assert medians[10_000] < 10 * medians[10]
