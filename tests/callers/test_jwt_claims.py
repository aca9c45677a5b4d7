"""What a JWT's claims say: they only ever take away."""

import asyncio
import hashlib
import json
import re
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signaller.callers import FrontDesk, KeySets
from signaller.errors import InvalidApiKey, InvalidJwt, RateLimitExceeded
from signaller.model import (
    Caller,
)
from signaller.policy import Places, Policy, Rate, bucket_caller
from signaller.secret import Secret
from signaller.settings import ClaimNames, TokenSettings
from signaller.stores import MemoryStore
from signaller.stores.rates import WindowRates
from signaller.tokens.tokens import TokenClaims, Tokens
from tests.callers.issuing import ABSENT, bearing, jwt_desk, segment, settings, signing_key

NAMES = ClaimNames(
    caller="client_id",
    end_user="sub",
    models="models",
    origins="origins",
    token_ttl_seconds="ttl",
    token_uses="uses",
    mints_per_minute="mints",
    calls_per_minute="calls",
    calls_at_once="at_once",
    max_call_seconds="length",
    max_idle_seconds="idle",
)
BASE = Policy(
    models=(("gpt-*",),),
    origins=("https://a.example", "https://b.example"),
    token_ttl_seconds=30,
    token_uses=2,
    mints_per_minute=60,
    calls_per_minute=30,
    calls_at_once=20,
    max_call_seconds=600,
    max_idle_seconds=60,
)


def offline() -> KeySets:
    """Key sets that nobody needs: the key is in the configuration."""
    return KeySets(_refuse, time.time)


async def _refuse(url: str) -> bytes:
    raise AssertionError(f"{url} was asked for")


def desk(policy: Policy = BASE, names: ClaimNames = NAMES) -> FrontDesk:
    """A desk that reads claims."""
    return jwt_desk(offline(), settings(policy=policy), claims=names)


DESK = desk()


async def caller_of(claims: dict[str, Any], at: FrontDesk = DESK) -> Caller:
    """Whom a JWT with these claims is taken for."""
    return await at.identify(bearing(signing_key().sign({"client_id": "shop"} | claims)))


async def test_absent_claims_take_nothing_away() -> None:
    """The policy and the rates are the caller's own."""
    caller = await caller_of({})
    assert caller.policy == BASE
    assert caller.mint_rates == (Rate(bucket="mints:shop", per_minute=60),)
    assert caller.call_rates == (Rate(bucket="calls:shop", per_minute=30),)


async def test_claims_that_are_not_mapped_say_nothing() -> None:
    """Whatever type they have."""
    at = desk(names=ClaimNames(caller="client_id"))
    claims = {"models": 7, "origins": 7, "ttl": "x", "uses": "x", "mints": "x", "calls": "x"}
    assert (await caller_of(claims, at)).policy == BASE


@pytest.mark.parametrize("models", [["gpt-realtime", "other"], "gpt-realtime other"], ids=str)
async def test_models_narrow(models: object) -> None:
    """A model must be allowed by the caller's policy and by the JWT."""
    policy = (await caller_of({"models": models})).policy
    assert policy.allows_model("gpt-realtime")
    assert not policy.allows_model("gpt-other")
    assert not policy.allows_model("other")


@pytest.mark.parametrize("models", [[], "", "  "], ids=repr)
async def test_an_empty_list_of_models_allows_none(models: object) -> None:
    """It is a list, and nothing is on it."""
    assert not (await caller_of({"models": models})).policy.allows_model("gpt-realtime")


async def test_models_may_be_scopes_with_a_prefix() -> None:
    """Other scopes do not count; none with the prefix is an empty list."""
    at = desk(names=ClaimNames(caller="client_id", models="scope", models_prefix="model:"))
    policy = (await caller_of({"scope": "openid model:gpt-a model:gpt-b*"}, at)).policy
    allowed = [m for m in ("gpt-a", "gpt-b1", "gpt-c", "openid") if policy.allows_model(m)]
    assert allowed == ["gpt-a", "gpt-b1"]
    nothing = (await caller_of({"scope": "openid gpt-a"}, at)).policy
    assert not nothing.allows_model("gpt-a")
    assert (await caller_of({}, at)).policy.allows_model("gpt-c")


@pytest.mark.parametrize(
    ("origins", "left"),
    [
        (["https://a.example", "https://evil.example"], ("https://a.example",)),
        ("https://a.example", ("https://a.example",)),
        ([], ()),
        ("*", ()),
    ],
    ids=str,
)
async def test_origins_narrow(origins: object, left: tuple[str, ...]) -> None:
    """What both allow is left; nothing, where they share nothing."""
    policy = (await caller_of({"origins": origins})).policy
    assert policy.origins == left
    assert not policy.allows_origin(None)


