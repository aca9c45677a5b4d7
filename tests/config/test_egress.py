"""The way out: from the file, from the environment, and each way in which it can be wrong."""

from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from signaller.config import describe, load_settings
from signaller.providers.egress import passed_by
from signaller.secret import Secret
from signaller.server.reload import needs_restart, pinned
from signaller.settings import Egress
from tests.config.reading import ENV, faults, service_file
from tests.config.test_describe import listed
from tests.support.certificate import Certificate, self_signed

PROXY = "http://proxy.corp:3128"
LOCKED = "http://user:canary-of-the-proxy@proxy.corp:3128"
EXPECTED = "http://host:port, perhaps with user:password@ before the host (%-encoded)"


def egress(section: str = "{}", **env: str) -> Egress:
    """What a section `egress` and the environment amount to."""
    return load_settings(service_file(f"{{egress: {section}}}"), {**ENV, **env}).egress


@pytest.fixture
def pair(tmp_path: Path) -> Certificate:
    """A certificate and its key."""
    return self_signed(tmp_path)


def test_every_key_arrives(pair: Certificate) -> None:
    """The file's proxy is for both schemes."""
    files = f"ca_file: {pair.certificate}, client_cert: {pair.certificate}, client_key: {pair.key}"
    assert egress(f"{{proxy: os.environ/CORP, {files}}}", CORP=LOCKED) == Egress(
        proxy=Secret(LOCKED),
        http_proxy=Secret(LOCKED),
        ca_file=pair.certificate,
        client_cert=pair.certificate,
        client_key=pair.key,
    )


def test_nothing_said_is_nothing_done() -> None:
    """Everybody is asked directly."""
    assert egress() == Egress() == load_settings(None, ENV).egress


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param({"HTTPS_PROXY": PROXY}, Egress(proxy=Secret(PROXY)), id="https"),
        pytest.param({"HTTP_PROXY": PROXY}, Egress(http_proxy=Secret(PROXY)), id="http"),
        pytest.param(
            {"ALL_PROXY": PROXY, "http_proxy": "http://other:1/"},
            Egress(proxy=Secret(PROXY), http_proxy=Secret("http://other:1")),
            id="all",
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://other:1", "https_proxy": LOCKED, "NO_PROXY": "a.example,.b"},
            Egress(proxy=Secret(LOCKED), no_proxy="a.example,.b"),
            id="small letters rule",
        ),
        pytest.param({"HTTPS_PROXY": PROXY, "https_proxy": ""}, Egress(), id="switched off"),
        pytest.param(
            {"HTTPS_PROXY": "proxy.corp:3128"}, Egress(proxy=Secret(PROXY)), id="without scheme"
        ),
    ],
)
def test_the_environment_is_heard(env: dict[str, str], expected: Egress) -> None:
    """With a file and without one, as by other programs."""
    assert egress(**env) == expected
    assert load_settings(None, {**ENV, **env}).egress == expected


def test_the_files_proxy_rules_over_the_environments() -> None:
    """What NO_PROXY exempts is exempt all the same."""
    env = {"HTTPS_PROXY": "http://other:1", "HTTP_PROXY": "http://other:2", "NO_PROXY": "b"}
    proxy = Secret(PROXY)
    expected = Egress(proxy=proxy, http_proxy=proxy, no_proxy="b")
    assert egress(f"{{proxy: '{PROXY}'}}", **env) == expected


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(
    "entry", ["10.0.0.0/8", "*.openai.com", "api.openai.com:443", "*", "::1", "a.example b.example"]
)
def test_an_entry_that_passes_nobody_by_is_named(name: str, entry: str) -> None:
    """With what is understood; where no proxy is in use, it does not matter."""

    def warned(**env: str) -> list[str]:
        found = load_settings(service_file("{}"), {**ENV, **env}).warnings
        return [each for each in found if each.lower().startswith("no_proxy")]

    listed = {name: f"foo.example, {entry},.bar.example,h:8443,[::1],127.0.0.1"}
    assert warned(HTTPS_PROXY=PROXY, **listed) == [
        f"{name}: '{entry}' has no effect: expected a host or the end of its name, perhaps with a "
        "port other than 80 and 443, or '*' alone"
    ]
    assert warned(**listed) == warned(HTTPS_PROXY=PROXY, NO_PROXY="*") == []


def test_what_is_named_and_what_is_passed_by_agree() -> None:
    """Every form that no warning is given of has its effect."""
    for entry, url in (
        ("api.example", "https://api.example/v1"),
        (".example", "https://api.example/v1"),
        ("api.example:8443", "https://api.example:8443/v1"),
        ("127.0.0.1", "https://127.0.0.1:1/v1"),
        ("[::1]", "https://[::1]:1/v1"),
        ("*", "https://api.example/v1"),
    ):
        env = {**ENV, "HTTPS_PROXY": PROXY, "NO_PROXY": entry}
        settings = load_settings(service_file("{}"), env)
        assert not [each for each in settings.warnings if "NO_PROXY" in each]
        assert passed_by(httpx.URL(url), settings.egress.no_proxy)
    for entry in ("api.example:443", "*.example", "*,foo"):
        assert not passed_by(httpx.URL("https://api.example/v1"), entry)


