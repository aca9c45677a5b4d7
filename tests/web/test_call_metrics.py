"""What is counted of calls where clients may name any model."""

import pytest

from tests.support.provider import FakeProvider
from tests.support.service import MASTER_KEY, bearer, deployment, named, running
from tests.support.serving import serving

KEY = "sk-sgn-canary-web-0123456789"


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("gpt-realtime-2", "gpt-realtime-2"),  # it has a price
        ("openai/gpt-realtime-2", "openai/gpt-realtime-2"),
        ("ours-1", "ours-1"),  # a policy names it
        ("voice", "voice"),  # an entry names it
        ("made-up", "other"),
    ],
)
async def test_a_model_is_counted_by_a_name_that_is_known(model: str, label: str) -> None:
    """Of the file or of the list of prices; what else a pattern lets through is one."""
    provider = FakeProvider()
    async with serving(provider.app) as url:
        entries = (
            deployment(url, model_name="*", upstream_model="*"),
            deployment(url, id="d2"),
        )
        callers = (named("web", KEY, models=(("ours-*", "ours-1"),)),)
        async with running(provider, deployments=entries, callers=callers) as service:
            token = await service.token({"model": model})
            location = (await service.call(token)).headers["location"]
            await service.client.delete(location, headers=bearer(MASTER_KEY))
            text = (await service.client.get("/metrics", headers=bearer(MASTER_KEY))).text
    ended = [line for line in text.splitlines() if line.startswith("signaller_calls_ended_total")]
    assert ended == [
        f'signaller_calls_ended_total{{caller="master",model="{label}",reason="operator"}} 1.0'
    ]
