"""What a gateway says of its callers and their people, from HTTP to the provider."""

import json
from typing import Any

import pytest

from tests.callers.issuing import signing_key
from tests.metrics.text import Samples, parsed
from tests.support.provider import ANSWER
from tests.support.service import MASTER_KEY, MODEL, OFFER, Service, bearer, error, named
from tests.web.gateway import behind_gateway, passed_on, vouched
from tests.web.test_calls import MULTIPART, multipart

KEY = "sk-sgn-canary-key-0123456789"
HEADER = "openai-safety-identifier"
PORTAL = named("portal", safety_identifier=True)
"""A caller whom the gateway names."""
APP_AND_PERSON = {"caller": "azp", "end_user": "sub"}


async def minted(service: Service, headers: dict[str, str], **body: Any) -> str:
    """A token for whom a request's headers prove."""
    response = await service.mint({"model": MODEL, **body}, headers=headers)
    assert response.status_code == 200, response.text
    token: str = response.json()["value"]
    return token


async def counted(service: Service) -> Samples:
    """What /metrics tells the operator."""
    return parsed((await service.client.get("/metrics", headers=bearer(MASTER_KEY))).text)


@pytest.mark.parametrize("proof", ["JWT", "header"])
async def test_what_a_gateway_vouches_for_brings_a_call(proof: str) -> None:
    """Mint, call, and hang up the call, which is its caller's and nobody else's."""
    async with behind_gateway() as service:
        ada, eve = [
            vouched(sub=name) if proof == "JWT" else passed_on(name) for name in ("ada", "eve")
        ]
        answered = await service.call(await minted(service, ada))
        assert answered.status_code == 201
        for who, status in ((eve, 404), (ada, 200)):
            ended = await service.client.delete(answered.headers["location"], headers=who)
            assert ended.status_code == status
        assert not service.provider.live_calls


async def test_a_header_from_elsewhere_proves_nothing() -> None:
    """401: the network matters, whatever the header says; a JWT is believed from anywhere."""
    async with behind_gateway("10.0.0.0/8") as service:
        response = await service.mint(headers=passed_on("ada"))
        assert (response.status_code, error(response)["code"]) == (401, "invalid_api_key")
        assert not service.provider.requests
        assert (await service.mint(headers=passed_on("ada") | vouched())).status_code == 200


async def test_a_jwt_that_another_key_signed_proves_nothing() -> None:
    """401, and the provider hears nothing."""
    async with behind_gateway() as service:
        forged = signing_key(number=2).sign({"sub": "ada"}, with_id=False, kid=signing_key().id)
        response = await service.mint(headers=bearer(forged))
        assert (response.status_code, error(response)["code"]) == (401, "invalid_jwt")
        assert not service.provider.requests


@pytest.mark.parametrize("proof", ["JWT", "header"])
async def test_a_caller_with_a_key_cannot_be_vouched_for(proof: str) -> None:
    """Nor can the master: they prove themselves."""
    async with behind_gateway(callers=(named("web", KEY),)) as service:
        for name in ("web", "master"):
            headers = vouched(sub=name) if proof == "JWT" else passed_on(name)
            assert (await service.mint(headers=headers)).status_code == 401
        assert not service.provider.requests


async def test_metrics_name_the_callers_of_the_configuration_only() -> None:
    """Fifty subjects of JWTs are one `other`, whatever they do."""
    callers = (named("web", KEY), named("fleet"))
    async with behind_gateway(callers=callers) as service:
        strangers = [vouched(sub=f"subject-{number}") for number in range(50)]
        for headers in (*strangers, vouched(sub="fleet"), bearer(KEY), bearer(MASTER_KEY)):
            token = await minted(service, headers)
            for _ in range(2):
                await service.call(token)
            await service.client.post(
                "/v1/realtime/client_secrets/revoke", json={"token": token}, headers=headers
            )
        found = await counted(service)
    assert not [name for name in found if "subject-" in name]
    for what, labels in (
        ("mints", ',deployment="d1"'),
        ("calls", ',deployment="d1"'),
        ("replays", ""),
        ("revocations", ""),
    ):
        of_this = {
            name: value
            for name, value in found.items()
            if name.startswith(f"signaller_{what}_total")
        }
        assert of_this == {
            f'signaller_{what}_total{{caller="{caller}"{labels}}}': times
            for caller, times in {"other": 50, "fleet": 1, "web": 1, "master": 1}.items()
        }


