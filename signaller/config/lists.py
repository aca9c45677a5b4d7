"""Lists of strings, as the file writes them."""

from collections.abc import Sequence

from signaller.config.findings import Text, as_text
from signaller.config.section import Section


def texts(
    section: Section,
    key: str,
    expected: str,
    *,
    least: int = 0,
    most: int | None = None,
    secret: bool = False,
) -> Sequence[Text] | None:
    """The strings of a list, faulty ones left out; None where there is no list."""
    values = section.list(key, expected)
    if values is None:
        return None
    if len(values) < least:
        section.fault(key, f"{expected}, at least {least}", "an empty list")
    elif most is not None and len(values) > most:
        section.fault(key, f"{expected}, at most {most}", f"{len(values)} of them")
        return ()
    found = (
        as_text(value, f"{section.at(key)}[{index}]", section.findings, secret=secret)
        for index, value in enumerate(values)
    )
    return tuple(text for text in found if text)
