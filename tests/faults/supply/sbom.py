"""A bill of materials in CycloneDX 1.5: what an installed service runs on, and in which versions.

`make sbom` writes it. Versions and hashes are the lock's; what needs what, and under which
licence, is what the installed distributions say. No time and no serial number: the same lock makes
the same bytes, on the same platform.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import distribution, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.tree import ROOT

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ]+).*\\\n((?:    --hash=.*\n?)+)", re.M)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

Json = dict[str, object]


@dataclass(slots=True, kw_only=True)
class Part:
    """One distribution, and the names of those it needs."""

    name: str
    version: str
    required: bool
    needs: set[str] = field(default_factory=set)
    extras: set[str] = field(default_factory=set)

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def sbom() -> Json:
    """The bill of the service with all its extras; those are marked as optional."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    parts: dict[str, Part] = {}
    needed = add(parts, project["dependencies"], required=True)
    optional = add(parts, extras, required=False)
    pins = _pins()
    own = f"pkg:pypi/{project['name']}@{version(project['name'])}"
    ordered = [parts[name] for name in sorted(parts)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["name"],
                "version": version(project["name"]),
                "purl": own,
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": [_component(part, pins[part.name, part.version]) for part in ordered],
        "dependencies": [
            {"ref": own, "dependsOn": _refs(parts, needed | optional)},
            *({"ref": part.purl, "dependsOn": _refs(parts, part.needs)} for part in ordered),
        ],
    }


def add(parts: dict[str, Part], requirements: Iterable[str], *, required: bool) -> set[str]:
    """The names of what these requirements ask for here, all of which are parts afterwards."""
    found: set[str] = set()
    for wanted in map(Requirement, requirements):
        name = canonicalize_name(wanted.name)
        found.add(name)
        new = name not in parts
        part = parts.setdefault(name, Part(name=name, version=version(name), required=required))
        if new or not wanted.extras <= part.extras:
            part.extras |= wanted.extras
            part.needs |= add(parts, _requirements(part), required=required)
    return found


def _requirements(part: Part) -> Iterator[str]:
    """What it asks for on this platform, with the extras that somebody wants of it."""
    for text in distribution(part.name).requires or ():
        marker = Requirement(text).marker
        environments = [{"extra": extra} for extra in ("", *part.extras)]
        if marker is None or any(marker.evaluate(each) for each in environments):
            yield text


def _pins() -> dict[tuple[str, str], list[str]]:
    """The hashes of each version in the lock."""
    lock = (ROOT / "requirements.lock").read_text()
    return {
        (canonicalize_name(name), number): HASH.findall(hashes)
        for name, number, hashes in PIN.findall(lock)
    }


def _component(part: Part, hashes: list[str]) -> Json:
    made: Json = {
        "type": "library",
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "scope": "required" if part.required else "optional",
        "purl": part.purl,
        "externalReferences": [
            {
                "type": "distribution",
                "url": part.purl,
                "comment": "any one of these files",
                "hashes": [{"alg": "SHA-256", "content": each} for each in hashes],
            }
        ],
    }
    metadata = distribution(part.name).metadata
    if "License-Expression" in metadata:  # older ones have prose, which no list knows
        made["licenses"] = [{"expression": metadata["License-Expression"]}]
    return made


def _refs(parts: dict[str, Part], names: Iterable[str]) -> list[str]:
    return [parts[name].purl for name in sorted(names)]


if __name__ == "__main__":
    json.dump(sbom(), sys.stdout, indent=2)
    sys.stdout.write("\n")
