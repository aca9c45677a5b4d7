"""Names of a gateway's credentials: others are in force once its configuration changes."""

import hashlib
import json


def credential_id(kind: str, *trusted: str | list[str] | bool | None) -> str:
    """`<kind>:<12 hex>`, the same for the same configuration on every replica."""
    # JSON keeps apart what a mere joining would run together.
    return f"{kind}:{hashlib.sha256(json.dumps(trusted).encode()).hexdigest()[:12]}"
