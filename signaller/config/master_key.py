"""The key of the operator: `general_settings.master_key`, or the environment."""

from signaller.config.findings import Text, fits_header
from signaller.config.guessable import SHORT_CHARS, known_or_short
from signaller.config.section import Section
from signaller.secret import Secret

VARIABLES = ("SIGNALLER_MASTER_KEY", "LITELLM_MASTER_KEY")


def read_master_key(general: Section, *, allow_public: bool) -> Secret | None:
    """The master key; None where there is none, and after a fault."""
    others = general.unknown({"master_key"}, refuse=False)
    if others:
        general.findings.note(general.path, f"{', '.join(others)}: no effect here")
    text = general.text("master_key", *VARIABLES, secret=True)
    if text is None:
        return None
    if not fits_header(text) or looks_like_token(text):
        return None
    problem = known_or_short(text.value)
    if problem and not allow_public:
        text.fault(
            "a key of your own that nobody guesses (--allow-public-master-key takes any, "
            "to try things out)",
            problem,
        )
    elif problem:
        general.findings.warn(text.path, f"{problem}: anybody may get tokens")
    elif len(text.value) < SHORT_CHARS:
        general.findings.warn(
            text.path, f"shorter than {SHORT_CHARS} characters, and so within reach of guessing"
        )
    return Secret(text.value)


def note_absence(general: Section) -> None:
    """Say that nobody can get a token, for a configuration in which nobody else can."""
    general.findings.warn(
        general.at("master_key"),
        "not set (nor is SIGNALLER_MASTER_KEY), so nobody can get a token",
    )


def looks_like_token(text: Text) -> bool:
    """Whether a key could not be told from a token; a fault then."""
    if not text.value.startswith("ek_"):
        return False
    text.fault("a key that does not begin with 'ek_', as tokens do", "one that does")
    return True
