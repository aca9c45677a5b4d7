"""The code of docs/clients.md that cannot be compiled here: what it sends is really taken."""

import re
from dataclasses import dataclass
from urllib.parse import urljoin

import pytest

from tests.docs.pages import codes, page, section
from tests.support.service import OFFER, bearer, error, running

TOKEN = re.compile(r"\\\(token\)|\$\{?token\}?")
METHOD = re.compile(r'httpMethod = "(\w+)"|\.(post)\(')
STATUS = re.compile(r"(?:statusCode|\.code) [!=]= (\d+)")
CHANNEL = re.compile(r"""(?:forLabel: |[cC]reateDataChannel\()["']([\w-]+)["']""")
HEADERS = {
    "swift": r'setValue\("(?P<value>[^"]+)", forHTTPHeaderField: "(?P<name>[\w-]+)"\)',
    "kotlin": r'\.header\("(?P<name>[\w-]+)", "(?P<value>[^"]+)"\)',
    "dart": r"'(?P<name>[\w-]+)': '(?P<value>[^']+)'",
}
OKHTTPS_TYPE = re.compile(r'toRequestBody\("([^"]+)"')
LOCATION = re.compile(
    r"""forHTTPHeaderField: "(\w+)"\)\.flatMap|response\.header\("(\w+)"\)|\.headers\['(\w+)'\]"""
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What one language's code sends for a call, and looks for in the answer."""

    method: str
    headers: dict[str, str]
    status: int
    location: str
    channel: str


def shown(language: str) -> Shown:
    """Read from the one block of the page in this language."""
    (code,) = page("docs/clients.md").blocks(language)
    headers = {found["name"]: found["value"] for found in re.finditer(HEADERS[language], code)}
    if media_type := OKHTTPS_TYPE.search(code):
        headers["Content-Type"] = media_type[1]
    (method,) = {"".join(words) for words in METHOD.findall(code)}
    (status,), (channel,) = STATUS.findall(code), CHANNEL.findall(code)
    (location,) = ("".join(words) for words in LOCATION.findall(code))
    return Shown(method.upper(), headers, int(status), location, channel)


@pytest.mark.parametrize("language", HEADERS)
async def test_what_an_app_sends_starts_a_call_and_ends_it(language: str) -> None:
    """The code's method and headers get the status and the header that the code asks for."""
    app = shown(language)
    assert len(app.headers) == 2
    async with running() as service:
        minted = (await service.mint()).json()
        token, calls_url = minted["value"], minted["calls_url"]
        headers = {name: TOKEN.sub(token, value) for name, value in app.headers.items()}
        started = await service.client.request(
            app.method, calls_url, content=OFFER, headers=headers
        )
        assert started.status_code == app.status
        assert service.provider.call.requests[0].body == OFFER
        call = urljoin(calls_url, started.headers[app.location])
        ended = await service.client.delete(call, headers=bearer(token))
        assert ended.status_code == 200


@pytest.mark.parametrize("language", HEADERS)
def test_an_app_names_the_channel_of_the_browser(language: str) -> None:
    """Events go over the data channel whose name the README's code has, which a browser runs."""
    (browser,) = section("In the browser").blocks("js")
    assert [shown(language).channel] == CHANNEL.findall(browser)


async def test_the_steps_are_those_of_the_code() -> None:
    """Method, headers, status and the error's members, as the text above the code names them."""
    text = page("docs/clients.md").section("What every client does").text
    told, app = codes(text), shown("swift")
    assert {app.method, app.location, app.channel} <= set(told)
    assert f"**Only {app.status} is success.**" in text
    sent = {f"{name}: {TOKEN.sub('', value).strip()}" for name, value in app.headers.items()}
    assert sent <= set(told)
    async with running() as service:
        refused = await service.call("ek_none")
    members = {code.removeprefix("error.") for code in told if code.startswith("error.")}
    assert members <= set(error(refused)) | {"token"}
