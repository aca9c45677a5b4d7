"""The bill of materials: in the standard's form, complete, and the lock's."""

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # no stubs
from referencing import Registry, Resource

from tests.faults.supply.sbom import Part, add
from tests.packaging.test_top_level import pinned, wanted
from tests.packaging.tree import run

SCHEMAS = Path(__file__).with_name("cyclonedx")
"""As https://cyclonedx.org publishes them, Apache-2.0."""


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    """What the program writes."""
    made: dict[str, Any] = json.loads(run(sys.executable, "-m", "tests.faults.supply.sbom"))
    return made


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    """CycloneDX 1.5, with the two schemas that it refers to."""
    schemas = [json.loads(path.read_text()) for path in SCHEMAS.iterdir()]
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas
    )
    (main,) = (schema for schema in schemas if "/bom-1.5." in schema["$id"])
    return Draft7Validator(main, registry=registry, format_checker=Draft7Validator.FORMAT_CHECKER)


def test_it_is_cyclonedx(bill: dict[str, Any], validator: Draft7Validator) -> None:
    """The standard's own schema takes it."""
    assert [error.message for error in validator.iter_errors(bill)] == []


@pytest.mark.parametrize("path", ["specVersion", "components", "metadata"])
def test_the_schema_would_find_a_fault(
    bill: dict[str, Any], validator: Draft7Validator, path: str
) -> None:
    """A number where a structure belongs is refused, so the test above says something."""
    broken = copy.deepcopy(bill) | {path: 7}
    assert list(validator.iter_errors(broken))


def test_a_licence_that_nobody_knows_is_found(
    bill: dict[str, Any], validator: Draft7Validator
) -> None:
    """The list of SPDX is consulted too."""
    broken = copy.deepcopy(bill)
    broken["metadata"]["component"]["licenses"][0]["license"]["id"] = "Made-Up-1.0"
    assert list(validator.iter_errors(broken))


def test_it_is_what_the_lock_pins(bill: dict[str, Any]) -> None:
    """Every component is a pin, with the pin's hashes."""
    pins = {name: {str(each) for each in versions} for name, versions in pinned().items()}
    assert bill["components"]
    for component in bill["components"]:
        assert component["version"] in pins[component["name"]]
        assert component["externalReferences"][0]["hashes"]


def test_all_that_is_installed_for_us_is_what_the_lock_pins() -> None:
    """Tests and checks run on the lock's versions too, down to the last indirect one."""
    here = [each for each in wanted() if each.marker is None or each.marker.evaluate()]
    parts: dict[str, Part] = {}
    add(parts, map(str, here), required=True)
    assert {"pytest", "pluggy", "starlette", "av"} <= set(parts)
    pins = {name: {str(each) for each in versions} for name, versions in pinned().items()}
    strays = {name: part.version for name, part in parts.items() if part.version not in pins[name]}
    assert strays == {}


def test_it_names_what_the_service_loads(bill: dict[str, Any]) -> None:
    """Direct and indirect parts are in, the tests' own tools are not."""
    scopes = {component["name"]: component["scope"] for component in bill["components"]}
    assert {"starlette", "h11", "cffi", "msgspec"} <= {
        name for name, scope in scopes.items() if scope == "required"
    }
    assert (scopes["aiortc"], scopes["azure-identity"]) == ("optional", "optional")
    assert not {"pytest", "ruff", "mypy", "playwright"} & set(scopes)


def test_every_dependency_is_a_component(bill: dict[str, Any]) -> None:
    """Nothing points to what is not in the bill, and all can be reached from the service."""
    edges = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}
    reached, waiting = set(), [bill["metadata"]["component"]["bom-ref"]]
    while waiting:
        if (ref := waiting.pop()) not in reached:
            reached.add(ref)
            waiting.extend(edges[ref])
    assert reached == set(edges)
    assert reached - {bill["metadata"]["component"]["bom-ref"]} == {
        component["bom-ref"] for component in bill["components"]
    }


def test_it_is_the_same_every_time(bill: dict[str, Any]) -> None:
    """Two bills differ only if the lock does."""
    assert json.loads(run(sys.executable, "-m", "tests.faults.supply.sbom")) == bill
