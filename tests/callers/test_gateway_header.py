"""A gateway's header: believed from the gateway, and from nobody else."""

import dataclasses
import re
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from signaller.callers import FrontDesk, KeySets
from signaller.errors import InvalidApiKey
from signaller.model import (
    Evidence,
)
from signaller.policy import Policy, Rate
from signaller.secret import Secret
from signaller.settings import Gateway, HeaderSettings, NamedCaller, Settings
from signaller.web import credentials
from tests.callers.issuing import MASTER_KEY, settings

DEFAULT = Policy(mints_per_minute=5)
PARTNER = Policy(calls_per_minute=7)
GATEWAY = ip_address("10.1.2.3")
STRANGER = ip_address("10.2.0.1")


def behind_a_gateway(*, unix: bool = False, **changes: Any) -> Settings:
    """Settings that believe 10.1.0.0/16 and fd00::/8."""
    header = HeaderSettings(
        name="x-consumer-id",
        networks=(ip_network("10.1.0.0/16"), ip_network("fd00::/8")),
        trust_unix=unix,
        end_user="x-end-user",
    )
    callers = (
        NamedCaller(name="partner", key_digests=(), policy=PARTNER),
        NamedCaller(name="web", key_digests=(b"\0" * 32,), policy=PARTNER),
    )
    values: dict[str, Any] = {
        "gateway": Gateway(header=header),
        "policy": DEFAULT,
        "callers": callers,
    }
    return settings(**(values | changes))


@pytest.fixture
def desk(key_sets: KeySets) -> FrontDesk:
    """A desk that does not trust the Unix socket."""
    return FrontDesk(behind_a_gateway(), key_sets)


def naming(*names: str, peer: Any = GATEWAY, **more: Any) -> Evidence:
    """A request whose header names these, one field for each."""
    headers = (("accept", "*/*"), *(("x-consumer-id", name) for name in names))
    return Evidence(peer=peer, headers=headers, **more)


def seen(address: str) -> Any:
    """A peer of this address as a request's evidence has it."""
    return credentials.peer({"type": "http", "client": (address, 50000), "server": ("::", 4000)})


def for_people(*values: str) -> Evidence:
    """A request for these end users, one field for each."""
    fields = (("x-end-user", value) for value in values)
    return Evidence(peer=GATEWAY, headers=(("x-consumer-id", "acme"), *fields))


async def test_a_trusted_header_names_the_caller(desk: FrontDesk) -> None:
    """A name without an entry has the default policy, and rates of its own."""
    caller = await desk.identify(naming("acme"))
    assert (caller.name, caller.policy) == ("acme", DEFAULT)
    assert re.fullmatch("header:[0-9a-f]{12}", caller.credential_id)
    assert caller.mint_rates == (Rate(bucket="mints:acme", per_minute=5),)
    assert not caller.is_master
    assert caller.end_user is None


async def test_a_header_may_name_an_entry_without_keys(desk: FrontDesk) -> None:
    """Then that entry's policy rules."""
    assert (await desk.identify(naming("partner"))).policy == PARTNER


@pytest.mark.parametrize("name", ["master", "web"])
async def test_a_header_may_not_name_who_must_bring_a_key(desk: FrontDesk, name: str) -> None:
    """Neither the master nor a caller that has keys, from wherever it comes."""
    with pytest.raises(InvalidApiKey, match="must bring a key"):
        await desk.identify(naming(name))
    known = (await desk.identify(naming("acme"))).credential_id
    assert desk.policy_of(name, known) is None


@pytest.mark.parametrize(
    "peer", ["10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3", "fd12::1"], ids=str
)
async def test_an_address_inside_is_trusted(desk: FrontDesk, peer: str) -> None:
    """An IPv4 peer on a socket of both families is the same peer."""
    assert (await desk.identify(naming("acme", peer=seen(peer)))).name == "acme"


@pytest.mark.parametrize(
    "peer", ["10.2.0.0", "127.0.0.1", "::1", "::ffff:10.2.0.1", "fe80::1", "::10.1.2.3"], ids=str
)
async def test_an_address_outside_is_not(desk: FrontDesk, peer: str) -> None:
    """From there the header is as good as absent."""
    with pytest.raises(InvalidApiKey, match="no credential"):
        await desk.identify(naming("acme", peer=seen(peer)))


async def test_a_peer_that_is_not_known_is_not_trusted(desk: FrontDesk) -> None:
    """No address, no trust."""
    with pytest.raises(InvalidApiKey):
        await desk.identify(naming("acme", peer=None))


async def test_the_unix_socket_is_trusted_only_where_said(
    desk: FrontDesk, key_sets: KeySets
) -> None:
    """Networks say nothing about it."""
    with pytest.raises(InvalidApiKey):
        await desk.identify(naming("acme", peer="unix"))
    trusting = FrontDesk(behind_a_gateway(unix=True), key_sets)
    assert (await trusting.identify(naming("acme", peer="unix"))).name == "acme"


@pytest.mark.parametrize(
    "names",
    [
        *(("acme", "acme"), ("acme", "other"), ("", "acme")),
        # A gateway that appends makes one field of two (RFC 9110, 5.3).
        *(("acme, other",), ("acme,other",), ("acme,",), (", acme",)),
    ],
)
async def test_a_header_twice_is_refused(desk: FrontDesk, names: tuple[str, ...]) -> None:
    """One of them may be the client's own."""
    with pytest.raises(InvalidApiKey, match="more than once"):
        await desk.identify(naming(*names))


