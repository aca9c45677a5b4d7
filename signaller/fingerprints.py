"""Which credential a deployment speaks with, told without telling the credential."""

import hmac
import json

from signaller import base64url
from signaller.model import Deployment

_PURPOSE = "signaller credential fingerprint 1"
_CHARS = 16  # 96 bits: no two credentials of one configuration come out alike


def credential_fingerprint(deployment: Deployment) -> str:
    """The same on all replicas and at all times, for one credential at one account and address.

    The credential is the key of the HMAC, so whoever reads a fingerprint learns nothing of it. A
    service principal is known by its tenant and client: its secret may change.
    """
    key = ""
    account = [_PURPOSE, deployment.organization, deployment.project, deployment.base_url]
    if deployment.entra:
        account += [deployment.entra.tenant_id, deployment.entra.client_id]
    elif credential := deployment.api_key or deployment.entra_token:
        key = credential.reveal()
    digest = hmac.digest(key.encode(), json.dumps(account).encode(), "sha256")
    return base64url.encode(digest)[:_CHARS]
