"""Every fault in a file's shape is one line: the path, what was expected, what was found."""

import pytest

from tests.config.reading import entry, faults

LIST = "model_list: expected a list of deployments, at least one of them realtime"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", f"{LIST}, found none", id="empty"),
        pytest.param("model_list:", f"{LIST}, found none", id="list-null"),
        pytest.param("model_list: {}", f"{LIST}, found a mapping", id="list-mapping"),
        pytest.param(
            "model_list: []",
            f"{LIST}, found no OpenAI or Azure entry with mode realtime",
            id="none",
        ),
        pytest.param(
            "model_list: [{model_name: a, litellm_params: {model: anthropic/x}}]",
            f"{LIST}, found no OpenAI or Azure entry with mode realtime",
            id="all-passed-over",
        ),
        pytest.param(
            "model_list: [canary]",
            "model_list[0]: expected a mapping, found a string of 6 characters",
            id="entry",
        ),
        pytest.param(
            "model_list: [{litellm_params: {model: m}}]",
            "model_list[0].model_name: expected the name callers ask for, found nothing",
            id="no-name",
        ),
        pytest.param(
            "model_list: [{model_name: a}]",
            "model_list[0].litellm_params.model: expected openai/<model> or "
            "azure/<deployment name>, found nothing",
            id="no-params",
        ),
        pytest.param(
            "model_list: [{model_name: '*-*', litellm_params: {model: m}}]",
            "model_list[0].model_name: expected at most 200 characters and one '*', found '*-*'",
            id="two-stars",
        ),
        pytest.param(
            "model_list: [{model_name: a, litellm_params: {model: m},"
            " model_info: {mode: realtme}}]",
            "model_list[0].model_info.mode: expected 'realtime', or another mode of LiteLLM's, "
            "found 'realtme'",
            id="misspelt-mode",
        ),
        pytest.param(
            "model_list: [{model_name: a, litellm_params: {model: m}, model_info: {id: 7}},"
            " {model_name: b, litellm_params: {model: m}, model_info: {id: '7'}}]",
            "model_list[1].model_info.id: expected an id of its own, found '7' again",
            id="id-twice",
        ),
        pytest.param(
            "model_list: [{model_name: a, litellm_params: {model: m},"
            f" model_info: {{id: 1{'0' * 18}}}}}]",
            "model_list[0].model_info.id: expected a string, found a number beyond all bounds",
            id="id-beyond",
        ),
        pytest.param(
            entry() + "signaler: {}",
            "signaler: expected a known key (did you mean signaller?), found another",
            id="misspelt-section",
        ),
        pytest.param(
            "model_list: [{model_name: a, litellm_params: {model: openai/},"
            " model_info: {mode: realtime}}]",
            "model_list[0].litellm_params.model: expected a name of 1 to 200 characters with at "
            "most one '*' behind the provider, found 'openai/'",
            id="no-model",
        ),
        pytest.param(
            entry() + "signaller: {7: x}",
            "signaller: expected names as keys, found 7 as a key",
            id="key-type",
        ),
        pytest.param(
            entry() + "include: [more.yaml]",
            "include: expected it in the first file only, found it in an included one",
            id="include",
        ),
        pytest.param(
            entry() + "general_settings: {masterkey: canary}",
            "general_settings.masterkey: expected a known key (did you mean master_key?), "
            "found another",
            id="misspelt-master-key",
        ),
        pytest.param(
            entry() + 'general_settings: {master_key: "canary-\\ud800-canary"}',
            "general_settings.master_key: expected ASCII without spaces or line breaks, "
            "found others among 15 characters",
            id="master-key-surrogate",
        ),
        pytest.param(
            entry() + "general_settings: {master_key: ''}",
            "general_settings.master_key: expected a string of 1 to 16384 characters, "
            "found an empty one",
            id="empty-master-key",
        ),
    ],
)
def test_a_fault_in_the_file(text: str, expected: str) -> None:
    """The shape of the file is checked as closely as its values."""
    assert faults(text) == (expected,)


def test_all_faults_are_found_at_once() -> None:
    """An operator fixes a file in one round."""
    text = entry("weight: x, timeout: y") + "signaller: {token: {uses: 0}, public_url: z}"
    assert [line.partition(":")[0] for line in faults(text)] == [
        "model_list[0].litellm_params.weight",
        "model_list[0].litellm_params.timeout",
        "signaller.token.uses",
        "signaller.public_url",
    ]


def test_a_misspelt_list_is_named() -> None:
    """Nothing is configured then, and the slip says why."""
    assert faults("model_lst: []") == (
        "model_lst: expected a known key (did you mean model_list?), found another",
        f"{LIST}, found none",
    )