async def test_uses_that_a_policy_leaves_open_are_the_default() -> None:
    """A JWT cannot get more of them than a caller without one."""
    at = desk(policy=Policy())
    for asked in (1, 5, 100):
        assert (await caller_of({"uses": asked}, at)).policy.token_uses == 1


async def test_numbers_narrow_and_never_widen() -> None:
    """The smaller one holds."""
    less = (await caller_of({"ttl": 10, "uses": 1, "mints": 5, "calls": 4})).policy
    numbers = (less.token_ttl_seconds, less.token_uses, less.mints_per_minute)
    assert (*numbers, less.calls_per_minute) == (10, 1, 5, 4)
    less = (await caller_of({"at_once": 2, "length": 60, "idle": 30})).policy
    assert (less.calls_at_once, less.max_call_seconds, less.max_idle_seconds) == (2, 60, 30)
    more = (
        await caller_of(
            {"ttl": 600, "uses": 100, "mints": 600, "calls": 600}
            | {"at_once": 600, "length": 6000, "idle": 600}
        )
    ).policy
    assert more == BASE


async def test_calls_at_once_of_a_jwt_are_those_of_one_person() -> None:
    """Beside those that all people of the caller share; each has a pseudonym of their own."""
    ada, bob = [(await caller_of({"at_once": 2, "sub": name})).places for name in ("ada", "bob")]
    assert (ada.of_all, ada.of_one) == (bob.of_all, bob.of_one) == (20, 2)
    assert ada.person not in ("", "ada", bob.person)
    assert (await caller_of({"sub": "ada"})).places == Places(of_all=20)


async def test_a_jwts_own_rate_is_counted_per_person() -> None:
    """In a bucket of their own, before the one that the caller's people share."""
    caller = await caller_of({"sub": "ada", "mints": 5, "calls": 4})
    ada = caller.mint_rates[0].bucket.split(":")[1]
    assert caller.mint_rates == (
        Rate(bucket=f"mints of one:{ada}:shop", per_minute=5),
        Rate(bucket="mints:shop", per_minute=60),
    )
    assert caller.call_rates == (
        Rate(bucket=f"calls of one:{ada}:shop", per_minute=4),
        Rate(bucket="calls:shop", per_minute=30),
    )


async def bucket_of(person: str, name: str = "shop", ring: str = "A") -> str:
    """Where somebody's mints are counted, at a service with this token key."""
    made = settings(policy=BASE, token_keys=(Secret(ring * 43), Secret("E" * 43)))
    at = jwt_desk(offline(), made, claims=NAMES)
    caller = await caller_of({"client_id": name, "sub": person, "mints": 5}, at)
    return caller.mint_rates[0].bucket


async def test_a_persons_bucket_tells_nobody_who_it_is() -> None:
    """A pseudonym under the first token key: without it nobody can try out names."""
    ada = await bucket_of("ada")
    assert re.fullmatch("mints of one:[0-9a-f]{32}:shop", ada)
    assert ada == await bucket_of("ada")
    others = (bucket_of("bob"), bucket_of("ada", ring="I"), bucket_of("ada", name="other"))
    pseudonyms = {(await each).split(":")[1] for each in others} | {ada.split(":")[1]}
    assert len(pseudonyms) == 4


async def test_no_name_leads_into_anothers_bucket() -> None:
    """A caller may be called as another one's person would be written."""
    ada = await bucket_of("ada")
    named_so = Caller.under(BASE, ada.partition(":")[2], "id")
    assert {bucket_caller(rate.bucket) for rate in named_so.mint_rates} == {named_so.name}
    assert ada not in {rate.bucket for rate in named_so.mint_rates}
    assert bucket_caller(ada) == "shop"
    assert bucket_caller(await bucket_of("ada", name="a:b of one:c")) == "a:b of one:c"


async def test_a_refusal_tells_the_log_no_person() -> None:
    """Neither by name nor by a digest that anybody can make."""
    person = "ada@example.com"
    caller = await caller_of({"sub": person, "mints": 1})
    rates = WindowRates(MemoryStore(time.time))
    await rates.take(caller.mint_rates)
    with pytest.raises(RateLimitExceeded, match=r"mints of one:\w+:shop") as refused:
        await rates.take(caller.mint_rates)
    digest = hashlib.sha256(person.encode()).hexdigest()
    for told in (person, digest[:16]):
        assert told not in str(refused.value)
        assert told not in refused.value.public


async def test_a_rate_without_a_person_is_the_callers() -> None:
    """And needs no rate of the caller's own beside it."""
    caller = await caller_of({"sub": ABSENT, "mints": 5}, desk(policy=Policy()))
    assert caller.end_user is None
    assert caller.mint_rates == (Rate(bucket=await bucket_of("shop"), per_minute=5),)
    assert caller.call_rates == ()


