"""A gateway that takes a prefix off: what clients are told leads back through it."""

import sys
from pathlib import Path

from signaller.app import create_app
from tests.docs.pages import section
from tests.docs.test_curl import Shell
from tests.gateways.gate import MODEL
from tests.support.nginx import nginx
from tests.support.provider import FakeProvider
from tests.support.redis import free_port
from tests.support.service import MASTER_KEY, deployment, settings
from tests.support.serving import serving


def stripping(service_url: str, port: int) -> str:
    """nginx, at whose /voice/ the service is."""
    return f"""
server {{
  listen 127.0.0.1:{port};
  location /voice/ {{
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_pass {service_url}/;
  }}
}}"""


async def test_the_readmes_commands_work_behind_a_prefix(tmp_path: Path) -> None:
    """Mint, call and hang up, with the gateway's address as `SIGNALLER`: the call has ended."""
    provider = FakeProvider()
    (tmp_path / ".venv").symlink_to(sys.prefix)
    port = free_port()
    public = f"http://127.0.0.1:{port}/voice"
    async with serving(provider.app) as provider_url:
        made = settings(deployment(provider_url, model_name=MODEL), public_url=public)
        async with serving(create_app(made)) as url:
            with nginx(tmp_path, stripping(url, port), port):
                known = {"SIGNALLER": public, "SIGNALLER_MASTER_KEY": MASTER_KEY}
                shell = Shell(tmp_path, known)
                await shell.run(*section("With curl").blocks("sh"))
    assert len(provider.call.requests) == len(provider.hangup.requests) == 1
    assert provider.live_calls == set()
