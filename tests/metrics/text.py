"""Read what a scrape is answered."""

from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[str, float]
"""A value by series, such as `signaller_mints_total{caller="web",deployment="d1"}`."""


def samples(exposition: tuple[str, bytes]) -> Samples:
    """Every series and its value, labels in alphabetical order."""
    return parsed(exposition[1].decode())


def parsed(text: str) -> Samples:
    """Every series of a body and its value."""
    return {
        series(sample.name, **sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def series(name: str, **labels: str) -> str:
    """How a series is spelled as a key of `Samples`."""
    return name + "{" + ",".join(f'{key}="{labels[key]}"' for key in sorted(labels)) + "}"


def grown(record: Callable[[], object], exposition: Callable[[], tuple[str, bytes]]) -> Samples:
    """What `record` changed, and by how much."""
    before = samples(exposition())
    record()
    after = samples(exposition())
    return {
        key: value - before.get(key, 0)
        for key, value in after.items()
        if value != before.get(key, 0)
    }
