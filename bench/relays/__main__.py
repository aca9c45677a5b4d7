"""A bare relay on the service's own server protocol: `python -m bench.relays <name> <port>`."""

import sys

import uvicorn

from signaller.server.run import ServerConfig

name, port = sys.argv[1:]
uvicorn.Server(
    ServerConfig(f"bench.relays.{name}:app", host="127.0.0.1", port=int(port), log_level="warning")
).run()
