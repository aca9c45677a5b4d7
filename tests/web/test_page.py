"""The tester page's files, as a browser fetches them."""

import os
from pathlib import Path

import httpx
import pytest
from starlette.exceptions import HTTPException

from signaller.web.page import MOUNTED, PageFiles, static_directory, takes_gzip
from tests.support.service import running

MODULE = "/js/main.js"
PACKED = {"accept-encoding": "gzip"}
PLAIN = {"accept-encoding": "identity"}


@pytest.mark.parametrize("asked", [PACKED, PLAIN], ids=["packed", "plain"])
async def test_a_file_is_what_stands_on_the_disk(asked: dict[str, str]) -> None:
    """Compressed for those who ask for that; caches keep both apart."""
    async with running() as service:
        response = await service.client.get(MODULE, headers=asked)
    assert response.content == (static_directory() / MODULE[1:]).read_bytes()
    assert response.headers.get("content-encoding") == ("gzip" if asked is PACKED else None)
    assert response.headers["content-type"].startswith("text/javascript")
    assert "accept-encoding" in response.headers["vary"]


async def test_a_browser_asks_each_time_whether_it_has_the_same() -> None:
    """Old modules beside new ones would be no page; what has not changed is not sent again."""
    async with running() as service:
        for path in ("/", "/favicon.svg", MODULE, "/css/base.css"):
            first = await service.client.get(path, headers=PACKED)
            assert first.headers["cache-control"] == "no-cache"
            known = {**PACKED, "if-none-match": first.headers["etag"]}
            again = await service.client.get(path, headers=known)
            assert (again.status_code, again.content) == (304, b"")
            other = await service.client.get(path, headers={**known, **PLAIN})
            assert other.status_code == 200


@pytest.mark.parametrize("name", MOUNTED)
async def test_what_is_no_file_is_not_found(name: str) -> None:
    """And a page is only read."""
    async with running() as service:
        for path in (f"/{name}", f"/{name}/", f"/{name}/none", f"/{name}/..%2findex.html"):
            response = await service.client.get(path)
            assert response.status_code == 404, path
        assert (await service.client.post(f"/{name}/none")).status_code == 405


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, GZIP ; q=0.001", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, identity", False),
        ("notgzip", False),
        ("gzip-more;q=1", False),
    ],
)
def test_gzip_is_for_those_who_take_it(accepted: str, taken: bool) -> None:
    """By its name, in any case; a weight of zero refuses it."""
    assert takes_gzip(accepted) is taken


def test_a_file_that_goes_while_it_is_read_is_not_found(tmp_path: Path) -> None:
    """As it would be a moment later."""
    with pytest.raises(HTTPException) as refused:
        PageFiles(directory=tmp_path).file_response(
            tmp_path / "gone.js", tmp_path.stat(), {"type": "http", "headers": []}
        )
    assert refused.value.status_code == 404


async def test_a_file_that_has_changed_is_sent_anew(tmp_path: Path) -> None:
    """Whoever works on the page need not start the service again."""
    (tmp_path / "one.js").write_text("1;")
    transport = httpx.ASGITransport(PageFiles(directory=tmp_path))
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        first = await client.get("/one.js")
        (tmp_path / "one.js").write_text("2;")
        os.utime(tmp_path / "one.js", ns=(0, 0))  # a disk's clock is coarse
        known = {"if-none-match": first.headers["etag"]}
        assert (await client.get("/one.js", headers=known)).content == b"2;"
