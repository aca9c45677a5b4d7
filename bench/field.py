"""The contenders of one run, around the providers and the Redis that they share."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from bench.configuration import COLD, WARM, litellm_settings, service_settings
from bench.contenders import Contender, Server, started
from bench.processes import Cores, on_core, python
from bench.provider import provider_settings, proxy_settings
from tests.support.nginx import nginx_binary
from tests.support.redis import free_port, redis_server

SLOW_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Where everything is; contenders made from it speak to the quick provider unless told."""

    cores: Cores
    quick: Server
    slow: Server
    """Both providers; load may be sent to them directly."""
    redis: int
    litellm: str | None = None
    """Its program, when it is asked for."""

    def redis_url(self, database: int = 0) -> str:
        """A database for each server whose keys should not meet another's."""
        return f"redis://127.0.0.1:{self.redis}/{database}"

    def service(
        self,
        name: str = "service, Redis",
        *,
        database: int | None = 0,
        provider: Server | None = None,
        warm: bool = False,
        workers: int = 1,
        log_level: str = "warning",
    ) -> Contender:
        """The service; `database` None: on the memory store. It logs as little as its rivals."""
        port = free_port()
        url = None if database is None else self.redis_url(database)
        settings = service_settings(
            (provider or self.quick).port, redis_url=url, secrets=WARM if warm else COLD
        )
        options = ("--workers", str(workers), "--log-level", log_level, "--log-format", "json")
        return Contender(
            name=name,
            command=(
                *python("signaller", "--config", "{folder}/config.yaml", "--port", str(port)),
                *options,
            ),
            files={"config.yaml": settings},
            port=port,
            environment={},
            own_tokens=True,
        )

    def relay(self, module: str, *, provider: Server | None = None) -> Contender:
        """A bare Starlette relay, served as the service is: uvicorn, uvloop, the same protocol."""
        url = f"http://127.0.0.1:{(provider or self.quick).port}"
        return self._bare(module, {"BENCH_PROVIDER": url})

    def echo(self) -> Contender:
        """A bare Starlette JSON echo with Redis SET and GET."""
        return self._bare("echo", {"BENCH_REDIS": self.redis_url(15)})

    def proxy(self) -> Contender:
        """nginx in front of the provider."""
        port = free_port()
        return _nginx("nginx as reverse proxy", port, proxy_settings(port, self.quick.port))

    def litellm_proxy(self, *, provider: Server | None = None) -> Contender | None:
        """LiteLLM's proxy, when it is asked for."""
        if self.litellm is None:
            return None
        port = free_port()
        return Contender(
            name="LiteLLM's proxy",
            command=(
                *(self.litellm, "--config", "{folder}/config.yaml", "--port", str(port)),
                *("--host", "127.0.0.1", "--num_workers", "1", "--telemetry", "False"),
            ),
            files={"config.yaml": litellm_settings((provider or self.quick).port)},
            port=port,
            # Without it the proxy asks the network for a list of prices before it starts.
            environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
            own_tokens=True,
            health="/health/liveliness",
        )

    def _bare(self, module: str, environment: dict[str, str]) -> Contender:
        port = free_port()
        return Contender(
            name=_NAMES[module],
            command=tuple(python("bench.relays", module, str(port))),
            files={},
            port=port,
            environment=environment,
        )


_NAMES = {
    "over_httpx": "bare relay, httpx as it comes",
    "over_client": "bare relay, same client",
    "over_aiohttp": "bare relay, aiohttp",
    "echo": "bare echo, Redis SET+GET",
}


@contextlib.contextmanager
def field(cores: Cores, litellm: str | None) -> Iterator[Field]:
    """Both providers and a Redis of the run's own, on the core that no contender has."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(on_core(cores.rest))
        quick, slow = (
            stack.enter_context(started(each, cores.rest)) for each in (_quick(), _slow())
        )
        redis = stack.enter_context(redis_server())
        yield Field(cores=cores, quick=quick, slow=slow, redis=redis, litellm=litellm)


def _quick() -> Contender:
    port = free_port()
    return _nginx("provider itself", port, provider_settings(port))


def _slow() -> Contender:
    port = free_port()
    return Contender(
        name="provider itself",
        command=tuple(python("bench.slow_provider", str(port), str(SLOW_SECONDS))),
        files={},
        port=port,
        environment={},
    )


def _nginx(name: str, port: int, settings: str) -> Contender:
    return Contender(
        name=name,
        command=(nginx_binary(), "-p", "{folder}", "-c", "nginx.conf", "-e", "stderr"),
        files={"nginx.conf": settings},
        port=port,
        environment={},
    )
