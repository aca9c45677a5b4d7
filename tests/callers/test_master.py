"""The master key, and nothing else."""

import pytest

from signaller.callers import MasterKey
from signaller.errors import InvalidApiKey
from signaller.secret import Secret

KEY = Secret("sk-master-0123456789")


def test_the_master_key_is_the_master() -> None:
    """The one caller there is has a name for logs and grants."""
    assert MasterKey(KEY).identify(Secret(KEY.reveal())).name == "master"


@pytest.mark.parametrize("text", ["", "sk-master", "sk-master-0123456789 ", "ключ", "\udcff"])
def test_any_other_is_refused(text: str) -> None:
    """Whatever its length and characters."""
    with pytest.raises(InvalidApiKey):
        MasterKey(KEY).identify(Secret(text))


def test_no_credential_is_refused() -> None:
    """A missing proof is no proof, with and without a key configured."""
    for key in (KEY, None):
        with pytest.raises(InvalidApiKey):
            MasterKey(key).identify(None)


def test_without_a_key_nobody_gets_in() -> None:
    """Not even with an empty credential."""
    with pytest.raises(InvalidApiKey, match="no master key"):
        MasterKey(None).identify(Secret(""))