WRONG: dict[str, tuple[object, ...]] = {
    "client_id": ("", "a" * 129, "\U0001f642" * 65, "a\nb", "\ud800", 7, True, ["shop"]),
    "sub": ("", "a" * 129, "\U0001f642" * 65, "a\nb", 7),
    **dict.fromkeys(
        ("ttl", "uses", "mints", "calls"),
        (0, -1, 1.5, 60.0, True, False, "60", [60], {}, 10**10, 10**300),
    ),
    "models": (7, True, {}, [7], [["gpt-a"]], [None], "a\x00", ["\ud800"]),
    "origins": (7, False, {}, [7], "\ud800", ["https://a\n"], "https://\u00e4.example"),
}


@pytest.mark.parametrize(
    ("claim", "value"),
    [(claim, value) for claim, values in WRONG.items() for value in values],
    ids=lambda value: ascii(value)[:20],
)
async def test_a_mapped_claim_of_the_wrong_type_is_refused(claim: str, value: object) -> None:
    """It does not mean "no limit"; the refusal names the claim."""
    with pytest.raises(InvalidJwt) as refused:
        await caller_of({claim: value})
    assert f"'{claim}'" in refused.value.public


@pytest.mark.parametrize("claim", ["client_id", "sub", "models", "origins", "ttl"])
async def test_null_is_a_wrong_type(claim: str) -> None:
    """A claim that is there and says nothing is not an absent one."""
    with pytest.raises(InvalidJwt, match=f"'{claim}'"):
        await caller_of({"sub": ABSENT, claim: None})


async def test_an_end_user_of_null_is_refused() -> None:
    """In whatever claim it stands; without the claim there is no end user."""
    at = desk(names=ClaimNames(caller="client_id", end_user="person"))
    assert (await caller_of({}, at)).end_user is None
    with pytest.raises(InvalidJwt, match="'person'"):
        await caller_of({"person": None}, at)


async def test_the_longest_name_is_taken() -> None:
    """128 characters of any alphabet, or half as many emoji."""
    assert (await caller_of({"client_id": "ж" * 128, "sub": "é " * 64})).name == "ж" * 128
    assert (await caller_of({"sub": "\U0001f642" * 64})).end_user == "\U0001f642" * 64


async def test_a_jwt_names_a_hundred_models_at_most() -> None:
    """After the prefix: other scopes are not models."""
    names = [f"gpt-{number}" for number in range(101)]
    assert (await caller_of({"models": names[:100]})).policy.allows_model("gpt-99")
    with pytest.raises(InvalidJwt, match="100 models"):
        await caller_of({"models": names})


async def test_a_jwt_names_so_many_origins_that_a_token_can_hold_them() -> None:
    """16 of them, and 1000 characters in all as JSON, where a quote takes two."""
    many = [f"https://a{number}.example" for number in range(17)]
    at = desk(policy=Policy())
    assert (await caller_of({"origins": many[:16]}, at)).policy.origins == tuple(many[:16])
    assert (await caller_of({"origins": "h" * 1000}, at)).policy.origins == ("h" * 1000,)
    assert (await caller_of({"origins": '"' * 500}, at)).policy.origins == ('"' * 500,)
    for too_many in (many, "h" * 1001, ["h" * 501, "h" * 500], '"' * 501, ["\\" * 251] * 2):
        with pytest.raises(InvalidJwt, match="origins"):
            await caller_of({"origins": too_many}, at)


WIDE = jwt_desk(offline(), settings(policy=Policy()), claims=NAMES)
# What is short in a JWT may be long as JSON: quotes take 2 characters, letters 6, emoji 12.
repeated = st.builds(str.__mul__, st.sampled_from('"\\aé\u6f22\U0001f642'), st.integers(0, 1100))


@given(name=repeated, origins=st.lists(repeated, max_size=17))
@example(name="\U0001f642" * 128, origins=['"' * 1000])
@example(name="\u6f22" * 128, origins=["\\" * 31] * 16)
def test_whatever_claims_say_fits_a_token_or_is_refused(name: str, origins: list[str]) -> None:
    """With the longest name of a model beside it."""
    token = signing_key().sign({"client_id": name, "origins": origins})
    try:
        caller = asyncio.run(WIDE.identify(bearing(token)))
    except InvalidJwt as refused:
        assert refused.public.startswith("The JWT")  # noqa: PT017 - both ends are asserted
        return
    model = "\u6f22" * 42
    assert len(json.dumps(model)) == 254
    claims = TokenClaims(
        grant_id="g" * 22,
        caller=caller.name,
        credential_id=caller.credential_id,
        deployment_id="i" * 200,
        credential_fingerprint="c" * 16,
        model=model,
        nested_models=("n" * 508,),
        session_type="transcription",
        uses=100,
        origins=caller.policy.origins or (),
        issued_at=10**10,
        expires_at=10**10,
        metadata_digest="",
        seal_key=b"k" * 32,
    )
    tokens = Tokens((Secret("A" * 43),), lambda: 0)
    assert tokens.read(tokens.mint(claims)) == claims