def test_the_systems_authorities_must_be_there(tmp_path: Path, pair: Certificate) -> None:
    """OpenSSL passes over a file it cannot read, and then nobody is trusted."""
    assert egress(SSL_CERT_FILE=str(pair.certificate)) == egress(SSL_CERT_FILE="") == Egress()
    (gone,) = faults(None, {**ENV, "SSL_CERT_FILE": str(tmp_path / "gone.pem")})
    assert gone.startswith("SSL_CERT_FILE: expected a readable file with certificates in PEM")
    assert gone.endswith("gone.pem': No such file or directory")
    (none,) = faults(None, {**ENV, "SSL_CERT_FILE": str(pair.key)})
    assert none.startswith("SSL_CERT_FILE: expected a file with certificates in PEM, found none in")


def test_the_environment_can_be_left_alone() -> None:
    """Not even what is wrong in it counts then."""
    env = {"HTTPS_PROXY": "socks5://other:1", "NO_PROXY": "b"}
    assert egress("{environment: false}", **env) == Egress()
    proxy = Secret(PROXY)
    expected = Egress(proxy=proxy, http_proxy=proxy)
    assert egress(f"{{environment: false, proxy: '{PROXY}'}}", **env) == expected


@pytest.mark.parametrize(
    "url",
    [
        "socks5://user:canary@proxy:1080",
        "http://user:canary@proxy:3128/path",
        "http://user:canary@proxy:3128?q",
        "http://user:can/canary@proxy:3128",
        "http://user:canary@:3128",
        "http://user:canary@proxy:0",
        "http://user:canary@proxy:99999",
        "user:canary@proxy:3128",
        "http://user:canary@[::1:3128",
    ],
)
def test_what_is_no_proxy_is_a_fault(url: str) -> None:
    """Named by its place, shown by its length alone."""
    (fault,) = faults(service_file(f"{{egress: {{proxy: '{url}'}}}}"))
    shown = f"a string of {len(url)} characters"
    assert fault == f"signaller.egress.proxy: expected {EXPECTED}, found {shown}"


def test_a_proxy_is_not_spoken_to_over_tls() -> None:
    """Not yet; what goes through it is, to the provider."""
    found = "found https://, which says that the proxy itself is spoken to over TLS"
    (fault,) = faults(service_file("{egress: {proxy: 'https://user:canary@proxy:3128'}}"))
    assert fault == f"signaller.egress.proxy: expected {EXPECTED}, {found}"
    (fault,) = faults(None, {**ENV, "HTTPS_PROXY": "https://user:canary@proxy:3128"})
    assert fault == f"HTTPS_PROXY: expected {EXPECTED}, {found}"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "all_proxy"])
def test_a_fault_of_the_environment_names_its_variable(name: str) -> None:
    """One that cannot be used must not be passed over: nobody could tell why nothing answers."""
    found = faults(None, {**ENV, name: "socks5://user:canary@proxy:1080"})
    assert set(found) == {f"{name}: expected {EXPECTED}, found a string of 31 characters"}


def path_faults(pair: Certificate, section: str) -> list[str]:
    """The faults of a section with files, without what they have in common."""
    folder = pair.key.parent
    (folder / "none.pem").write_text("nothing")
    other = self_signed(folder, name="other")
    key = load_pem_private_key(pair.key.read_bytes(), None)
    locked = key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"a password")
    )
    (folder / "locked.key").write_bytes(locked)
    names = {"CERT": pair.certificate, "KEY": pair.key, "OTHER": other.key, "DIR": folder}
    names |= {"NONE": folder / "none.pem", "LOCKED": folder / "locked.key", "GONE": folder / "gone"}
    for name, path in names.items():
        section = section.replace(name, str(path))
    found = faults(service_file(f"{{egress: {section}}}"))
    return [fault.removeprefix("signaller.egress.").replace(f"{folder}/", "") for fault in found]


