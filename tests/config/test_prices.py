"""Prices and flows in `model_info`, as LiteLLM's files have the first."""

import pytest

from signaller.config import load_settings
from signaller.errors import ConfigError
from signaller.supervision.prices import Prices
from tests.config.reading import ENV

FILE = """
model_list:
  - model_name: voice
    litellm_params: {{model: {model}, api_key: sk-one, api_base: "https://one.example"}}
    model_info: {{mode: realtime, {info}}}
"""


def prices_of(info: str) -> Prices:
    """Those of the only deployment of a file with this in it."""
    settings = load_settings(FILE.format(model="openai/gpt-realtime-2", info=info), ENV)
    (deployment,) = settings.deployments
    return Prices.read(deployment.prices)


def test_prices_by_litellms_names_are_taken() -> None:
    """Numbers, and texts that are some: YAML 1.1 reads 4e-06 as a text."""
    prices = prices_of("input_cost_per_token: 4e-06, output_cost_per_audio_token: 0.000064")
    assert str(prices.input_cost_per_token) == "0.000004"
    assert prices.output_cost_per_audio_token is not None
    assert prices.cache_read_input_token_cost is None


def test_a_price_that_is_none_is_named() -> None:
    """By its path in the file."""
    with pytest.raises(ConfigError) as caught:
        prices_of("input_cost_per_audio_token: cheap")
    (fault,) = caught.value.faults
    assert "model_info.input_cost_per_audio_token" in fault
    assert "US dollars" in fault


def test_a_flow_is_chosen_by_its_deployment() -> None:
    """`ephemeral` unless told otherwise; Azure has no other."""
    text = FILE.format(model="openai/gpt-realtime-2", info="flow: unified")
    (deployment,) = load_settings(text, ENV).deployments
    assert deployment.flow == "unified"
    with pytest.raises(ConfigError) as caught:
        load_settings(FILE.format(model="azure/voice", info="flow: unified"), ENV)
    assert "model_info.flow" in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        load_settings(FILE.format(model="openai/gpt-realtime-2", info="flow: both"), ENV)
    assert "model_info.flow" in str(caught.value)