def identifiers(service: Service) -> list[str | None]:
    """What the provider was told of people, request by request."""
    return [request.headers.get(HEADER) for request in service.provider.requests]


async def test_whoever_names_a_person_the_provider_sees_the_same() -> None:
    """A JWT's claim, the gateway's header and the mint's own field; another person is another."""
    async with behind_gateway(callers=(PORTAL,), claims=APP_AND_PERSON) as service:
        for person in ("ada@example.com", "eve@example.com"):
            await minted(service, vouched(azp="portal", sub=person))
            await minted(service, passed_on("portal", person))
            await minted(service, passed_on("portal"), safety_identifier=person)
        found = identifiers(service)
        assert "example.com" not in str([each.headers for each in service.provider.requests])
        assert not [each for each in service.provider.requests if b"example.com" in each.body]
    ada, eve = found[0], found[3]
    assert found == [ada] * 3 + [eve] * 3
    assert ada != eve
    for each in (ada, eve):
        assert each is not None
        assert len(each) == 64
        assert int(each, 16)


async def test_the_gateways_word_for_a_person_rules() -> None:
    """What a caller's mint says beside it changes nothing."""
    async with behind_gateway(callers=(PORTAL,), claims=APP_AND_PERSON) as service:
        for headers in (
            vouched(azp="portal", sub="ada"),
            passed_on("portal", "ada"),
        ):
            await minted(service, headers)
            await minted(service, headers, safety_identifier="eve")
        assert len(set(identifiers(service))) == 1


async def test_the_subject_is_the_person_unless_a_claim_says_more() -> None:
    """The same on every request; nobody, where only a caller is named."""
    async with behind_gateway() as service:
        for headers in (vouched(sub="ada"), vouched(sub="ada"), vouched(sub="eve")):
            await minted(service, headers)
        await minted(service, passed_on("ada"))
        ada, again, eve, nobody = identifiers(service)
    assert ada == again
    assert ada not in {eve, None}
    assert nobody is None


async def test_people_of_two_callers_are_told_apart() -> None:
    """User 1 of one gateway's app is not user 1 of another."""
    async with behind_gateway(claims=APP_AND_PERSON) as service:
        await minted(service, vouched(azp="portal", sub="1"))
        await minted(service, vouched(azp="kiosk", sub="1"))
        await minted(service, passed_on("kiosk", "1"))
        portal, kiosk, by_header = identifiers(service)
    assert None not in {portal, kiosk}
    assert portal != kiosk
    assert kiosk == by_header


@pytest.mark.parametrize("headers", [vouched(sub="ada"), passed_on("portal", "ada")])
async def test_a_session_beside_the_offer_names_the_person_of_the_mint(
    headers: dict[str, str],
) -> None:
    """It takes the place of the minted one, so the provider is told again."""
    async with behind_gateway() as service:
        token = await minted(service, headers)
        service.provider.call.answers(201, ANSWER, headers={"content-type": "application/sdp"})
        form = multipart(sdp=OFFER, session=json.dumps({"type": "realtime"}).encode())
        assert (await service.call(token, form, content_type=MULTIPART)).status_code == 201
        at_mint, at_call = identifiers(service)
    assert at_mint is not None
    assert at_mint == at_call


async def test_azure_is_told_of_nobody() -> None:
    """Whoever names a person, on the mint as on the call."""
    async with behind_gateway(callers=(PORTAL,), claims=APP_AND_PERSON, azure=True) as service:
        for token in (
            await minted(service, vouched(azp="portal", sub="ada")),
            await minted(service, passed_on("portal", "ada")),
            await minted(service, passed_on("portal"), safety_identifier="ada"),
        ):
            assert (await service.call(token)).status_code == 201
        assert identifiers(service) == [None] * 6
        for request in service.provider.requests:
            assert "safety" not in str(request).lower()


async def test_models_that_a_jwt_took_away_stay_away_beside_the_offer() -> None:
    """The policy of now does not know of them: they are terms of the token."""
    claims = {"models": "models"}
    async with behind_gateway(claims=claims) as service:
        token = await minted(service, vouched(models=[MODEL]))
        refused = await service.call_with(
            token, {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
        )
        assert (refused.status_code, error(refused)["code"]) == (403, "model_not_allowed")
        assert error(refused)["token"] == "unspent"
        assert service.provider.call.requests == []
        assert (await service.call_with(token, {})).status_code == 201
