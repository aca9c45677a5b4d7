"""How a gateway says who calls, and each way in which that can be configured wrong."""

from dataclasses import fields
from ipaddress import ip_network

import pytest

from signaller.config import load_settings
from signaller.config.declared import HeaderKeys, JwtKeys
from signaller.settings import ClaimNames, Gateway, HeaderSettings, JwtSettings
from tests.config.reading import ENV, faults, service_file

PEM = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYI\nKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----"
QUOTED = '"' + PEM.replace("\n", "\\n") + '"'
URL = "https://id.example/jwks.json"
ANY_HEADER = "the name of a header, at most 100 characters"
NETWORK = "a network such as 10.0.0.0/8, an address or 'unix'"
PEM_EXPECTED = (
    "PEM, from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----, with its line breaks "
    "(in YAML: a block after '|')"
)
ALGORITHM = "one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA"


def jwt(**changes: str | None) -> str:
    """A section with `gateway.jwt`, some keys changed or (None) left out."""
    parts: dict[str, str | None] = {
        "issuer": "https://id.example",
        "audience": "voice",
        "jwks_url": URL,
        "algorithms": "[RS256]",
        **changes,
    }
    inner = ", ".join(f"{key}: {value}" for key, value in parts.items() if value is not None)
    return f"{{gateway: {{jwt: {{{inner}}}}}}}"


def header(**changes: str | None) -> str:
    """A section with `gateway.header`, some keys changed or (None) left out."""
    parts = {"name": "X-Consumer-Id", "trusted": "[unix]", **changes}
    inner = ", ".join(f"{key}: {value}" for key, value in parts.items() if value is not None)
    return f"{{gateway: {{header: {{{inner}}}}}}}"


def gateway(section: str) -> Gateway:
    """The gateway of a section of ours."""
    return load_settings(service_file(section), {**ENV, "PEM": PEM + "\n"}).gateway


def test_the_keys_are_those_of_the_settings() -> None:
    """Nothing can be set that is not read, or read that cannot be set."""
    assert set(JwtKeys.model_fields) == {field.name for field in fields(JwtSettings)}
    assert set(HeaderKeys.model_fields) == {"name", "trusted", "end_user"}


def test_every_key_of_jwt_arrives() -> None:
    """Nothing that the section says is lost."""
    claims = {key: f"x_{key}" for key in (field.name for field in fields(ClaimNames))}
    text = jwt(
        algorithms="[RS256, ES256, RS256]",
        required_scope="voice:call",
        claims="{" + ", ".join(f"{key}: {value}" for key, value in claims.items()) + "}",
    )
    assert gateway(text) == Gateway(
        jwt=JwtSettings(
            issuer="https://id.example",
            audience="voice",
            algorithms=("RS256", "ES256"),
            jwks_url=URL,
            required_scope="voice:call",
            claims=ClaimNames(**claims),
        )
    )


