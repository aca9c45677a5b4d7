"""What LiteLLM documents, its configuration file and its browser code, works here unchanged."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Page

from signaller.app import create_app
from signaller.config import load_settings
from tests.support.service import MASTER_KEY, PROVIDER_KEY
from tests.support.serving import serving
from tests.support.stage import LoopbackProvider

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

CONFIG = """
model_list:
  - model_name: gpt-4o-realtime
    litellm_params:
      model: openai/gpt-4o-realtime-preview-2024-12-17
      api_key: os.environ/OPENAI_API_KEY
      api_base: os.environ/OPENAI_API_BASE
    model_info:
      mode: realtime
  - model_name: azure-realtime
    litellm_params:
      model: azure/our-deployment
      api_key: os.environ/AZURE_API_KEY
      api_base: os.environ/AZURE_API_BASE
    model_info:
      mode: realtime
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY

general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
"""


@dataclass(frozen=True, slots=True)
class Configured:
    """A service as the file describes it, and the two providers the file names."""

    url: str
    providers: dict[str, LoopbackProvider]


@pytest_asyncio.fixture(loop_scope="session")
async def configured(origin: str) -> AsyncIterator[Configured]:
    """LiteLLM's file, with nothing of ours in it but the page's origin."""
    openai, azure = LoopbackProvider(), LoopbackProvider(provider="azure")
    ours = f"signaller:\n  cors_origins: ['{origin}']\n"
    async with serving(openai) as openai.url, serving(azure) as azure.url:
        environment = {
            "OPENAI_API_KEY": PROVIDER_KEY,
            "OPENAI_API_BASE": f"{openai.url}/v1",
            "AZURE_API_KEY": PROVIDER_KEY,
            "AZURE_API_BASE": azure.url,
            "LITELLM_MASTER_KEY": MASTER_KEY,
        }
        async with serving(create_app(load_settings(CONFIG + ours, environment))) as url:
            yield Configured(url, {"gpt-4o-realtime": openai, "azure-realtime": azure})


@pytest.mark.parametrize(
    ("model", "upstream_model"),
    [
        pytest.param("gpt-4o-realtime", "gpt-4o-realtime-preview-2024-12-17", id="openai"),
        pytest.param("azure-realtime", "our-deployment", id="azure"),
    ],
)
async def test_the_documented_flow(
    configured: Configured, page: Page, model: str, upstream_model: str
) -> None:
    """Token from client_secret.value, offer as application/sdp, session.update over the channel."""
    outcome = await page.evaluate(
        "async (options) => (await import('/js/plain.js')).converse(options)",
        {"baseUrl": configured.url, "key": MASTER_KEY, "model": model},
    )
    assert outcome["token"].startswith("ek_")
    assert (outcome["status"], outcome["channel"]) == (201, "open")
    assert (outcome["instructions"], outcome["served"]) == ("Be brief.", upstream_model)
    begun = {name: len(provider.calls) for name, provider in configured.providers.items()}
    assert begun == {name: int(name == model) for name in configured.providers}
