"""Shorthands for reading a configuration in tests."""

from collections.abc import Mapping

import pytest

from signaller.config import load_settings
from signaller.errors import ConfigError

KEY = "7SpDjfRqqibp_Io5_jUICTyrDY1UsvoutqjkNVib9-8"
OTHER_KEY = "ZH0RP_wj0XehDRBspv_tcxeqBkhw4BJXkFGqHB2VE54"

ENV = {"OPENAI_API_KEY": "sk-openai-canary", "SIGNALLER_MASTER_KEY": "master-key-canary-1"}


def faults(
    text: str | None, env: Mapping[str, str] | None = None, *, workers: int = 1
) -> tuple[str, ...]:
    """The faults of a configuration that must be refused."""
    with pytest.raises(ConfigError) as caught:
        load_settings(text, ENV if env is None else env, workers=workers)
    return caught.value.faults


def entry(params: str = "", *, name: str = "voice", model: str = "openai/gpt-realtime") -> str:
    """A file with one realtime entry and more of its `litellm_params`."""
    return (
        f"model_list: [{{model_name: '{name}', "
        f"litellm_params: {{model: '{model}'{', ' if params else ''}{params}}}}}]\n"
    )


def service_file(section: str) -> str:
    """A file with one realtime entry and a `signaller:` section."""
    return entry() + f"signaller: {section}\n"
