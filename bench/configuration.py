"""What the service and LiteLLM's proxy are told: the same deployment, the same key."""

MASTER_KEY = "sk-bench-abcdefghijklmnopqrstuvwx"
MODEL = "gpt-realtime"
TOKEN_KEY = "4MHdduneFiElGdrglnYPA4Py705-_RWfFCyIRFRy4HA"  # noqa: S105 - nobody's
TOKEN_SECONDS = 600
"""The longest there is: tokens are minted first, outside the measured time, and must still live."""
WARM = "  warm_secrets: {seconds: 3600}\n"
"""Lines below `signaller:` under which a mint may use a warm secret."""
COLD = ""
"""Lines below `signaller:` under which every mint asks the provider."""


def service_settings(provider_port: int, *, redis_url: str | None, secrets: str = COLD) -> str:
    """config.yaml of the service."""
    redis = f'  redis_url: "{redis_url}"\n' if redis_url else ""
    return f"""{_deployment(provider_port)}
signaller:
  token_keys: [{TOKEN_KEY}]
  token: {{ttl_seconds: {TOKEN_SECONDS}}}
{redis}{secrets}"""


def litellm_settings(provider_port: int) -> str:
    """config.yaml of LiteLLM's proxy."""
    return _deployment(provider_port)


def _deployment(provider_port: int) -> str:
    return f"""model_list:
  - model_name: {MODEL}
    litellm_params:
      model: openai/{MODEL}
      api_key: sk-of-the-provider
      api_base: "http://127.0.0.1:{provider_port}"
    model_info: {{mode: realtime}}
general_settings: {{master_key: {MASTER_KEY}}}
"""
