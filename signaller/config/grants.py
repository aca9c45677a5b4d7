"""Which models and web pages a policy names, held against what the service offers."""

from collections.abc import Sequence
from dataclasses import dataclass

from signaller.config.findings import Text, fits_line, shown
from signaller.config.lists import texts
from signaller.config.section import Section
from signaller.config.urls import origin
from signaller.policy import MAX_MODELS, MAX_ORIGINS, MAX_ORIGINS_CHARS, matches

MAX_PATTERN_CHARS = 200  # no model's name may be longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What there is to be granted."""

    model_names: tuple[str, ...]
    """Of the deployments; one `*` each at most."""
    origins: tuple[str, ...]
    """Those whose pages may call, and our own if it is known; `*` is any."""


def read_models(section: Section, offered: Offered) -> tuple[tuple[str, ...], ...] | None:
    """One set of patterns, which may be empty; None where nothing is said."""
    listed = texts(section, "models", "a list of models or patterns", most=MAX_MODELS)
    if listed is None:
        return None
    if not listed:
        section.findings.warn(section.at("models"), "an empty list, which allows no model at all")
    patterns = [text for text in listed if fits_line(text, MAX_PATTERN_CHARS)]
    for text in patterns:
        _note_unserved(text, offered)
    return (tuple(dict.fromkeys(text.value for text in patterns)),)


def _note_unserved(text: Text, offered: Offered) -> None:
    # Whether two patterns have a name in common is not asked: the file can be right either way.
    if "*" in text.value or text.value in offered.model_names:
        return
    if not any("*" in name and matches(name, text.value) for name in offered.model_names):
        text.findings.warn(text.path, f"no model_name in model_list serves {shown(text.value)}")


def read_origins(section: Section, offered: Offered) -> tuple[str, ...] | None:
    """Origins as browsers send them; None where nothing is said."""
    listed = texts(section, "origins", "a list of origins", least=1, most=MAX_ORIGINS)
    if listed is None:
        return None
    origins = [found for text in listed if (found := _origin(text, offered.origins))]
    chars = sum(map(len, origins))
    if chars > MAX_ORIGINS_CHARS:
        section.fault(
            "origins",
            f"at most {MAX_ORIGINS_CHARS} characters in total, as they travel in the token",
            f"{chars}",
        )
    return tuple(dict.fromkeys(origins))


def _origin(text: Text, answered: Sequence[str]) -> str | None:
    if text.value == "*":
        text.fault("an origin; leave origins out to allow any", "'*'")
        return None
    found = origin(text)
    if found and found not in answered and "*" not in answered:
        text.findings.warn(
            text.path,
            f"{found} is not among cors_origins, so browsers let no page from there call",
        )
    return found
