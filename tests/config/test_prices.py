"""Prices and flows in `model_info`, as LiteLLM's files have the first."""

from dataclasses import replace
from decimal import Decimal

import pytest

from signaller.config import load_settings
from signaller.errors import ConfigError
from signaller.supervision.prices import NAMES, Prices, our_prices
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


@pytest.mark.parametrize("spelt", ["3e-06", "0.000003", '"3e-06"'])
@pytest.mark.parametrize("name", sorted(NAMES))
def test_prices_by_litellms_names_are_taken(name: str, spelt: str) -> None:
    """Each in the place of the list's; texts that are numbers too, as YAML 1.1 reads 3e-06."""
    listed = our_prices().of("gpt-realtime-2")
    assert listed is not None
    of_minute = {"input_cost_per_minute": Decimal("0.00018")}
    given = of_minute if name == "input_cost_per_second" else {name: Decimal("0.000003")}
    prices = our_prices().of("gpt-realtime-2", prices_of(f"{name}: {spelt}"))
    assert prices == replace(listed, **given) != listed


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
