"""The session fields that a policy lays over every session: plain JSON, of a bounded size."""

import json
from collections.abc import Iterator, Mapping

from signaller.config.findings import REFERENCE, Findings, label, shown
from signaller.config.section import Section
from signaller.errors import InvalidRequest
from signaller.sessions import parse_mint_request

MAX_DEPTH = 32  # the schemas of tools nest some twenty levels
MAX_BYTES = 64 * 1024  # it is part of every mint; the longest instructions take some 30 KB
MAX_FAULTS = 10  # a session of a wrong kind altogether has one at every value
MAX_NUMBER = 2**63 - 1
_CHOSEN = ("model", "type")


def read_session(section: Section) -> Mapping[str, object] | None:
    """The mapping, checked; None where there is none, and after a fault."""
    if "session" not in section:
        return None
    value, findings = section.raw("session"), section.findings
    if not isinstance(value, dict):
        section.fault("session", "a mapping", shown(value, secret=True))
        return None
    before = len(findings.faults)
    _check(value, section.at("session"), findings)
    if len(findings.faults) == before:
        _check_meaning(section, value)
    return value if len(findings.faults) == before else None


def _check(session: dict[object, object], path: str, findings: Findings) -> None:
    for key in _CHOSEN:
        if key in session:
            words = f"no {key}, which whoever mints a token chooses (see models)"
            findings.fault(f"{path}.{key}", words, "one")
    most = len(findings.faults) + MAX_FAULTS
    for count, (place, value, level) in enumerate(_nodes(path, session, 1)):
        if count == MAX_BYTES:  # each takes a byte at least
            findings.fault(path, f"at most {MAX_BYTES} bytes as JSON", "more")
            return
        if problem := _problem(value, level):
            findings.fault(place, *problem)
            if len(findings.faults) == most:
                return


def _nodes(path: str, value: object, level: int) -> Iterator[tuple[str, object, int]]:
    """A value and all below it, down to one level too many: path, value, level."""
    yield path, value, level
    if level > MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, member in value.items():
            name = label(key) if isinstance(key, str) else shown(key)
            yield from _nodes(f"{path}.{name}", member, level + 1)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _nodes(f"{path}[{index}]", member, level + 1)


def _problem(value: object, level: int) -> tuple[str, str] | None:
    """What was expected and what was found of a value that is not plain JSON."""
    problem = None
    if level > MAX_DEPTH:
        problem = (f"at most {MAX_DEPTH} levels of nesting", "more")
    elif isinstance(value, dict):
        odd = [key for key in value if not isinstance(key, str) or not _is_text(key)]
        problem = ("names as keys", f"{shown(odd[0])} as a key") if odd else None
    elif isinstance(value, str):
        if value.startswith(REFERENCE):
            problem = ("the text itself, as no variable is looked up here", f"{REFERENCE}...")
        elif not _is_text(value):
            problem = ("text", "half of a surrogate pair")
    elif isinstance(value, int | float):
        # Infinity and NaN are not JSON (RFC 8259, 6), and few read integers of more bits.
        if not -MAX_NUMBER <= value <= MAX_NUMBER:
            problem = ("a number that JSON has and 64 bits hold", "another")
    elif not (value is None or isinstance(value, list)):
        problem = ("text, a number, true, false, null, a list or a mapping", shown(value))
    return problem


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_meaning(section: Section, session: dict[object, object]) -> None:
    """What no mint could be asked for, none can be made to ask for either."""
    size = len(json.dumps(session, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_BYTES:
        section.fault("session", f"at most {MAX_BYTES} bytes as JSON", f"{size}")
        return
    try:
        parse_mint_request({"model": "any", "session": session})
    except InvalidRequest as error:
        found = f"what none can: {error.public.rstrip('.')}"
        section.fault(error.param or "session", "what a mint can ask for", found)
