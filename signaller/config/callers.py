"""`callers`: who may ask for tokens, by which keys, under which policy."""

import re
from dataclasses import dataclass, field

from signaller.config import policy
from signaller.config.caller_keys import KnownKeys
from signaller.config.findings import shown
from signaller.config.grants import Offered
from signaller.config.lists import texts
from signaller.config.section import Section
from signaller.policy import Policy
from signaller.settings import MASTER, NamedCaller

KEYS = ("name", "keys", *policy.KEYS)
MAX_CALLERS = 10_000  # each takes a few KB of memory in every worker
MAX_KEYS = 100  # rotation needs two
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")  # it stands in logs, metrics and names of buckets


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What entries are held against."""

    defaults: Policy
    offered: Offered
    known_keys: KnownKeys
    gateway_names_callers: bool
    has_master_key: bool
    names: dict[str, str] = field(default_factory=dict)
    """name -> where it stands."""


def read_callers(ours: Section, around: Around) -> tuple[NamedCaller, ...]:
    """All entries without a fault, in their order."""
    values = ours.list("callers", "a list of callers") or ()
    if len(values) > MAX_CALLERS:
        ours.fault("callers", f"at most {MAX_CALLERS} callers", f"{len(values)}")
        return ()
    callers = []
    for index, value in enumerate(values):
        path = f"{ours.at('callers')}[{index}]"
        if isinstance(value, dict):
            caller = _read_entry(Section(path, value, ours.findings, strict=True), around)
            callers.extend([caller] if caller else [])
        else:
            ours.findings.fault(path, "a mapping", shown(value, secret=True))
    return tuple(callers)


def _read_entry(entry: Section, around: Around) -> NamedCaller | None:
    entry.unknown(KEYS, refuse=True)
    name = _name(entry, around.names)
    digests = _digests(entry, around.known_keys)
    may = policy.read_policy(entry, around.defaults, around.offered)
    if name is None:
        return None
    _check_proof(entry, name, around)
    return NamedCaller(name=name, key_digests=digests, policy=may)


def _name(entry: Section, names: dict[str, str]) -> str | None:
    text = entry.text("name")
    expected = "a name of 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'"
    if text is None:
        if "name" not in entry:
            entry.fault("name", expected, "nothing")
    elif text.value.lower().startswith(("sk-", "ek_")):
        text.fault(expected, "what looks like a key")
    elif not _NAME.fullmatch(text.value):
        text.fault(expected)
    elif text.value in names:
        text.fault("a name of its own", f"that of {names[text.value]} again")
    else:
        names[text.value] = entry.path
        return text.value
    return None


def _digests(entry: Section, known_keys: KnownKeys) -> tuple[bytes, ...]:
    listed = texts(entry, "keys", "a list of keys", least=1, most=MAX_KEYS, secret=True) or ()
    return tuple(digest for text in listed if (digest := known_keys.read_digest(text)))


def _check_proof(entry: Section, name: str, around: Around) -> None:
    """Everybody can be told apart from the others in exactly one way."""
    if name == MASTER:
        if "keys" in entry:
            entry.fault("keys", f"none, as {MASTER} is whoever has the master key", "some")
        if not around.has_master_key:
            entry.findings.warn(entry.path, "no effect, as there is no master key")
    elif "keys" not in entry and not around.gateway_names_callers:
        entry.fault("keys", "keys, or a gateway (jwt or header) that names this caller", "neither")
