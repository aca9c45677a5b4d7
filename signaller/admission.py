"""What a good token may do now: its terms, and never more than its caller's policy of today.

A reload may have narrowed the policy since the token was minted; it narrows the token at once.
"""

from signaller.errors import OriginNotAllowed, TokenRejected
from signaller.policy import Policy
from signaller.tokens import Claims


def require_valid(claims: Claims, policy: Policy | None, now: float) -> Policy:
    """The caller's policy. Raises TokenRejected for a token that is over by it."""
    if policy is None:
        raise TokenRejected(f"grant {claims.grant_id}: the caller's credential is withdrawn")
    if ends_at(claims, policy) <= now:
        raise TokenRejected(f"grant {claims.grant_id}: its caller's tokens live shorter now")
    return policy


def require_origin(claims: Claims, policy: Policy, origin: str | None) -> None:
    """Raise OriginNotAllowed for a page that the token or the policy does not name."""
    if claims.origins and origin not in claims.origins:
        raise OriginNotAllowed(
            public="This token was minted for the pages of another origin. It is still good there."
        )
    if not policy.allows_origin(origin):
        raise OriginNotAllowed(
            public="Tokens of this caller may not be used from this origin any more."
        )


def ends_at(claims: Claims, policy: Policy) -> int:
    """Unix seconds from which on the token starts no call."""
    if policy.token_ttl_seconds is None:
        return claims.expires_at
    return min(claims.expires_at, claims.issued_at + policy.token_ttl_seconds)


def withheld_uses(claims: Claims, policy: Policy) -> int:
    """How many of the uses that it was minted with the policy does not allow any more."""
    return 0 if policy.token_uses is None else max(0, claims.uses - policy.token_uses)