CERTIFICATES = "certificates in PEM"
A_KEY = "file with the certificate's private key in PEM, without a password, found"


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        pytest.param(
            "{ca_file: GONE}",
            f"ca_file: expected a readable file with {CERTIFICATES}, "
            "found 'gone': No such file or directory",
            id="no file",
        ),
        pytest.param(
            '{ca_file: "a\\0b"}',
            f"ca_file: expected a readable file with {CERTIFICATES}, found 'a\\x00b': no path",
            id="no path",
        ),
        pytest.param(
            "{client_cert: NONE}",
            f"client_cert: expected a file with {CERTIFICATES}, found none in 'none.pem'",
            id="no PEM",
        ),
        pytest.param(
            "{ca_file: KEY}",
            f"ca_file: expected a file with {CERTIFICATES}, found none in 'voice.key'",
            id="a key",
        ),
        pytest.param(
            "{client_key: KEY}",
            "client_cert: expected the certificate of client_key, found nothing",
            id="key alone",
        ),
        pytest.param(
            "{client_cert: CERT}",
            f"client_cert: expected a {A_KEY} none in 'voice.pem'",
            id="certificate alone",
        ),
        pytest.param(
            "{client_cert: CERT, client_key: OTHER}",
            f"client_key: expected a {A_KEY} the key of another certificate",
            id="another's key",
        ),
        pytest.param(
            "{client_cert: CERT, client_key: LOCKED}",
            f"client_key: expected a {A_KEY} none in 'locked.key'",
            id="locked key",
        ),
        pytest.param(
            "{client_cert: CERT, client_key: GONE}",
            f"client_key: expected a readable {A_KEY} 'gone': No such file or directory",
            id="no key file",
        ),
        pytest.param(
            '{client_cert: CERT, client_key: "-----BEGIN PRIVATE KEY-----\\ncanary"}',
            "client_key: expected the path of a file, found PEM itself",
            id="the key itself",
        ),
        pytest.param(
            "{proxi: 1}",
            "proxi: expected a known key (did you mean proxy?), found another",
            id="misspelt",
        ),
        pytest.param(
            "{environment: 'no'}",
            "environment: expected true or false, found 'no'",
            id="no flag",
        ),
    ],
)
def test_each_fault_is_named(pair: Certificate, section: str, expected: str) -> None:
    """The path in the file, what was expected, what was found."""
    assert path_faults(pair, section) == [expected]


def test_a_key_may_stand_in_the_certificates_file(pair: Certificate) -> None:
    """As many tools write it."""
    both = pair.key.parent / "both.pem"
    both.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    assert egress(f"{{client_cert: {both}}}") == Egress(client_cert=both)


def test_check_says_where_requests_go(pair: Certificate) -> None:
    """The proxy by its place, never by its password, nor by its user."""

    def said(section: str, **env: str) -> dict[str, tuple[str, ...]]:
        text = describe(load_settings(service_file(f"{{egress: {section}}}"), {**ENV, **env}))
        assert "canary" not in text
        return {
            key: each for key, each in listed(text).items() if "egress" in key or "PROXY" in key
        }

    place = "http://proxy.corp:3128"
    assert said("{}") == {}
    assert said(f"{{proxy: '{LOCKED}'}}", NO_PROXY="b") == {
        "signaller.egress.proxy": (place, "the file"),
        "NO_PROXY": ("b", "the environment"),
    }
    assert said("{}", HTTPS_PROXY=LOCKED, HTTP_PROXY="http://canary@h:1") == {
        "HTTPS_PROXY": (place, "the environment"),
        "HTTP_PROXY": ("http://h:1", "the environment"),
    }
    cert, key = pair.certificate, pair.key
    assert said(f"{{ca_file: {cert}, client_cert: {cert}, client_key: {key}}}") == {
        "signaller.egress.ca_file": (str(cert), "the file"),
        "signaller.egress.client_cert": (str(cert), "the file"),
        "signaller.egress.client_key": (str(key), "the file"),
    }


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_with_a_password_may_stand_in_a_file(tmp_path: Path, name: str) -> None:
    """As every other secret of a variable; the variable itself rules over its file."""
    path = tmp_path / "proxy"
    path.write_text(f"{LOCKED}\n")
    path.chmod(0o600)
    found = egress(**{f"{name}_FILE": str(path)})
    assert found.proxy == (None if name == "HTTP_PROXY" else Secret(LOCKED))
    assert found.http_proxy == (None if name == "HTTPS_PROXY" else Secret(LOCKED))
    for each in (name, name.lower()):
        over = egress(**{f"{name}_FILE": str(path), each: PROXY})
        assert {over.proxy, over.http_proxy} - {None} == {Secret(PROXY)}
    assert egress(**{f"{name}_FILE": str(path), name.lower(): ""}) == Egress()


def test_the_file_of_a_proxy_is_looked_at_as_closely(tmp_path: Path) -> None:
    """A fault names the variable, and shows nothing of what the file holds."""
    path = tmp_path / "proxy"
    gone = {**ENV, "HTTPS_PROXY_FILE": str(path)}
    (fault,) = faults(None, gone)
    assert fault.startswith("HTTPS_PROXY_FILE: expected a readable file with the value, found ")
    path.write_text("socks5://user:canary@proxy:1080")
    path.chmod(0o600)
    (fault,) = faults(None, gone)
    assert fault == f"HTTPS_PROXY_FILE: expected {EXPECTED}, found a string of 31 characters"
    off = service_file("{egress: {environment: false}}")
    assert load_settings(off, gone).egress == Egress()


def test_another_way_out_needs_a_restart() -> None:
    """Connections outlive a reload: it is named, and stays as it was."""
    before = load_settings(service_file("{}"), ENV)
    after = load_settings(service_file(f"{{egress: {{proxy: '{PROXY}'}}}}"), ENV)
    assert needs_restart(before, after) == ["signaller.egress"]
    assert pinned(before, after).egress == Egress()
