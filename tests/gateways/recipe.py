"""What docs/sidecar.md shows for a gateway, with this machine's names, paths and ports."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.docs.pages import section

GATEWAY = section("Behind a gateway")
CONSUMER_HEADER = "  proxy_set_header X-Consumer-Id $consumer;"
BACKENDS = re.compile(r"  # Only if nginx knows.*?\n  \}\n", re.S)
BASIC = re.compile(r"    auth_basic .*?\n    set \$consumer \$remote_user;\n", re.S)
CADDYS_BACKENDS = re.compile(r"\t# Only if Caddy knows.*?\n\t\}\n", re.S)
HAPROXYS_BACKENDS = re.compile(r"  # Only if HAProxy knows.*?\n\n", re.S)
CADDYS_SOCKET = "unix//run/signaller/signaller.sock"
HAPROXYS_SOCKET = "server one unix@/run/signaller/signaller.sock"
SOCKET = "server unix:/run/signaller/signaller.sock;"


def nginx_recipe() -> str:
    """nginx knows the backends, and names them."""
    (text,) = section("nginx").blocks("nginx")
    return text


def caddy_recipe() -> str:
    """Caddy knows the backends, and names them."""
    (text,) = section("Caddy").blocks("caddyfile")
    return text


def haproxy_recipe() -> str:
    """HAProxy knows the backends, and names them."""
    (text,) = section("HAProxy").blocks("haproxy")
    return text


def without_authentication(recipe: str, backends: re.Pattern[str] = BACKENDS) -> str:
    """The gateway passes on what callers send: the recipe without its optional part."""
    return once(recipe, backends, "")


def without_the_consumer_header(recipe: str) -> str:
    """What an operator who forgets this line has."""
    assert recipe.count(CONSUMER_HEADER) == 1
    return "".join(line for line in recipe.splitlines(True) if CONSUMER_HEADER not in line)


def with_a_service_that_knows(recipe: str, url: str) -> str:
    """The page's alternative: a service at `url` says who the backend is."""
    lines = re.findall(r"`(auth_request[^`]+;)`", section("nginx").text)
    assert len(lines) == 2
    service = f"""  location = /identity {{
    internal;
    proxy_pass {url};
    proxy_pass_request_body off;
    proxy_set_header Content-Length "";
  }}
"""
    asked = once(recipe, BASIC, "".join(f"    {line}\n" for line in lines))
    return once(asked, re.compile(r"  location / "), f"{service}  location / ")


def at(recipe: str, places: Mapping[str, str]) -> str:
    """The recipe with each name of the page's in its place, which it must have exactly once."""
    for name, place in places.items():
        recipe = once(recipe, re.compile(re.escape(name)), place)
    return recipe


def once(text: str, pattern: re.Pattern[str], replacement: str) -> str:
    """The text with the one place that fits replaced."""
    changed, count = pattern.subn(lambda _: replacement, text)
    assert count == 1, (pattern.pattern, count)
    return changed


def service_recipe(*, public_url: str | None = None, jwks_url: str | None = None) -> str:
    """The page's `signaller:` section at the test's addresses; no jwt without a JWKS."""
    (text,) = GATEWAY.blocks("yaml")
    whole: dict[str, Any] = yaml.safe_load(text)
    ours = whole["signaller"]
    ours["public_url"] = public_url or ours["public_url"]
    if jwks_url is None:
        del ours["gateway"]["jwt"]
    else:
        ours["gateway"]["jwt"]["jwks_url"] = jwks_url
    return yaml.safe_dump(whole)
