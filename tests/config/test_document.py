"""Hostile and mistyped YAML ends in one line with a place."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signaller.config.document import parse_document
from signaller.errors import ConfigError
from tests.config.reading import faults

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "a: [1\nb: 2", "line 2, column 2: expected ',' or ']', but got ':'", id="list"
        ),
        *(
            pytest.param(
                text,
                f"line 3, column {column}: expected a line in the same column as the ones it "
                "belongs to, or further in behind a ':', found neither (look at spaces, quotes "
                "and ':')",
                id=name,
            )
            for name, text, column in (
                ("further out", "a:\n   b: 1\n  c: 2", 3),
                ("a list below keys", "a:\n  b: 1\n  - c", 3),
            )
        ),
        pytest.param(
            "a:\n  - b\n    c: 1",
            "line 3, column 6: expected a key in the same column as the others, or a text with "
            "': ' in quotes, found a ':' within a value",
            id="a key below a text",
        ),
        pytest.param(
            "a:\n\tb: 1",
            "line 2, column 1: expected YAML, found: character '\\t' that cannot start any token",
            id="tab",
        ),
        pytest.param(
            "a: 1\nb: 2\na: 3",
            "line 3, column 1: expected each key once, found 'a' again",
            id="twice",
        ),
        pytest.param(
            "a: {b: 1, 'b': 2}",
            "line 1, column 11: expected each key once, found 'b' again",
            id="twice-deep",
        ),
        pytest.param(
            "a: !!python/object/apply:os.system [id]",
            "line 1, column 4: expected a value without a tag, found a tag",
            id="tag",
        ),
        pytest.param(
            "a: *canary", "line 1, column 4: expected YAML, found: undefined alias", id="alias"
        ),
        pytest.param(
            BOMB,
            "line 6, column 8: expected aliases to repeat at most 100000 values",
            id="bomb",
        ),
        pytest.param(
            "&a [*a]",
            "line 1, column 5: expected an alias of what stands before it, found one within it",
            id="alias-of-itself",
        ),
        pytest.param(
            "[" * 100_000,
            "line 1, column 33: expected at most 32 levels of nesting, found more",
            id="deep",
        ),
        pytest.param(
            "x" * (4 * 1024 * 1024 + 1),
            "the file: expected at most 4194304 characters, found more",
            id="large",
        ),
        pytest.param(
            "a: 2025-13-40",
            "line 1, column 4: expected a number or a date, found what only looks like one",
            id="date",
        ),
        pytest.param(
            "a: " + "9" * 5000,
            "line 1, column 4: expected a number or a date, found what only looks like one",
            id="huge-number",
        ),
        pytest.param(
            "a: " + "1:" * 300 + "1.5",
            "line 1, column 4: expected a number or a date, found what only looks like one",
            id="sexagesimal",
        ),
        pytest.param(
            'a: "\\U00110000"',
            "line 1, column 7: expected YAML, found a number out of its range",
            id="beyond-unicode",
        ),
        pytest.param(
            'a: "\\UFFFFFFFF"',
            "line 1, column 7: expected YAML, found a number out of its range",
            id="far-beyond-unicode",
        ),
        pytest.param(
            f"%YAML {'9' * 5000}.1\n---\na: 1",
            "line 1, column 7: expected YAML, found a number out of its range",
            id="version",
        ),
        pytest.param(
            "a: 1\nb: \x00",
            "line 2, column 4: expected text, found an unprintable character",
            id="control",
        ),
        pytest.param(
            "a: \ud800",
            "line 1, column 4: expected text, found an unprintable character",
            id="surrogate",
        ),
        pytest.param(
            "- a", "the file: expected a mapping with model_list, found a list", id="sequence"
        ),
        pytest.param(
            "OPENAI_API_KEY=sk-canary",
            "the file: expected a mapping with model_list, found a single value",
            id="dotenv",
        ),
        pytest.param(
            "a: 1\n---\nb: 2",
            "line 2, column 1: expected a single document in the stream, "
            "but found another document",
            id="two-documents",
        ),
    ],
)
def test_yaml_that_cannot_be_used(text: str, expected: str) -> None:
    """The line and the column are named, the text itself is not quoted."""
    assert faults(text) == (expected,)


MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{number}: &a{number} {{<<: [*a{number - 1}, *a{number - 1}]}}\n" for number in range(1, 40)
)
NESTED = "a0: &a0 [1]\n" + "".join(
    f"a{number}: &a{number} [*a{number - 1}]\n" for number in range(1, 80)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            f"x-a: &a [{'1,' * 999}]\nx-b: [{'*a, ' * 101}]",
            "line 2, column 407: expected aliases to repeat at most 100000 values",
            id="many",
        ),
        pytest.param(
            MERGES,
            "line 15, column 17: expected aliases to repeat at most 100000 values",
            id="merges of merges",
        ),
        pytest.param(
            NESTED,
            "line 63, column 12: expected at most 64 levels of nesting, found more",
            id="deep",
        ),
    ],
)
def test_aliases_count_as_if_they_were_written_out(text: str, expected: str) -> None:
    """A small text stays small, whatever of it repeats what."""
    assert faults(text) == (expected,)


def test_a_thousand_callers_may_share_a_policy() -> None:
    """Repetition within reason is what anchors are for."""
    shared = ", ".join(f"key{number}: {number}" for number in range(20))
    text = f"x: &x {{{shared}}}\nlist: [{'{<<: *x, name: a}, ' * 1500}]"
    found = parse_document(text)["list"]
    assert isinstance(found, list)
    assert len(found) == 1500
    assert found[-1]["key19"] == 19


def test_standard_tags_say_what_a_value_is() -> None:
    """YAML's own, as safe loaders know them; a date can be kept a text so."""
    assert parse_document("a: !!str 2024-10-01\nb: !!int '7'") == {"a": "2024-10-01", "b": 7}


SCALARS = st.text(alphabet="0123456789:._-+eExobTZ ~<=!&*'\"\\Uu?%@\n", max_size=40)


@given(st.one_of(SCALARS, st.builds("a: {}".format, SCALARS), st.builds("? {}".format, SCALARS)))
@example("a: " + "1:" * 300 + "1.5")
@example("a: 9999-12-31T23:59:59-23:59")
@example("a: =")
def test_a_text_is_a_mapping_or_a_fault_with_one_line(text: str) -> None:
    """Whatever its scalars look like to YAML: no other failure comes out."""
    found = mapping_or_faults(text)
    assert isinstance(found, dict) or [line.count("\n") for line in found] == [0]


def mapping_or_faults(text: str) -> dict[object, object] | tuple[str, ...]:
    """What there is of the two."""
    try:
        return parse_document(text)
    except ConfigError as refused:
        return refused.faults
