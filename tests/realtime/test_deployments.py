"""Which deployment is tried first."""

import random
from dataclasses import replace

import pytest

from signaller.errors import ModelNotAllowed, ModelNotFound
from signaller.model import Deployment
from signaller.policy import Policy
from signaller.realtime.deployments import MAX_REST_SECONDS, REST_SECONDS, Deployments
from signaller.secret import Secret
from signaller.tokens.pseudonyms import credential_fingerprint


class Clock:
    """Time that a test moves."""

    now = 1_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def make(id: str, model_name: str = "voice", weight: int = 1) -> Deployment:
    """A deployment that is nothing but its id, name and weight."""
    return Deployment(
        id=id,
        model_name=model_name,
        provider="openai",
        upstream_model="*" if "*" in model_name else "m",
        base_url="http://127.0.0.1:1",
        weight=weight,
    )


def pool(*deployments: Deployment, clock: Clock | None = None) -> Deployments:
    """Deployments with a seeded die."""
    return Deployments(deployments, clock or Clock(), random.Random(7).random)  # noqa: S311 - no secret


def firsts(deployments: Deployments, rounds: int = 4000) -> dict[str, float]:
    """How often each was first."""
    first = [deployments.candidates("voice", Policy())[0].id for _ in range(rounds)]
    return {name: first.count(name) / rounds for name in sorted(set(first))}


def test_weights_are_probabilities() -> None:
    """Three to one is three to one."""
    shares = firsts(pool(make("a", weight=3), make("b", weight=1)))
    assert shares["a"] == pytest.approx(0.75, abs=0.03)


def test_weight_zero_is_a_spare() -> None:
    """It is never first, and yet there when the others fail."""
    spare = pool(make("a"), make("spare", weight=0))
    assert firsts(spare) == {"a": 1.0}
    assert [d.id for d in spare.candidates("voice", Policy())] == ["a", "spare"]


def test_every_deployment_is_a_candidate_once() -> None:
    """Fail-over tries each, none twice."""
    found = pool(*(make(name) for name in "abcd")).candidates("voice", Policy())
    assert sorted(d.id for d in found) == ["a", "b", "c", "d"]


def test_a_resting_deployment_comes_last_until_it_has_rested() -> None:
    """It rests for a short time, then takes its share again."""
    clock = Clock()
    deployments = pool(make("a"), make("b"), clock=clock)
    deployments.rest(make("a"), None)
    assert firsts(deployments) == {"b": 1.0}
    clock.now += REST_SECONDS
    assert set(firsts(deployments)) == {"a", "b"}


def test_a_rest_is_as_long_as_the_provider_asked_within_reason() -> None:
    """Retry-After is honoured up to a bound."""
    clock = Clock()
    deployments = pool(make("a"), make("b"), clock=clock)
    deployments.rest(make("a"), 30)
    deployments.rest(make("b"), 86_400)
    clock.now += 30
    assert firsts(deployments) == {"a": 1.0}
    clock.now += MAX_REST_SECONDS
    assert set(firsts(deployments)) == {"a", "b"}


def test_a_lone_deployment_is_tried_even_while_it_rests() -> None:
    """Resting is a preference, never an outage."""
    deployments = pool(make("a"))
    deployments.rest(make("a"), 30)
    assert [d.id for d in deployments.candidates("voice", Policy())] == ["a"]


def test_the_closest_name_rules() -> None:
    """Exact before pattern, long pattern before short."""
    deployments = pool(make("all", "*"), make("gpt", "gpt-*"), make("one", "gpt-voice"))
    served = {
        name: deployments.candidates(name, Policy())[0].id for name in ("gpt-voice", "gpt-x", "y")
    }
    assert served == {"gpt-voice": "one", "gpt-x": "gpt", "y": "all"}


def test_an_unknown_model_is_answered_with_what_there_is() -> None:
    """404 with a list of what the caller may use."""
    with pytest.raises(ModelNotFound) as missing:
        pool(make("a"), make("b", "gpt-*")).candidates("other", Policy())
    assert "'other'" in missing.value.public
    assert "voice, gpt-*" in missing.value.public


def test_a_call_is_found_again_when_a_twin_of_its_deployment_comes_or_goes() -> None:
    """By the credential that made it, which is then part of the id, or no longer."""
    alone, twin = make("a"), replace(make("a"), api_key=Secret("another"))
    ours, theirs = credential_fingerprint(alone), credential_fingerprint(twin)
    both = pool(replace(alone, id=f"a-{ours}"), replace(twin, id=f"a-{theirs}"))
    for credential in (ours, theirs):
        found = both.named("a", credential)
        assert found
        assert found.id == f"a-{credential}"
    assert both.named("a") is None
    assert pool(alone).named(f"a-{ours}") == alone
    assert pool(alone).named(f"a-{theirs}") is None


@pytest.mark.parametrize("policy", [Policy(), Policy(models=(("none",),))], ids=["all", "none"])
def test_a_long_name_is_not_quoted_in_part(policy: Policy) -> None:
    """What is masked later is a whole word: half a key would not be recognised."""
    key = "0123456789abcdef" * 4
    with pytest.raises((ModelNotFound, ModelNotAllowed)) as refused:
        pool(make("a")).candidates("x" * 60 + key, policy)
    assert key[:16] not in refused.value.public
    with pytest.raises((ModelNotFound, ModelNotAllowed)) as short:
        pool(make("a")).candidates("x" * 100, policy)
    assert f"'{'x' * 100}'" in short.value.public
