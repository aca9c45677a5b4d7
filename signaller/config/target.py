"""`litellm_params.model`, taken apart: whose it is, and what its provider calls it."""

import difflib
from dataclasses import dataclass

from signaller.config.findings import shown
from signaller.config.section import Section
from signaller.model import Provider

MAX_NAME_CHARS = 200  # a model's name travels in the token, an id in every grant
_PROVIDERS: dict[str, Provider] = {"openai": "openai", "azure": "azure"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an entry leads; `provider` is None for one that is not ours."""

    provider: Provider | None
    model: str
    prefix: str


def read_target(params: Section, *, certain: bool) -> Target | None:
    """The target of an entry, checked if it is ours; None after a fault.

    Unless it is `certain` that the entry is a realtime one, one that names no model is another's.
    """
    model = params.text("model")
    if model is None:
        if "model" not in params:
            params.fault("model", "openai/<model> or azure/<deployment name>", "nothing")
        return None
    said = params.text("custom_llm_provider")
    target = parse_target(model.value, said.value if said else None)
    if target.provider is None:
        near = difflib.get_close_matches(target.prefix[:40].lower(), _PROVIDERS, 1, cutoff=0.8)
        if near:
            (said or model).fault(
                f"{near[0]} as the provider", f"{shown(target.prefix)}; did you mean {near[0]}?"
            )
            return None
    elif not target.model and not certain:
        params.findings.note(params.at("model"), "no model behind the provider, passed over")
        return None
    elif not target.model or target.model.count("*") > 1 or len(target.model) > MAX_NAME_CHARS:
        model.fault(
            f"a name of 1 to {MAX_NAME_CHARS} characters with at most one '*' behind the provider"
        )
        return None
    return target


def parse_target(model: str, said: str | None) -> Target:
    """Take `model` apart; `said` is `custom_llm_provider`. A bare name is OpenAI's."""
    head, slash, tail = model.partition("/")
    if said:
        return Target(
            provider=_PROVIDERS.get(said),
            model=tail if slash and head == said else model,
            prefix=said,
        )
    if not slash:
        return Target(provider="openai", model=model, prefix="openai")
    return Target(provider=_PROVIDERS.get(head), model=tail, prefix=head)
