"""A start without a file: the environment, written as the file that would say the same."""

from collections.abc import Mapping

from signaller.errors import ConfigError

_OURS = {"redis_url": "REDIS_URL", "public_url": "SIGNALLER_PUBLIC_URL"}
_LISTS = {"token_keys": "SIGNALLER_TOKEN_KEY", "cors_origins": "SIGNALLER_CORS_ORIGINS"}


def document_from(env: Mapping[str, str]) -> tuple[dict[object, object], dict[str, str]]:
    """A document, and the variable behind each of its paths. Raises ConfigError."""
    openai = bool(env.get("OPENAI_API_KEY"))
    azure = bool(env.get("AZURE_API_KEY"))
    if not openai and not azure:
        raise ConfigError(
            [
                "the environment: expected OPENAI_API_KEY, or AZURE_API_KEY and AZURE_API_BASE, "
                "found neither; set them, or name a file with --config"
            ]
        )
    # Keys and addresses are left out: absent ones are looked up in the environment.
    model_list: list[object] = []
    if openai:
        model_list.append({"model_name": "*", "litellm_params": {"model": "openai/*"}})
    if azure:
        name = "azure/*" if openai else "*"
        model_list.append({"model_name": name, "litellm_params": {"model": "azure/*"}})
    names = {
        f"model_list[{len(model_list) - 1}].litellm_params.api_base": "AZURE_API_BASE",
        "general_settings.master_key": "SIGNALLER_MASTER_KEY",
        "signaller.token_keys": "SIGNALLER_TOKEN_KEY",
    }
    ours: dict[object, object] = {}
    for key, variable in _OURS.items():
        names[f"signaller.{key}"] = variable
        if env.get(variable):
            ours[key] = env[variable]
    for key, variable in _LISTS.items():
        values = [part.strip() for part in env.get(variable, "").split(",") if part.strip()]
        for index in range(len(values)):
            place = variable if len(values) == 1 else f"{variable}, item {index + 1}"
            names[f"signaller.{key}[{index}]"] = place
        if values:
            ours[key] = values
    return {"model_list": model_list, "signaller": ours}, names
