"""`include`: other files of LiteLLM's, taken into one text."""

from collections.abc import Callable

import yaml

from signaller.config.document import parse_document
from signaller.config.findings import shown
from signaller.errors import ConfigError


def with_included(text: str, read: Callable[[str], str]) -> str:
    """A text that needs no other file; `read` gives the text of one that it names.

    As in LiteLLM, lists are joined, and of all else the file that is included last rules. Raises
    ConfigError.
    """
    if "include" not in text:
        return text
    document = parse_document(text)
    names = document.pop("include", None)
    if names is None:
        return text
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError([f"include: expected a list of files, found {shown(names)}"])
    for name in names:
        for key, value in _parsed(name, read(name)).items():
            before = document.get(key)
            if isinstance(before, list) and isinstance(value, list):
                document[key] = [*before, *value]
            else:
                document[key] = value
    try:
        return str(yaml.safe_dump(document))
    except ValueError:  # Python refuses to write out integers of thousands of digits
        raise ConfigError(
            ["include: expected files without numbers of thousands of digits"]
        ) from None


def _parsed(name: str, text: str) -> dict[object, object]:
    try:
        return parse_document(text)
    except ConfigError as error:
        raise ConfigError([f"{name}: {fault}" for fault in error.faults]) from None
