"""What a provider may say that is too much."""

import zlib

MIB = 1024 * 1024
LARGE = b"v=0\r\n" + b"a" * 10_000_000
UNPACKED = 128 * MIB


def bomb() -> bytes:
    """An eighth of a MiB of gzip that unpacks to a thousand times as much."""
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(4 * MIB)
    packed = [packer.compress(zeros) for _ in range(UNPACKED // len(zeros))]
    return b"".join(packed) + packer.flush()


BOMB = bomb()