@pytest.mark.parametrize(
    "name", ["", "a" * 129, "\U0001f642" * 65, "a\tb", "a\x00", "a\x85b", "\ud800"]
)
async def test_a_header_that_names_nobody_is_refused(desk: FrontDesk, name: str) -> None:
    """Names end up in logs and counters."""
    with pytest.raises(InvalidApiKey, match="printable"):
        await desk.identify(naming(name))


async def test_the_longest_name_is_taken(desk: FrontDesk) -> None:
    """128 characters, spaces and accents among them."""
    name = ("Zoë K. " * 19)[:128]
    assert (await desk.identify(naming(name))).name == name


@pytest.mark.parametrize(
    ("values", "end_user"),
    [(("u-1",), "u-1"), (("\xe9" * 128,), "\xe9" * 128), ((), None)],
)
async def test_the_end_user_is_named_likewise(
    desk: FrontDesk, values: tuple[str, ...], end_user: str | None
) -> None:
    """Once and bounded, or not at all."""
    assert (await desk.identify(for_people(*values))).end_user == end_user


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("u-1", "u-2"), "an end user more than once"),
        (("u-1", ""), "an end user more than once"),
        (("u-1, u-2",), "an end user more than once"),
        ((",u-1",), "an end user more than once"),
        (("",), "an end user in 1 to 128 printable"),
        (("u" * 129,), "an end user in 1 to 128 printable"),
        (("\U0001f642" * 65,), "768 as JSON"),
        (("a\tb",), "an end user in 1 to 128 printable"),
    ],
)
async def test_an_end_user_who_cannot_be_read_is_refused(
    desk: FrontDesk, values: tuple[str, ...], words: str
) -> None:
    """To take them for nobody would let a client shed the identifier that a provider knows."""
    with pytest.raises(InvalidApiKey, match=words):
        await desk.identify(for_people(*values))


async def test_a_key_goes_before_the_header(desk: FrontDesk) -> None:
    """Who proves itself needs no introduction."""
    assert (await desk.identify(naming("acme", secret=Secret(MASTER_KEY)))).is_master


async def test_a_credential_meant_for_the_gateway_does_not_matter(desk: FrontDesk) -> None:
    """Gateways pass on what they have checked themselves; a stranger's is still refused."""
    assert (await desk.identify(naming("acme", secret=Secret("for-the-gateway")))).name == "acme"
    with pytest.raises(InvalidApiKey):
        await desk.identify(naming("acme", peer=STRANGER, secret=Secret("for-the-gateway")))


async def test_without_the_header_the_way_in_is_told(desk: FrontDesk) -> None:
    """The sentence names what is configured, and no more."""
    with pytest.raises(InvalidApiKey) as refused:
        await desk.identify(Evidence(peer=GATEWAY))
    assert "come through the gateway" in refused.value.public
    assert "JWT" not in refused.value.public


async def test_the_gateway_alone_lets_callers_in(key_sets: KeySets) -> None:
    """Without any key: then keys are not spoken of either."""
    desk = FrontDesk(behind_a_gateway(master_key=None, callers=()), key_sets)
    assert (await desk.identify(naming("acme"))).name == "acme"
    with pytest.raises(InvalidApiKey) as refused:
        await desk.identify(Evidence())
    assert "key" not in refused.value.public


async def test_a_header_that_is_not_configured_says_nothing(key_sets: KeySets) -> None:
    """Nobody is believed by default; and tokens of then are void."""
    then = (await FrontDesk(behind_a_gateway(), key_sets).identify(naming("acme"))).credential_id
    desk = FrontDesk(settings(), key_sets)
    with pytest.raises(InvalidApiKey):
        await desk.identify(naming("acme"))
    assert desk.policy_of("acme", then) is None


async def test_a_header_callers_policy_is_looked_up_by_name(desk: FrontDesk) -> None:
    """As long as the gateway is configured; it never vouched otherwise."""
    known = (await desk.identify(naming("acme"))).credential_id
    assert desk.policy_of("partner", known) == PARTNER
    assert desk.policy_of("acme", known) == DEFAULT
    for other in ("jwt", "header", "", f"{known}0", f"jwt:{known[-12:]}"):
        assert desk.policy_of("acme", other) is None


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"end_user": None}, True),
        ({"networks": (ip_network("fd00::/8"), ip_network("10.1.0.0/16"))}, True),
        ({"networks": (ip_network("10.1.2.3"), ip_network("fd00::/8"))}, False),
        ({"trust_unix": True}, False),
        ({"name": "x-other"}, False),
    ],
    ids=str,
)
async def test_another_gateway_voids_what_the_first_vouched_for(
    desk: FrontDesk, key_sets: KeySets, changes: dict[str, Any], same: bool
) -> None:
    """Its name, or from where it is believed, is what a token's credential stands for."""
    before = (await desk.identify(naming("acme"))).credential_id
    made = behind_a_gateway()
    assert made.gateway.header is not None
    gateway = Gateway(header=dataclasses.replace(made.gateway.header, **changes))
    after = FrontDesk(behind_a_gateway(gateway=gateway), key_sets)
    assert after.policy_of("acme", before) == (DEFAULT if same else None)