@pytest.mark.parametrize("written", [QUOTED, "os.environ/PEM"])
def test_a_public_key_may_stand_for_the_url(written: str) -> None:
    """From the file or a variable, without what surrounds it; claims may be left out."""
    settings = gateway(jwt(jwks_url=None, public_key=written)).jwt
    assert settings is not None
    assert (settings.public_key, settings.jwks_url) == (PEM, None)
    assert settings.claims == ClaimNames()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://localhost:8080/jwks", id="localhost"),
        pytest.param("http://127.0.0.1/jwks", id="loopback"),
        pytest.param("http://[::1]:8/jwks", id="loopback-6"),
        pytest.param("https://id.example/keys?p=tenant", id="query"),
        pytest.param("https://id.example/keys/", id="trailing-slash"),
    ],
)
def test_a_jwks_url_is_used_as_it_is(url: str) -> None:
    """Plain HTTP is fine where nobody stands in between."""
    settings = gateway(jwt(jwks_url=f"'{url}'")).jwt
    assert settings is not None
    assert settings.jwks_url == url


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        pytest.param(
            jwt(issuer=None),
            ".issuer: expected the issuer that JWTs must name, found nothing",
            id="no-issuer",
        ),
        pytest.param(
            jwt(audience=None),
            ".audience: expected the audience that JWTs must name, found nothing",
            id="no-audience",
        ),
        pytest.param(
            jwt(audience="[a]"), ".audience: expected a string, found a list", id="audience-list"
        ),
        pytest.param(
            jwt(issuer='"a\\nb"'),
            ".issuer: expected printable characters in one line, found others among 3 characters",
            id="issuer-lines",
        ),
        pytest.param(
            jwt(jwks_url=None),
            ".jwks_url: expected either jwks_url or public_key, found neither",
            id="no-key",
        ),
        pytest.param(
            jwt(public_key=QUOTED),
            ".jwks_url: expected either jwks_url or public_key, found both",
            id="both-keys",
        ),
        pytest.param(
            jwt(jwks_url="http://id.example/jwks"),
            ".jwks_url: expected https://, as keys can be swapped on the way otherwise, "
            "found http://",
            id="url-in-the-clear",
        ),
        pytest.param(
            jwt(jwks_url="https://u:canary@id.example"),
            ".jwks_url: expected an https URL without user, password and fragment, "
            "found a string of 27 characters",
            id="url-password",
        ),
        pytest.param(
            jwt(jwks_url="id.example/jwks"),
            ".jwks_url: expected an https URL without user, password and fragment, "
            "found 'id.example/jwks'",
            id="url-none",
        ),
        pytest.param(
            jwt(jwks_url=None, public_key='"-----BEGIN EC PRIVATE KEY-----\\ncanary"'),
            ".public_key: expected a public key, found a private one, which only the issuer "
            "may have",
            id="private-key",
        ),
        pytest.param(
            jwt(jwks_url=None, public_key="-----BEGIN CERTIFICATE-----"),
            ".public_key: expected the public key itself ('openssl x509 -pubkey' takes it out), "
            "found a certificate",
            id="certificate",
        ),
        pytest.param(
            jwt(jwks_url=None, public_key=f"'{PEM}'"),
            f".public_key: expected {PEM_EXPECTED}, found a string of {len(PEM)} characters",
            id="folded",
        ),
        pytest.param(
            jwt(jwks_url=None, public_key="canary"),
            f".public_key: expected {PEM_EXPECTED}, found a string of 6 characters",
            id="no-pem",
        ),
        pytest.param(
            jwt(algorithms=None),
            ".algorithms: expected a list of algorithms, found nothing",
            id="no-algorithms",
        ),
        pytest.param(
            jwt(algorithms="[]"),
            ".algorithms: expected a list of algorithms, at least 1, found an empty list",
            id="empty-algorithms",
        ),
        pytest.param(
            jwt(algorithms="RS256"),
            ".algorithms: expected a list of algorithms, found a string of 5 characters",
            id="algorithms-text",
        ),
        pytest.param(
            jwt(algorithms="[RS256, HS256]"),
            f".algorithms[1]: expected {ALGORITHM}, found 'HS256'",
            id="symmetric",
        ),
        pytest.param(
            jwt(algorithms="[None]"),
            f".algorithms[0]: expected {ALGORITHM}, found 'None'",
            id="none",
        ),
        pytest.param(
            jwt(algorithms="[rs256]"),
            f".algorithms[0]: expected {ALGORITHM}, found 'rs256'",
            id="unknown-algorithm",
        ),
        pytest.param(
            jwt(required_scope="a b"),
            ".required_scope: expected one scope: printable ASCII without spaces, quotes and "
            "backslashes, found 'a b'",
            id="two-scopes",
        ),
        pytest.param(
            jwt(claims="{model: scope}"),
            ".claims.model: expected a known key (did you mean models?), found another",
            id="unknown-claim",
        ),
        pytest.param(
            jwt(claims="{caller: [sub]}"),
            ".claims.caller: expected a string, found a list",
            id="claim-list",
        ),
        pytest.param(
            jwt(claims=f"{{caller: {'x' * 201}}}"),
            ".claims.caller: expected at most 200 characters, found 201",
            id="claim-long",
        ),
        pytest.param(
            jwt(claims="{models_prefix: 'model:'}"),
            ".claims.models: expected the claim whose entries have the prefix, found nothing",
            id="prefix-alone",
        ),
        pytest.param(
            jwt(audiense="canary"),
            ".audiense: expected a known key (did you mean audience?), found another",
            id="misspelt",
        ),
        pytest.param("{gateway: {jwt: }}", ": expected a mapping, found nothing", id="nothing"),
    ],
)
def test_a_fault_in_jwt(section: str, expected: str) -> None:
    """Each is named by its path, and what may be a private key is not shown."""
    found = [fault for fault in faults(service_file(section)) if fault.endswith(expected)]
    assert found == [f"signaller.gateway.jwt{expected}"]
    assert len(faults(service_file(section))) == 1


def test_a_gateway_without_anything_is_told_all_that_is_missing() -> None:
    """At once."""
    missing = [line.partition(":")[0] for line in faults(service_file("{gateway: {jwt: {}}}"))]
    keys = ("issuer", "audience", "algorithms", "jwks_url")
    assert missing == [f"signaller.gateway.jwt.{key}" for key in keys]