MODELS = ("gpt-realtime", "gpt-a", "other", "")
ORIGINS = ("https://a.example", "https://b.example", "https://evil.example", "", "*")
numbers = st.none() | st.integers(1, 1000)
policies = st.builds(
    Policy,
    models=st.sampled_from([(), (("gpt-*",),), (("gpt-*",), ("*-a",)), ((),)]),
    origins=st.none() | st.lists(st.sampled_from(ORIGINS[:2])).map(tuple),
    token_ttl_seconds=numbers,
    token_uses=numbers,
    mints_per_minute=numbers,
    calls_per_minute=numbers,
    calls_at_once=numbers,
    max_call_seconds=numbers,
    max_idle_seconds=numbers,
)
NUMBERS = ("ttl", "uses", "mints", "calls", "at_once", "length", "idle")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
wishes = st.fixed_dictionaries(
    {},
    optional={
        "models": st.lists(st.sampled_from((*MODELS, "*", "gpt-*"))) | json_values,
        "origins": st.lists(st.sampled_from(ORIGINS)) | st.sampled_from(ORIGINS) | json_values,
        **{name: st.integers(-1, 2000) | json_values for name in NUMBERS},
        "scope": json_values,
        "sub": st.sampled_from(["ada"]) | json_values,
    },
)


def within(number: int | None, base: int | None) -> bool:
    """Whether one limit is at least as tight as another."""
    return base is None or (number is not None and number <= base)


@given(base=policies, claims=wishes)
def test_no_jwt_allows_what_its_caller_may_not(base: Policy, claims: dict[str, Any]) -> None:
    """Whatever it says, it is refused or it takes away."""
    at = desk(policy=base)
    token = signing_key("ES256").sign({"client_id": "shop"} | claims)
    try:
        caller = asyncio.run(at.identify(bearing(token)))
    except InvalidJwt as refused:
        assert refused.public.startswith("The JWT")  # noqa: PT017 - both ends are asserted
        return
    got = caller.policy
    assert all(base.allows_model(model) for model in MODELS if got.allows_model(model))
    assert all(
        base.allows_origin(origin) for origin in (*ORIGINS, None) if got.allows_origin(origin)
    )
    assert within(got.token_ttl_seconds, base.token_ttl_seconds)
    assert within(got.token_uses, base.token_uses or TokenSettings().uses)
    assert within(got.mints_per_minute, base.mints_per_minute)
    assert within(got.calls_per_minute, base.calls_per_minute)
    assert within(got.calls_at_once, base.calls_at_once)
    assert within(got.max_call_seconds, base.max_call_seconds)
    assert within(got.max_idle_seconds, base.max_idle_seconds)
    assert caller.places.of_all == base.calls_at_once
    for rates, bucket, number in (
        (caller.mint_rates, "mints:shop", base.mints_per_minute),
        (caller.call_rates, "calls:shop", base.calls_per_minute),
    ):
        assert number is None or rates[-1] == Rate(bucket=bucket, per_minute=number)


segments = st.text() | st.text(alphabet="abcXYZ019-_=", max_size=40)


@given(st.text() | st.tuples(segments, segments, segments).map(".".join))
def test_no_text_raises_anything_but_our_own_errors(text: str) -> None:
    """With three segments or without."""
    with pytest.raises((InvalidJwt, InvalidApiKey)):
        asyncio.run(DESK.identify(bearing(text)))


@given(header=json_values, claims=json_values)
def test_no_json_raises_anything_but_our_own_errors(header: object, claims: object) -> None:
    """A well-formed JWT with whatever header and claims, and no good signature."""
    if isinstance(header, dict):
        header = {"alg": "ES256"} | header
    with pytest.raises(InvalidJwt):
        asyncio.run(DESK.identify(bearing(f"{segment(header)}.{segment(claims)}.{'A' * 86}")))


TOKEN = signing_key().sign({"client_id": "shop"})


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("Aa0-_.=é"))
def test_a_jwt_with_one_other_character_is_refused(place: int, character: str) -> None:
    """Each character of it counts."""
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    if changed != TOKEN:
        with pytest.raises((InvalidJwt, InvalidApiKey)):
            asyncio.run(DESK.identify(bearing(changed)))
