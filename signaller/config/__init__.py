"""How the service is configured: LiteLLM's file, verbatim, and ours under `signaller:`.

A configuration passes through the files of this room in this order: `document` makes plain values
of YAML; `values` follows references and reads variables, in places that `schema` knows from
`declared`; `litellm` makes deployments of LiteLLM's part; pydantic looks at our part by `declared`,
`forms` and `keys`; `egress` adds the environment's proxies; `load` calls all of them, looks at what
only shows together, and makes the settings. `faults` gathers what is wrong on the whole way.
`describe` and `init` stand beside it: what was understood, and a first file.
"""

from signaller.config.describe import describe
from signaller.config.document import with_included
from signaller.config.init import initial_configuration, what_is_missing
from signaller.config.keys import generate_caller_key, generate_token_key
from signaller.config.load import load_settings
from signaller.config.schema import json_schema

__all__ = [
    "describe",
    "generate_caller_key",
    "generate_token_key",
    "initial_configuration",
    "json_schema",
    "load_settings",
    "what_is_missing",
    "with_included",
]
