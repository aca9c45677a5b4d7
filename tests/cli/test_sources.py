"""A configuration without a file, or with secrets in files: as platforms give it."""

import asyncio
import re
import signal
import stat
from pathlib import Path

from tests.cli.client import client
from tests.support.process import MASTER, config, run, served

FIRST, SECOND = "a-first-master-key", "a-second-master-key"
OPENAI = {"OPENAI_API_KEY": "sk-openai-canary"}


def written(path: Path, text: str) -> Path:
    """A file that its owner alone can read."""
    path.write_text(f"{text}\n")
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return path


async def test_a_secret_in_a_file_rotates_without_a_restart(tmp_path: Path) -> None:
    """The reload reads it anew: the new key opens, the old one no longer does."""
    secret = written(tmp_path / "master", FIRST)
    env = {**OPENAI, "SIGNALLER_MASTER_KEY_FILE": str(secret)}
    with served(group=False, **env) as process:
        async with client(process) as page:

            async def opens(key: str) -> bool:
                headers = {"authorization": f"Bearer {key}"}
                return (await page.http.get("/v1/models", headers=headers)).status_code == 200

            assert [await opens(FIRST), await opens(SECOND)] == [True, False]
            written(secret, SECOND)
            process.send(signal.SIGHUP)
            await asyncio.to_thread(process.logged, "reload", outcome="ok")
            assert [await opens(FIRST), await opens(SECOND)] == [False, True]


def test_the_platform_says_where_to_listen() -> None:
    """PORT and HOST, as Cloud Run, Heroku and Fly set them; an option rules over them."""
    env = {**OPENAI, "SIGNALLER_MASTER_KEY": FIRST, "HOST": "::1", "PORT": "0"}
    with served(group=False, **env) as process:
        assert re.fullmatch(r"http://\[::1\]:\d+", process.url())
        assert not process.url().endswith(":4000")
    with served(
        "--host", "127.0.0.1", "--port", "0", group=False, **{**env, "PORT": "80"}
    ) as process:
        assert process.url().startswith("http://127.0.0.1:")


def test_a_port_that_is_none_is_said() -> None:
    """In one line with the variable's name, and with its value unless that may be a key."""
    key = "sk-canary-of-the-provider"
    for value, found in (
        ("many", "'many'"),
        ("tcp://10.0.0.1:80", "'tcp://10.0.0.1:80'"),
        (key, f"a string of {len(key)} characters"),
    ):
        for command in ([], ["demo"]):
            done = run(*command, **OPENAI, PORT=value)
            said = f"PORT: expected a port, a whole number from 0 to 65535, found {found}"
            assert (done.returncode, done.stderr) == (2, f"signaller: {said}\n")


def test_a_command_that_listens_nowhere_does_not_ask_where(tmp_path: Path) -> None:
    """Another program's PORT stops nobody who only looks at a configuration."""
    path = config(tmp_path, "http://127.0.0.1:1")
    for arguments in (["check", "--config", path], ["keygen"], ["schema"], ["init"], ["offer"]):
        done = run(*arguments, PORT="many", HOST="no host")
        assert done.returncode == 0, done.stderr
    asked = run("--port", "many", "check", "--config", path)
    assert (asked.returncode, "'many' is not a valid" in asked.stderr) == (2, True)
    socket = run("--uds", str(tmp_path / "nowhere" / "socket"), "--config", path, PORT="many")
    assert (socket.returncode, "--uds" in socket.stderr) == (2, True)
    assert "PORT" not in socket.stderr
    for arguments in (["demo"], ["--config", path]):
        done = run(*arguments, PORT="70000")
        assert done.returncode == 2
        assert "PORT" in done.stderr
        assert "a whole number from 0 to 65535, found '70000'" in done.stderr


def test_check_says_where_each_value_came_from(tmp_path: Path) -> None:
    """The file by its path, variables and files of secrets by their names; all else is default."""
    secret = written(tmp_path / "provider", "sk-canary-of-the-provider")
    path = config(tmp_path, "http://127.0.0.1:1", "signaller: {token: {uses: 2}}")
    text = Path(path).read_text().replace("api_key: sk-provider", f"api_key: file://{secret}")
    Path(path).write_text(text.replace(f"master_key: {MASTER}", "master_key: os.environ/KEY"))
    name = "SIGNALLER_TOKEN__TTL_SECONDS"
    done = run("check", "--config", path, KEY=MASTER, **{name: "300"})
    assert done.returncode == 0, done.stderr
    table = done.stdout.partition("\nKEY ")[2].partition("\n\n")[0].splitlines()[1:]
    rows = [tuple(re.split(r"  +", row)) for row in table]
    assert rows[-1] == ("(all others)", "default")
    assert [row for row in rows if row[-1] != "default"] == [
        ("general_settings.master_key", "****", "the environment variable KEY"),
        ("signaller.token.ttl_seconds", "300", f"the environment variable {name}"),
        ("signaller.token.uses", "2", f"the file {path}"),
        ("model_list[0].litellm_params.api_key", "(above)", f"the file '{secret}'"),
    ]
    assert "canary" not in done.stdout.replace(str(secret), "")
