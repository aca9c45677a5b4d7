"""`openai/` and `azure/` before a model's name, as LiteLLM's clients write them."""

import pytest

from signaller.config import load_settings
from signaller.policy import Policy
from signaller.settings import Settings
from tests.support.provider import FakeProvider
from tests.support.service import error, running
from tests.support.serving import serving

OPENAI = {"OPENAI_API_KEY": "sk-canary", "OPENAI_BASE_URL": "URL"}
AZURE = {"AZURE_API_KEY": "azure-canary", "AZURE_API_BASE": "URL"}
PATTERN = "model_list: [{model_name: '*', litellm_params: {model: 'openai/*'}}]"
PREFIXED = "model_list: [{model_name: 'openai/*', litellm_params: {model: 'openai/*'}}]"
EXACT = """model_list:
- {model_name: voice, litellm_params: {model: openai/gpt-realtime}}
- {model_name: voice, litellm_params: {model: azure/my-deployment}}
- {model_name: '*', litellm_params: {model: 'openai/*'}}
"""


def configured(text: str | None, env: dict[str, str], url: str) -> Settings:
    """What a file and the environment amount to, everything at one provider."""
    return load_settings(
        text, {key: url if value == "URL" else value for key, value in env.items()}
    )


@pytest.mark.parametrize(
    ("text", "env", "asked", "upstream"),
    [
        pytest.param(None, OPENAI, "openai/gpt-realtime", "gpt-realtime", id="environment"),
        pytest.param(None, AZURE, "azure/mine", "mine", id="environment-azure"),
        pytest.param(None, OPENAI | AZURE, "openai/m", "m", id="environment-both-openai"),
        pytest.param(None, OPENAI | AZURE, "azure/mine", "mine", id="environment-both-azure"),
        pytest.param(PATTERN, OPENAI, "openai/gpt-realtime", "gpt-realtime", id="pattern"),
        pytest.param(PREFIXED, OPENAI, "openai/gpt-realtime", "gpt-realtime", id="prefixed"),
        pytest.param(EXACT, OPENAI | AZURE, "openai/voice", "gpt-realtime", id="exact-openai"),
        pytest.param(EXACT, OPENAI | AZURE, "azure/voice", "my-deployment", id="exact-azure"),
        pytest.param(PATTERN, OPENAI, "openai/openai/m", "openai/m", id="a name with the same"),
    ],
)
async def test_a_provider_before_the_name_does_not_go_upstream(
    text: str | None, env: dict[str, str], asked: str, upstream: str
) -> None:
    """The provider gets its own name for the model, and a call can be made with the token."""
    provider = FakeProvider()
    async with serving(provider.app) as url:
        deployments = configured(text, env, url).deployments
        async with running(deployments=deployments) as service:
            token = await service.token({"model": asked})
            assert (await service.call(token)).status_code == 201
    assert [each.json()["session"]["model"] for each in provider.mint.requests] == [upstream]


@pytest.mark.parametrize("asked", ["azure/gpt-realtime", "openai/"])
async def test_a_name_of_another_provider_is_served_by_nobody(asked: str) -> None:
    """It would go to the wrong account under a name that means nothing there."""
    provider = FakeProvider()
    async with serving(provider.app) as url:
        deployments = configured(None, OPENAI, url).deployments
        async with running(deployments=deployments) as service:
            refused = await service.mint({"model": asked})
    assert (refused.status_code, error(refused)["code"]) == (404, "model_not_found")
    assert provider.requests == []


@pytest.mark.parametrize(
    ("env", "asked", "allowed"),
    [
        pytest.param(OPENAI, "openai/gpt-realtime", True, id="the same model"),
        pytest.param(OPENAI, "openai/other", False, id="another model"),
        pytest.param(OPENAI | AZURE, "azure/gpt-realtime", False, id="a name of its own"),
    ],
)
async def test_a_policy_is_held_against_what_the_name_means(
    env: dict[str, str], asked: str, allowed: bool
) -> None:
    """A prefix adds nothing to what a caller may use; where it is part of a name, it counts."""
    provider = FakeProvider()
    async with serving(provider.app) as url:
        settings = configured(None, env, url)
        policy = Policy(models=(("gpt-*",),))
        async with running(deployments=settings.deployments, policy=policy) as service:
            status = (await service.mint({"model": asked})).status_code
    assert status == (200 if allowed else 403)
