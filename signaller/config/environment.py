"""A start without a file: the environment, written as the file that would say the same."""

from signaller.config.findings import Findings
from signaller.errors import ConfigError

_TEXTS = {"redis_url": "REDIS_URL", "public_url": "SIGNALLER_PUBLIC_URL"}
_LISTS = {"token_keys": "SIGNALLER_TOKEN_KEY", "cors_origins": "SIGNALLER_CORS_ORIGINS"}


def document_from(findings: Findings) -> dict[object, object]:
    """A document; `findings` learns the variable behind each path. Raises ConfigError."""
    env = findings.env
    names = {f"signaller.{key}": variable for key, variable in {**_TEXTS, **_LISTS}.items()}
    ours: dict[object, object] = {
        key: env[variable] for key, variable in _TEXTS.items() if env.get(variable)
    }
    for key, variable in _LISTS.items():
        values = [part.strip() for part in env.get(variable, "").split(",") if part.strip()]
        for index in range(len(values)):
            place = variable if len(values) == 1 else f"{variable}, item {index + 1}"
            names[f"signaller.{key}[{index}]"] = place
        if values:
            ours[key] = values
    findings.names = names
    return {"model_list": _model_list(findings), "signaller": ours}


def _model_list(findings: Findings) -> list[object]:
    """Keys and addresses are left out: absent ones are looked up in the environment."""
    openai = bool(findings.variable("OPENAI_API_KEY"))
    absent = [name for name in ("AZURE_API_KEY", "AZURE_API_BASE") if not findings.variable(name)]
    if not openai and absent:
        missing = f"no {absent[0]}" if len(absent) == 1 else "none of them"
        raise ConfigError(
            [
                "the environment: expected OPENAI_API_KEY, or AZURE_API_KEY with AZURE_API_BASE, "
                f"found {missing}; set them, or name a file with --config"
            ]
        )
    if absent:
        if len(absent) == 1:
            findings.warn("the environment", f"Azure is left out, as {absent[0]} is not set")
        return [_entry("*", "openai/*")]
    if not openai:
        return [_entry("*", "azure/*")]
    findings.note("the environment", "models named azure/... go to Azure, all others to OpenAI")
    return [_entry("*", "openai/*"), _entry("azure/*", "azure/*")]


def _entry(model_name: str, model: str) -> object:
    return {
        "model_name": model_name,
        "litellm_params": {"model": model},
        "model_info": {"mode": "realtime"},
    }
