"""What to change when Azure refuses: its own texts seldom say."""

import re

from signaller.upstreams.faults import Fault

API_VERSION = (
    "Azure refused the API version. The operator must remove api_version (or set it to 'v1'): "
    "realtime calls use the GA API at /openai/v1, which takes no api-version."
)
DEPLOYMENT = (
    "Azure knows no deployment by this name. The operator must check the name in "
    "litellm_params.model ('azure/<deployment name>') and that api_base is the resource which "
    "holds it; a new deployment takes some 5 minutes to appear."
)
OPERATION = (
    "This Azure deployment's model cannot do realtime calls. The operator must deploy a realtime "
    "model (gpt-realtime and its kin) and name that deployment in litellm_params.model."
)
REGION = (
    "Azure does not offer this in the resource's region. The operator must use a resource in a "
    "region with realtime models, and point api_base at it."
)
ROUTE = (
    "Azure has no realtime route at this address. The operator must check that api_base is the "
    "resource's own endpoint (https://<resource>.openai.azure.com) and that its region offers "
    "realtime models."
)
NETWORK = (
    "Azure's network rules keep this service out. The operator must allow its address under the "
    "resource's Networking settings, or use the private endpoint as api_base."
)
ROLE = (
    "The Entra ID identity may not use this Azure resource. The operator must give it the role "
    "'Cognitive Services OpenAI User'."
)
KEY = (
    "Azure refused this service's credential. The operator must check that api_key and api_base "
    "belong to the same resource; your own key or token is fine."
)

Table = tuple[tuple[re.Pattern[str], str], ...]

# In this order: the first that fits is the most particular.
_AUTH: Table = (
    (re.compile(r"virtual network|firewall|public access is disabled", re.I), NETWORK),
    (re.compile(r"PermissionDenied|lacks the required data action", re.I), ROLE),
    (re.compile(r"invalid subscription key|wrong api endpoint", re.I), KEY),
)
_REFUSED: Table = (
    (re.compile(r"api[- ]?version", re.I), API_VERSION),
    (re.compile(r"DeploymentNotFound|API deployment for this resource", re.I), DEPLOYMENT),
    (re.compile(r"OperationNotSupported|does not work with the specified model", re.I), OPERATION),
    (re.compile(r"\bregions?\b", re.I), REGION),
)
_NOT_FOUND: Table = ((re.compile(r"resource not found|^404 ", re.I), ROUTE),)


def advice(fault: Fault) -> str | None:
    """A sentence that names what to change, or None where Azure's own will do."""
    if fault.status in (401, 403):
        table = _AUTH
    elif fault.status == 404:
        table = _REFUSED + _NOT_FOUND
    elif 400 <= fault.status < 429:
        table = _REFUSED
    else:
        return None
    text = f"{fault.code or ''} {fault.message}"
    return next((sentence for pattern, sentence in table if pattern.search(text)), None)
