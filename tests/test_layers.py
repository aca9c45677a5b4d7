"""The rules of the house about imports: downwards only, and one home for each dependency."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "signaller"
# Lowest first. A room imports from lower levels only: never from its own, never from above.
LEVELS = (
    ("signaller", "errors", "policy", "secret", "strict_json"),
    ("model",),
    ("logs", "masking"),
    ("ports", "settings"),
    ("tokens",),
    ("realtime",),
    ("supervision",),
    ("config", "stores", "providers", "callers", "metrics", "loopback"),
    ("web",),
    ("app",),
    ("server",),
    ("demo", "calls_command"),
    ("cli",),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
# `app` wires: it may construct any of them.
HOMES = {
    "cryptography": {"tokens", "callers"},
    "jwt": {"tokens", "callers"},
    "msgspec": {"strict_json"},
    "redis": {"stores"},
    "prometheus_client": {"metrics"},
    "httpx": {"providers", "calls_command"},
    "httpx_sse": {"calls_command"},
    "aiohttp": {"providers"},
    "httpx_aiohttp": {"providers"},
    "azure": {"providers"},
    "starlette": {"web", "loopback", "server"},
    "sse_starlette": {"web"},
    "python_multipart": {"web", "loopback"},
    "h11": {"server"},
    "websockets": {"server"},
    "uvicorn": {"server"},
    "click": {"cli", "demo", "calls_command"},
    "yaml": {"config"},
    "pydantic": {"config"},
    "pydantic_core": {"config"},
    "annotated_types": {"settings"},
    "aiortc": {"loopback"},
    "aioice": {"loopback"},
    "av": {"loopback"},
}
# What is decided about a call: events and the time go in, what there is to do comes out.
DECIDES = {
    f"signaller.supervision.{name}"
    for name in ("machine", "early", "frames", "idle", "drift", "seen", "prices", "usage")
}
# And what it is made of: nothing that reads a clock, waits, speaks, or draws lots.
PURE = {
    *("array", "collections", "copy", "dataclasses", "decimal", "hashlib", "math", "re"),
    *("types", "typing"),
    "importlib",  # the list of prices lies beside the code
}
NAMES_ONLY = {  # and functions that make JSON and fingerprints of what they are given
    "signaller.realtime.call_records",
    "signaller.realtime.session_prints",
    "signaller.strict_json",
}
# Only the way to the demo knows that a provider can live on this machine.
LOOPBACK_GUESTS = {"cli", "demo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One imported name, wherever in a module it stands."""

    where: str
    room: str
    names: tuple[str, ...]

    @property
    def ours(self) -> bool:
        """It is one of our own rooms."""
        return self.names[0] == "signaller"

    @property
    def target(self) -> str:
        """The room it comes from."""
        return self.names[1] if len(self.names) > 1 and self.names[1] in LEVEL else "signaller"

    def __str__(self) -> str:
        return f"{self.where} imports {'.'.join(self.names)}"


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """The file or folder right under the package that a module belongs to."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "signaller" if first == "__init__" else first


def imports() -> Iterator[Import]:
    """Every import, those inside functions and type-checking blocks included."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path.relative_to(PACKAGE.parent)}:{getattr(node, 'lineno', 0)}"
            for name in imported(node):
                yield Import(where=where, room=room(path), names=tuple(name.split(".")))


def imported(node: ast.AST) -> list[str]:
    """The dotted names that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def test_every_room_has_a_level() -> None:
    """A new room is given its place here before anything leans on it."""
    assert {room(path) for path in modules()} == set(LEVEL)


def test_imports_point_downwards() -> None:
    """No room imports from above, and siblings do not know each other."""
    inside = [each for each in imports() if each.ours and each.target != each.room]
    assert inside
    assert [str(each) for each in inside if LEVEL[each.target] >= LEVEL[each.room]] == []


def test_the_loopback_provider_is_a_guest() -> None:
    """The service cannot tell whether a provider on this machine exists."""
    guests = {each.room for each in imports() if each.ours and each.target == "loopback"}
    assert guests - {"loopback"} <= LOOPBACK_GUESTS


def test_every_dependency_has_one_home() -> None:
    """A third-party package is imported where it lives, or where parts are wired."""
    foreign = [
        each for each in imports() if not each.ours and each.names[0] not in sys.stdlib_module_names
    ]
    assert foreign
    strays = [
        each for each in foreign if each.room not in HOMES.get(each.names[0], set()) | {"app"}
    ]
    assert [str(each) for each in strays] == []


def test_what_decides_about_calls_does_no_io() -> None:
    """It can be read, tried and trusted alone: sockets, store and clock are around it."""
    for name in DECIDES:
        path = PACKAGE.parent / f"{name.replace('.', '/')}.py"
        tree = list(ast.walk(ast.parse(path.read_text())))
        strays = [
            each
            for node in tree
            for each in imported(node)
            if each.partition(".")[0] not in PURE
            and not {each, each.rpartition(".")[0]} & (DECIDES | NAMES_ONLY)
        ]
        assert (name, strays) == (name, [])
        waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
        assert not [node for node in tree if isinstance(node, waits)], name


IMPORT_EVERYTHING = """
import importlib, os, sys

class Watched(type(os.environ)):
    def __getitem__(self, name):
        frame = sys._getframe(1)
        while frame.f_globals["__name__"] in {"os", "_collections_abc"}:
            frame = frame.f_back
        if frame.f_globals["__name__"].startswith("signaller"):
            sys.exit(f"{frame.f_globals['__name__']} reads {name} while it is imported")
        return super().__getitem__(name)

def refuse_sockets(event, arguments):
    if event == "socket.__new__":
        sys.exit(f"a socket is made while {importing} is imported")

os.environ.__class__ = Watched
sys.addaudithook(refuse_sockets)
for importing in sys.argv[1:]:
    importlib.import_module(importing)
print(len(sys.argv) - 1)
"""


def test_importing_does_nothing() -> None:
    """No module opens a socket or reads the environment before it is asked to."""
    names = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in modules()
        if path.stem != "__main__"  # a program: importing it is running it
    ]
    done = subprocess.run(  # noqa: S603 - our own interpreter and package
        [sys.executable, "-c", IMPORT_EVERYTHING, *names],
        cwd=PACKAGE.parent,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == str(len(names))
