"""The service and a provider of its own on this machine, in one process."""

import asyncio
import logging
import secrets
import signal
from contextvars import ContextVar, copy_context

import click

from signaller.app import create_app
from signaller.config import generate_token_key
from signaller.loopback.app import create_loopback
from signaller.loopback.front import front
from signaller.loopback.switches import Switches
from signaller.model import Deployment
from signaller.secret import Secret
from signaller.server.run import EmbeddedServer
from signaller.server.sockets import tcp_listeners
from signaller.settings import Settings, Timeouts
from signaller.web.handlers import tester

MODEL = "gpt-realtime"
PRICES = {
    "input_cost_per_token": "4e-06",
    "cache_read_input_token_cost": "4e-07",
    "output_cost_per_token": "16e-06",
    "input_cost_per_audio_token": "32e-06",
    "cache_read_input_audio_token_cost": "4e-07",
    "output_cost_per_audio_token": "64e-06",
}
"""By LiteLLM's names, as in `model_info`: a model of that name costs so much at OpenAI. The demo's
own costs nothing, but nobody would see what a cost looks like."""
ANSWER_SECONDS = 10
"""A service waits for twenty. With slow answers switched on, the page shows the 504 after half of
that."""
SHUTDOWN_SECONDS = 2

_of_provider: ContextVar[bool] = ContextVar("signaller_of_provider", default=False)


def run_demo(host: str, port: int, *, redis_url: str | None = None) -> None:
    """Serve until SIGINT or SIGTERM. Raises ConfigError where it cannot listen."""
    asyncio.run(_serve(host, port, Secret(redis_url) if redis_url else None))


async def _serve(host: str, port: int, redis_url: Secret | None) -> None:
    provider_key, master_key = (Secret(f"sk-{secrets.token_urlsafe(24)}") for _ in range(2))
    switches = Switches()
    with (
        tcp_listeners("127.0.0.1", 0) as (provider_socket,),
        tcp_listeners("127.0.0.1", 0) as (front_socket,),
        tcp_listeners(host, port) as service_sockets,
    ):
        deployment = Deployment(
            id="loopback",
            model_name=MODEL,
            provider="openai",
            upstream_model=MODEL,
            base_url=f"http://127.0.0.1:{front_socket.getsockname()[1]}",
            api_key=provider_key,
            prices=PRICES,
        )
        settings = Settings(
            deployments=(deployment,),
            master_key=master_key,
            token_keys=(Secret(generate_token_key()),),
            redis_url=redis_url,
            supervision="best_effort",
            tester_key=master_key,
            tester_host=host,
            timeouts=Timeouts(call_seconds=ANSWER_SECONDS),
        )
        loopback = create_loopback(api_key=provider_key)
        provider = EmbeddedServer(
            switches.around_provider(loopback), shutdown_seconds=SHUTDOWN_SECONDS
        )
        app = create_app(settings, clock=switches.clock)
        app.router.routes[:0] = switches.routes(master_key, tester)
        service = EmbeddedServer(switches.around_service(app), shutdown_seconds=SHUTDOWN_SECONDS)

        def stop() -> None:
            service.should_exit = provider.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        # Both servers log by uvicorn's one logger: each of its lines would stand there twice.
        logging.getLogger("uvicorn.error").addFilter(_is_wanted)
        of_provider = copy_context()
        of_provider.run(_of_provider.set, True)
        serving = [
            asyncio.create_task(provider.serve(sockets=[provider_socket]), context=of_provider),
            asyncio.create_task(service.serve(sockets=service_sockets)),
        ]
        await asyncio.gather(provider.ready.wait(), service.ready.wait())
        # Browsers give a microphone to names of this machine, not to "all addresses".
        everywhere = host in {"0.0.0.0", "::"}  # noqa: S104 - as told
        address = "localhost" if everywhere else f"[{host}]" if ":" in host else host
        _greet(
            f"http://{address}:{service_sockets[0].getsockname()[1]}",
            master_key,
            deployment.base_url,
            provider_key,
        )
        async with front(
            front_socket, provider_socket.getsockname(), lambda: switches.on.dead_sideband
        ):
            await asyncio.gather(*serving)


def _is_wanted(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO or not _of_provider.get()


def _greet(url: str, key: Secret, provider_url: str, provider_key: Secret) -> None:
    click.echo(
        f"""
signaller demo: the service and a provider on this machine. Ctrl-C ends both.

  Open      {url}/
  and press Connect: a tone greets you, and what you say comes back.

  For the commands of the README, paste these two lines into another terminal:

  export SIGNALLER={url}
  export SIGNALLER_MASTER_KEY={key.reveal()}

  For a service with a configuration of your own, the provider alone:

  export OPENAI_BASE_URL={provider_url}
  export OPENAI_API_KEY={provider_key.reveal()}
"""
    )
