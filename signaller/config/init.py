"""A first configuration for what an environment holds: a file that explains its own lines.

It is made of names of variables and paths of files, never of what a variable holds.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from signaller.config.egress import PROXIES
from signaller.config.litellm import ENTRA, VARIABLES
from signaller.model import PROVIDERS

_Names = Mapping[str, tuple[str, ...]]
"""key -> the variables that may hold its value; the first that is set rules."""
_OURS: _Names = {
    "master_key": ("SIGNALLER_MASTER_KEY", "LITELLM_MASTER_KEY"),
    "redis_url": ("SIGNALLER_REDIS_URL", "REDIS_URL"),
    "token_keys": ("SIGNALLER_TOKEN_KEYS", "SIGNALLER_TOKEN_KEY"),
    "public_url": ("SIGNALLER_PUBLIC_URL",),
    "cors_origins": ("SIGNALLER_CORS_ORIGINS",),
    "egress": (*PROXIES, *map(str.lower, PROXIES)),
}
_SUGGESTED = {"redis_url": "os.environ/REDIS_URL", "token_keys": "os.environ/SIGNALLER_TOKEN_KEY"}
"""What a line that is switched off refers to, where that is not the variable that rules."""
_SECRETS = {"api_key", "client_secret", "master_key", "redis_url", "token_keys", "egress"}
_FILE = """\
{modeline}# `signaller check --config <this file>` says what it means. No secret is written in it:
# os.environ/NAME stands for what a variable holds, file:///path for what a file holds.
# A '#' with no space behind it switches a line off: do what stands above it, then remove it.

# Who answers calls. Needed first: for OpenAI OPENAI_API_KEY; for Azure AZURE_API_BASE, and either
# AZURE_API_KEY or all of AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET. Once they are
# set, `signaller init` writes an entry. To offer one model only, put its name in place of each "*".
{models}
# What your backend sends to get tokens; without it nobody gets any. Any long random text will do:
# `signaller keygen` prints one for SIGNALLER_MASTER_KEY.
{off[master_key]}general_settings:
  {off[master_key]}master_key: {value[master_key]}

signaller:
  token: {{ttl_seconds: 600}}  # how long a token may start its call
  # Where tokens and calls are kept; without Redis in the memory of one process. For Redis set
  # REDIS_URL, for example to redis://127.0.0.1:6379/0, and token_keys.
  {off[redis_url]}redis_url: {value[redis_url]}
  # Keys of tokens, the same for all replicas: the first seals, all of them open. `signaller keygen`
  # prints one for SIGNALLER_TOKEN_KEY; a second one goes behind a comma there.
  {off[token_keys]}token_keys: {value[token_keys]}
  # Where clients find the service if a gateway stands before it: set SIGNALLER_PUBLIC_URL, for
  # example to https://voice.example.
  {off[public_url]}public_url: {value[public_url]}
  # Sites whose pages may call besides our own: set SIGNALLER_CORS_ORIGINS, with commas.
  {off[cors_origins]}cors_origins: {value[cors_origins]}
  # Whether providers are reached through HTTPS_PROXY and its like.
  {off[egress]}egress: {{environment: true}}
  # Backends with keys of their own: set WEB_KEY to one that `signaller keygen --caller` prints.
  #callers: [{{name: web, keys: [os.environ/WEB_KEY]}}]
"""


def initial_configuration(env: Mapping[str, str], folder: Path, schema: str | None = None) -> str:
    """The text of a file for this environment; `folder` is where its relative paths begin.

    `schema` is where an editor finds the JSON Schema: a path or a URL, in one word.
    """
    found = _references(_OURS, env, folder)
    on = _switched_on(found)
    return _FILE.format(
        modeline=f"# yaml-language-server: $schema={schema}\n" if schema else "",
        models=_models(env, folder),
        off={key: "" if key in on else "#" for key in _OURS},
        value={key: f"os.environ/{names[0]}" for key, names in _OURS.items()} | _SUGGESTED | found,
    )


def what_is_missing(env: Mapping[str, str], folder: Path) -> list[str]:
    """What that file leaves out and would be missed, each in a sentence with what to do."""
    found = _references(_OURS, env, folder)
    on = _switched_on(found)
    said = []
    if not any(_providers(env, folder)):
        wanted = "OPENAI_API_KEY, or AZURE_API_KEY with AZURE_API_BASE"
        said.append(f"model_list is switched off, as no provider's key is set: set {wanted}")
    if "master_key" not in on:
        said.append(
            "master_key is switched off, so nobody gets a token: set SIGNALLER_MASTER_KEY "
            "('signaller keygen' prints one)"
        )
    if "redis_url" in found and "redis_url" not in on:
        said.append(
            "redis_url is switched off, as it needs token_keys that all replicas share: set "
            "SIGNALLER_TOKEN_KEY ('signaller keygen' prints one)"
        )
    return said


def _switched_on(found: Mapping[str, str]) -> set[str]:
    """The keys of ours that stand in the file without a '#'."""
    on = {*found}
    if "token_keys" not in on:
        on.discard("redis_url")  # it would be a fault: replicas must share the keys too
    return on


def _references(keys: _Names, env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Each key for which a variable is set, or for a secret its file (<NAME>_FILE), as YAML."""
    found: dict[str, str] = {}
    for key, name in ((key, name) for key, names in keys.items() for name in names):
        path = env.get(f"{name}_FILE") if key in _SECRETS else None
        if env.get(name):
            found.setdefault(key, f"os.environ/{name}")
        elif path and ("/" in path or (folder / path).is_file()):  # or it may be the secret itself
            text = yaml.safe_dump(f"file://{folder / path}", default_style='"', width=sys.maxsize)
            found.setdefault(key, text.rstrip("\n"))
    return found


def _models(env: Mapping[str, str], folder: Path) -> str:
    """The deployments of a start without a file, and those of Azure with Entra ID."""
    openai, azure = (_references(VARIABLES[each], env, folder) for each in PROVIDERS.values())
    if "api_key" in azure or not azure.keys() >= {*ENTRA}:
        azure = {key: each for key, each in azure.items() if key not in ENTRA}
    has_openai, has_azure = _providers(env, folder)
    text = "model_list:\n"
    if has_openai or not has_azure:
        text += _entry("*", "openai/*", {"api_key": "os.environ/OPENAI_API_KEY"} | openai)
    if has_azure:
        text += _entry("azure/*" if has_openai else "*", "azure/*", azure)
    return text if has_openai or has_azure else re.sub(r"^( *)(?=.)", r"\1#", text, flags=re.M)


def _providers(env: Mapping[str, str], folder: Path) -> tuple[bool, bool]:
    """Whether there is all that OpenAI needs, and all that Azure needs."""
    openai, azure = (_references(VARIABLES[each], env, folder) for each in PROVIDERS.values())
    has_credential = "api_key" in azure or azure.keys() >= {*ENTRA}
    return "api_key" in openai, "api_base" in azure and has_credential


def _entry(name: str, model: str, params: Mapping[str, str]) -> str:
    lines = "".join(f"      {key}: {value}\n" for key, value in params.items())
    return (
        f'  - model_name: "{name}"  # what callers ask for\n'
        f"    litellm_params:\n      model: {model}  # what the provider is asked for\n{lines}"
        "    model_info: {mode: realtime}  # entries of other modes are passed over\n"
    )
