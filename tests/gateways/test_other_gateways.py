"""Snippets of docs/sidecar.md for gateways that are not run here: well-formed and complete."""

import xml.etree.ElementTree as ET
from typing import Any

import pytest
import yaml

from signaller.realtime.offers import MAX_SDP_BYTES
from signaller.settings import Timeouts
from signaller.web.bodies import MAX_JSON_BYTES
from tests.docs.pages import codes, section

LONGEST_SECONDS = max(Timeouts().mint_seconds, Timeouts().call_seconds)
LARGEST_BYTES = MAX_SDP_BYTES + MAX_JSON_BYTES
"""A multipart offer with its session."""
MINT, MODELS, CALLS = "/v1/realtime/client_secrets", "/v1/models", "/v1/realtime/calls"
CONSUMER = "X-Consumer-Username"


def snippet(title: str) -> Any:
    """The one block of a gateway. It is not configuration of ours, so not marked `yaml`."""
    (text,) = section(title).blocks("yml")
    return yaml.safe_load(text)


def seconds(text: str) -> float:
    """Envoy's durations, as `30s`."""
    return float(text.removesuffix("s"))


def envoy() -> dict[str, Any]:
    """The connection manager."""
    found: dict[str, Any] = snippet("Envoy")["typed_config"]
    return found


def envoy_filters() -> dict[str, Any]:
    """Each filter's configuration by the last part of its name, in order."""
    filters = envoy()["http_filters"]
    return {each["name"].rpartition(".")[2]: each["typed_config"] for each in filters}


def test_envoy_removes_the_clients_header_before_it_sets_its_own() -> None:
    """What jwt_authn writes is what was removed; the router comes last."""
    filters = envoy_filters()
    assert list(filters) == ["header_mutation", "jwt_authn", "buffer", "router"]
    (provider,) = filters["jwt_authn"]["providers"].values()
    (claim,) = provider["claim_to_headers"]
    removed = filters["header_mutation"]["mutations"]["request_mutations"]
    assert removed == [{"remove": claim["header_name"]}]
    assert claim == {"header_name": "x-consumer-id", "claim_name": "sub"}
    assert provider["forward"] is True


def test_envoy_asks_backends_for_a_jwt_and_browsers_for_none() -> None:
    """The rules cover what mints and lists; every rule names a provider that is there."""
    authn = envoy_filters()["jwt_authn"]
    prefixes = [rule["match"]["prefix"] for rule in authn["rules"]]
    assert prefixes == [MINT, MODELS]
    assert {rule["requires"]["provider_name"] for rule in authn["rules"]} == set(authn["providers"])


def test_envoy_waits_and_does_not_repeat() -> None:
    """Longer than signaller does; only what is under /v1 is public."""
    (host,) = envoy()["route_config"]["virtual_hosts"]
    (route,) = host["routes"]
    assert route["match"] == {"prefix": "/v1/"}
    assert seconds(route["route"]["timeout"]) > LONGEST_SECONDS
    assert route["route"]["retry_policy"] == {"num_retries": 0}
    assert envoy_filters()["buffer"]["max_request_bytes"] > LARGEST_BYTES
    assert envoy()["use_remote_address"] is True


def plugins(route: dict[str, Any]) -> dict[str, Any]:
    """Kong's plugins of a route or service, by name."""
    return {each["name"]: each["config"] for each in route["plugins"]}


def test_kong() -> None:
    """Two doors, no anonymous consumer, no retries, times in milliseconds."""
    (service,) = snippet("Kong")["services"]
    backends, browsers = service["routes"]
    assert (backends["paths"], browsers["paths"]) == ([MINT, MODELS], [CALLS])
    assert all(route["strip_path"] is False for route in service["routes"])
    assert plugins(backends) == {"key-auth": {"hide_credentials": True}}
    assert plugins(browsers) == {"request-transformer": {"remove": {"headers": [CONSUMER]}}}
    assert service["retries"] == 0
    assert min(service["read_timeout"], service["write_timeout"]) > LONGEST_SECONDS * 1000
    limit = plugins(service)["request-size-limiting"]
    assert limit["size_unit"] == "kilobytes"
    assert limit["allowed_payload_size"] * 1000 > LARGEST_BYTES


def test_apisix() -> None:
    """The same, in its words and in seconds."""
    whole = snippet("Apache APISIX")
    backends, browsers = whole["routes"]
    (upstream,) = whole["upstreams"]
    assert backends["uris"] == [MINT, f"{MINT}/*", MODELS]
    assert browsers["uris"] == [CALLS, f"{CALLS}/*"]
    assert backends["plugins"]["key-auth"] == {"hide_credentials": True}
    assert browsers["plugins"]["proxy-rewrite"] == {"headers": {"remove": [CONSUMER]}}
    assert "key-auth" not in browsers["plugins"]
    assert upstream["retries"] == 0
    assert min(upstream["timeout"]["send"], upstream["timeout"]["read"]) > LONGEST_SECONDS
    for route in (backends, browsers):
        assert route["upstream_id"] == upstream["id"]
        assert route["plugins"]["client-control"]["max_body_size"] > LARGEST_BYTES


def test_azure_api_management() -> None:
    """The JWT is validated before its subject takes the header's place; nothing repeats."""
    (text,) = section("Azure API Management").blocks("xml")
    policies = ET.fromstring(text)  # noqa: S314 - our own page
    inbound = policies.find("inbound")
    assert inbound is not None
    assert [each.tag for each in inbound] == ["base", "validate-jwt", "set-header"]
    jwt, header = inbound[1], inbound[2]
    assert header.attrib == {"name": "X-Consumer-Id", "exists-action": "override"}
    assert f'"{jwt.attrib["output-token-variable-name"]}"' in (header.findtext("value") or "")
    assert jwt.findtext("audiences/audience") == "voice"
    forward = policies.find("backend/forward-request")
    assert forward is not None
    assert float(forward.attrib["timeout"]) > LONGEST_SECONDS
    assert policies.find(".//retry") is None


def test_azure_api_management_deletes_the_clients_header_everywhere() -> None:
    """The line for the whole API is well-formed, and about the same header."""
    found = codes(section("Azure API Management").text)
    (line,) = (text for text in found if text.startswith("<set-header"))
    deletes = ET.fromstring(line)  # noqa: S314 - our own page
    assert deletes.attrib == {"name": "X-Consumer-Id", "exists-action": "delete"}


@pytest.mark.parametrize("title", ["Kong", "Apache APISIX"])
def test_the_header_to_read_is_named(title: str) -> None:
    """Where it is not the one of the page's configuration, the text says which."""
    assert f"`{CONSUMER}`" in section(title).text
