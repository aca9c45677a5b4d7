"""Providers that break off, drip and flood, each one of them for as long as it is listened to."""

import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter

from tests.providers.raw import Speak

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends RST."""


def says_and_resets(*chunks: bytes) -> Speak:
    """Send these bytes, then tear the connection down."""

    async def speak(_reader: StreamReader, writer: StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()

    return speak


def drips(head: bytes, drop: bytes) -> Speak:
    """Send a head, then this again and again, never silent for long."""

    async def speak(_reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.02)  # the drip itself

    return speak


def floods(head: bytes, piece: bytes) -> Speak:
    """Send a head, then this as fast as it is taken, until the client hangs up."""

    async def speak(_reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()

    return speak
