"""What a provider does instead of answering, and what the service makes of it."""

import time

from tests.faults.provider.bodies import BOMB, LARGE
from tests.faults.provider.scene import EPHEMERAL
from tests.faults.provider.speaking import drips, floods, says_and_resets
from tests.providers.raw import Speak, http, says, says_and_stalls
from tests.support.provider import ANSWER
from tests.support.service import PROVIDER_KEY

LEAK = f'{{"error": {{"message": "key {PROVIDER_KEY} and {EPHEMERAL} are bad"}}}}'.encode()
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = "Content-Encoding: gzip"

Fault = tuple[Speak, int, str]
STEPS = ("mint", "call")
DISCONNECTED, TIMEOUT = (502, "upstream_disconnected"), (504, "upstream_timeout")
INVALID = (502, "upstream_invalid_response")

FAULTS: dict[str, Fault] = {
    "closes-at-once": (says(), *DISCONNECTED),
    "closes-in-the-head": (says(b"HTTP/1.1 200 O"), *DISCONNECTED),
    "closes-in-the-body": (says(OK + b"Content-Length: 99\r\n\r\nv=0\r\n"), *DISCONNECTED),
    "closes-in-a-chunk": (says(CHUNKED + b"ff\r\nv=0\r\n"), *DISCONNECTED),
    "resets-at-once": (says_and_resets(), *DISCONNECTED),
    "resets-in-the-head": (says_and_resets(OK + b"Con"), *DISCONNECTED),
    "resets-in-the-body": (
        says_and_resets(OK + b"Content-Length: 99\r\n\r\nv=0\r\n"),
        *DISCONNECTED,
    ),
    "says-nothing": (says_and_stalls(), *TIMEOUT),
    "slow-head": (says_and_stalls(OK + b"Con"), *TIMEOUT),
    "dripping-head": (drips(OK, b"X: y\r\n"), *TIMEOUT),
    "slow-body": (says_and_stalls(OK + b"Content-Length: 9\r\n\r\nv=0"), *TIMEOUT),
    "dripping-body": (drips(CHUNKED, b"1\r\n \r\n"), *TIMEOUT),
    "only-a-100": (says_and_stalls(b"HTTP/1.1 100 Continue\r\n\r\n"), *TIMEOUT),
    "only-100s": (drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), *TIMEOUT),
    "early-hints": (says(b"HTTP/1.1 103 Early Hints\r\n\r\n" + http("200 OK", b"x")), *INVALID),
    "another-protocol": (
        says(b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        *INVALID,
    ),
    **{
        f"status-{status}": (
            says(http(f"{status} Moved", b"", "Location: http://127.0.0.1:9/")),
            *INVALID,
        )
        for status in (300, 301, 302, 303, 304, 307, 308)
    },
    "status-799": (says(http("799 Strange", LEAK)), *INVALID),
    "status-403": (says(http("403 No", LEAK)), 502, "upstream_auth_failed"),
    **{
        f"status-{status}": (says(http(f"{status} No", LEAK)), status, "upstream_refused")
        for status in (400, 404, 408, 409, 413, 422, 451)
    },
    **{
        f"status-{status}": (
            says(http(f"{status} No", LEAK, "Retry-After: 7")),
            status,
            "upstream_unavailable",
        )
        for status in (429, 500, 502, 503, 504, 529, 599)
    },
    "large-error": (says(http("500 No", LARGE)), 500, "upstream_unavailable"),
    "packed-error": (says(http("400 No", BOMB, GZIP)), 400, "upstream_refused"),
    "error-in-html": (
        says(http("502 No", b"<html>", "Content-Type: text/html")),
        502,
        "upstream_unavailable",
    ),
    "html": (says(http("200 OK", b"<html>", "Content-Type: text/html")), *INVALID),
    "empty": (says(http("200 OK")), *INVALID),
    "no-content": (says(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"), *INVALID),
    "large": (says(http("200 OK", LARGE)), *INVALID),
    "endless": (floods(CHUNKED, b"8000\r\n" + b" " * 0x8000 + b"\r\n"), *INVALID),
    "gzip-bomb": (says(http("200 OK", BOMB, GZIP)), *INVALID),
    "gzip-bomb-in-transfer": (
        says(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n%x\r\n" % len(BOMB) + BOMB),
        *INVALID,
    ),
    "unknown-encoding": (says(http("200 OK", ANSWER, "Content-Encoding: zstd")), *INVALID),
    "invalid-utf-8": (says(http("200 OK", b"\xff\xfe\xff")), *INVALID),
    "wrong-json": (says(http("200 OK", b'{"value": 7}')), *INVALID),
    "no-http": (says(b"SSH-2.0 hello\r\n\r\n"), *INVALID),
    "two-lengths": (says(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nv=0\r\n"), *INVALID),
    "no-chunk": (says(CHUNKED + b"zz\r\nv=0\r\n"), *INVALID),
}
EACH = {f"{name}-{step}": (step, fault) for name, fault in FAULTS.items() for step in STEPS} | {
    "status-401-mint": ("mint", (says(http("401 No", LEAK)), 502, "upstream_auth_failed")),
    "status-401-call": ("call", (says(http("401 No", LEAK)), 502, "upstream_secret_refused")),
}

SECRET = b'{"value": "%s", "expires_at": %s}'
SOON = str(int(time.time()) + 3600).encode()
NO_SECRETS = {
    "array": b"[]",
    "null": b"null",
    "nothing-in-it": b"{}",
    "cut-off": SECRET[:-1] % (b"ek_x", SOON),
    "two-objects": b"{} {}",
    "byte-order-mark": b"\xef\xbb\xbf" + SECRET % (b"ek_x", SOON),
    "utf-16": (SECRET % (b"ek_x", SOON)).decode().encode("utf-16"),
    "deep": b'{"a":' * 90_000,
    "no-expiry": b'{"value": "ek_x"}',
    "expiry-in-words": SECRET % (b"ek_x", b'"soon"'),
    "expiry-as-text": SECRET % (b"ek_x", b'"%s"' % SOON),
    "expiry-with-a-fraction": SECRET % (b"ek_x", SOON + b".5"),
    "expiry-true": SECRET % (b"ek_x", b"true"),
    "expiry-never": SECRET % (b"ek_x", b"Infinity"),
    "expiry-below-0": SECRET % (b"ek_x", b"-1"),
    "expiry-of-5000-digits": SECRET % (b"ek_x", b"9" * 5000),
    "secret-empty": SECRET % (b"", SOON),
    "secret-of-two-lines": SECRET % (b"ek_x\\r\\nX: y", SOON),
    "secret-of-two-words": SECRET % (b"ek_x ek_y", SOON),
    "secret-beyond-ascii": SECRET % ("ek_\N{SNOWMAN}".encode(), SOON),
    "secret-long": SECRET % (b"e" * 100_000, SOON),
}
NO_ANSWERS = {
    "json": b'{"sdp": "v=0"}',
    "quoted": b'"v=0\\r\\n"',
    "another-version": b"v=1\r\n",
    "byte-order-mark": b"\xef\xbb\xbf" + ANSWER,
    "utf-16": ANSWER.decode().encode("utf-16"),
}