def test_every_key_of_header_arrives() -> None:
    """Names in lower case, each network once, an address as the network of one."""
    trusted = "['127.0.0.1', '10.0.0.0/8', unix, 'fd00::/8', '10.0.0.0/8', '10.0.0.0/255.0.0.0']"
    assert gateway(header(trusted=trusted, end_user="X-End-User")) == Gateway(
        header=HeaderSettings(
            name="x-consumer-id",
            networks=(
                ip_network("127.0.0.1/32"),
                ip_network("10.0.0.0/8"),
                ip_network("fd00::/8"),
            ),
            trust_unix=True,
            end_user="x-end-user",
        )
    )
    only = gateway(header(trusted="['10.0.0.0/8']")).header
    assert only is not None
    assert (only.trust_unix, only.end_user) == (False, None)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        pytest.param(
            header(name=None),
            ".name: expected the header that names the caller, found nothing",
            id="no-name",
        ),
        pytest.param(
            header(name="'X Caller'"), f".name: expected {ANY_HEADER}, found 'X Caller'", id="name"
        ),
        pytest.param(
            header(name="x" * 101),
            f".name: expected {ANY_HEADER}, found '{'x' * 60}'...",
            id="name-long",
        ),
        *(
            pytest.param(
                header(name=name),
                f".name: expected a header of the gateway's own, found {name.lower()}, "
                "which says something else",
                id=name,
            )
            for name in (
                *("Authorization", "api-key", "Cookie", "Host", "Origin", "Content-Type"),
                "X-Request-Id",
            )
        ),
        pytest.param(
            header(end_user="Cookie"),
            ".end_user: expected a header of the gateway's own, found cookie, "
            "which says something else",
            id="end-user",
        ),
        pytest.param(
            header(trusted=None),
            ".trusted: expected a list of networks or 'unix', found nothing",
            id="no-trusted",
        ),
        pytest.param(
            header(trusted="[]"),
            ".trusted: expected a list of networks or 'unix', at least 1, found an empty list",
            id="empty-trusted",
        ),
        pytest.param(
            header(trusted="unix"),
            ".trusted: expected a list of networks or 'unix', found a string of 4 characters",
            id="trusted-text",
        ),
        pytest.param(
            header(trusted="[gateway.example]"),
            f".trusted[0]: expected {NETWORK}, found 'gateway.example'",
            id="name-of-a-host",
        ),
        pytest.param(
            header(trusted="[unix, 10.0.0.5/8]"),
            ".trusted[1]: expected the network's first address, as in 10.0.0.0/8, "
            "found '10.0.0.5/8'",
            id="host-bits",
        ),
        *(
            pytest.param(
                header(trusted=f"['{network}']"),
                ".trusted[0]: expected a network of your own, as anybody could name any caller, "
                f"found {shown}",
                id=network,
            )
            for network, shown in (
                ("0.0.0.0/0", "0.0.0.0/0"),
                ("1.2.3.4/0", "0.0.0.0/0"),
                ("0.0.0.0/0.0.0.0", "0.0.0.0/0"),
                ("::/0", "::/0"),
            )
        ),
        pytest.param(
            header(trusted="['::ffff:10.0.0.0/104']"),
            ".trusted[0]: expected the IPv4 network itself, as which its clients are known, "
            "found ::ffff:a00:0/104",
            id="mapped",
        ),
        pytest.param(
            header(trust="[unix]"),
            ".trust: expected a known key (did you mean trusted?), found another",
            id="misspelt",
        ),
    ],
)
def test_a_fault_in_header(section: str, expected: str) -> None:
    """Each is named by its path."""
    assert faults(service_file(section)) == (f"signaller.gateway.header{expected}",)


def test_a_gateway_may_speak_both_ways_or_not_at_all() -> None:
    """An empty section is none."""
    both = gateway(jwt()[:-2] + ", " + header().removeprefix("{gateway: {"))
    assert both.jwt is not None
    assert both.header is not None
    assert gateway("{gateway: {}}") == Gateway()


def test_an_unknown_way_is_a_fault() -> None:
    """A gateway that is not understood must not be silently absent."""
    assert faults(service_file("{gateway: {jwts: {}}}")) == (
        "signaller.gateway.jwts: expected a known key (did you mean jwt?), found another",
    )


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("false", False)])
def test_only_listed_is_read(text: str, expected: bool) -> None:
    """Without it the gateway may name anybody."""
    header = "header: {name: X-Consumer-Id, trusted: [unix]}"
    settings = load_settings(service_file(f"{{gateway: {{{header}, only_listed: {text}}}}}"), ENV)
    assert settings.gateway.only_listed is expected
    assert not load_settings(service_file(f"{{gateway: {{{header}}}}}"), ENV).gateway.only_listed


def test_only_listed_is_true_or_false() -> None:
    """Anything else is a fault."""
    header = "header: {name: X-Consumer-Id, trusted: [unix]}"
    assert faults(service_file(f"{{gateway: {{{header}, only_listed: 1}}}}")) == (
        "signaller.gateway.only_listed: expected true or false, found 1",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ("callers: [{name: mobile, mints_per_minute: 60}]", True),
        ("callers: [{name: mobile, mints_per_minute: 60}], policy: {models: ['*']}", False),
        ("callers: [{name: mobile}]", False),
        ("policy: {}", False),
    ],
    ids=["only one is limited", "all are limited", "nobody is limited", "nobody is listed"],
)
def test_limits_that_hold_for_the_listed_only_are_said(changes: str, expected: bool) -> None:
    """Whoever limits one caller hardly means that all strangers may do anything."""
    open_to_all = "gateway: {header: {name: X-Consumer-Id, trusted: [unix]}}"
    listed = "gateway: {only_listed: true, header: {name: X-Consumer-Id, trusted: [unix]}}"
    said = "signaller.gateway: whoever it names and callers does not list has signaller.policy, "
    for section, is_said in ((open_to_all, expected), (listed, False)):
        settings = load_settings(service_file(f"{{{section}, {changes}}}"), ENV)
        assert any(note.startswith(said) for note in settings.notes) is is_said
        assert not any(said in warning for warning in settings.warnings)
