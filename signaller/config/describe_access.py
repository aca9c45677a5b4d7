"""Who may come in and what they may do, in words; no key, and no digest of one."""

from collections.abc import Iterable, Iterator

from signaller.config.access import lets_somebody_in
from signaller.config.findings import label
from signaller.policy import Policy
from signaller.secret import MASK
from signaller.settings import MASTER, Gateway, HeaderSettings, JwtSettings, NamedCaller, Settings

CALLER_HEADER = ("CALLER", "KNOWN BY", "MAY")
_SHOWN = 5  # a line is to be read; the file has the rest


def caller_rows(settings: Settings) -> Iterator[tuple[str, ...]]:
    """A row for each caller, the master and whomever the gateway may name besides."""
    for caller in settings.callers:
        yield caller.name, _known_by(caller, settings), _in_words(caller.policy)
    if settings.master_key and MASTER not in {caller.name for caller in settings.callers}:
        yield MASTER, "master key", _in_words(settings.policy)
    if settings.gateway != Gateway() and not settings.gateway.only_listed:
        yield "(any other)", "gateway", _in_words(settings.policy)


def master_key_fact(settings: Settings) -> str:
    """Whether there is one, and what follows if not."""
    if settings.master_key:
        return MASK
    others = lets_somebody_in(settings.callers, settings.gateway)
    return "none" if others else "none: nobody can get a token"


def gateway_facts(gateway: Gateway) -> Iterator[tuple[str, str]]:
    """A line for each way in which a gateway names callers."""
    if gateway.jwt:
        yield "gateway", _jwt(gateway.jwt)
    if gateway.header:
        yield "gateway", _header(gateway.header)


def metrics_fact(settings: Settings) -> str:
    """Who may read `/metrics`, and where no key is asked for."""
    metrics = settings.metrics
    keys = ["the master key"] if settings.master_key else []
    keys += [f"a key of their own {MASK}"] if metrics.key else []
    fact = f"/metrics with {' or '.join(keys)}" if keys else "/metrics is closed, as it has no key"
    if metrics.port:
        host = f"[{metrics.host}]" if ":" in metrics.host else metrics.host
        fact += f"; without a key at {host}:{metrics.port}"
    return fact


def _known_by(caller: NamedCaller, settings: Settings) -> str:
    count = len(caller.key_digests)
    if caller.name == MASTER:
        return "master key" if settings.master_key else "nothing"
    if count:
        return "1 key" if count == 1 else f"{count} keys"
    return "gateway"


def _in_words(policy: Policy) -> str:
    return "; ".join(
        part
        for part in (
            _models(policy),
            f"from {_some(policy.origins)}" if policy.origins else "",
            _tokens(policy),
            _rates(policy),
            f"session fixed in {_some(map(label, policy.session))}" if policy.session else "",
            "a replay hangs up" if policy.on_replay == "hangup" else "",
            "may name end users" if policy.safety_identifier else "",
        )
        if part
    )


def _models(policy: Policy) -> str:
    patterns = [one for each in policy.models for one in each]
    if patterns:
        return f"models {_some(patterns)}"
    return "no model" if policy.models else "any model"


def _tokens(policy: Policy) -> str:
    count, seconds = policy.token_uses, policy.token_ttl_seconds
    calls = f" start {count} call{'' if count == 1 else 's'}" if count else ""
    within = f" within {seconds} s" if calls else f" live {seconds} s"
    return f"tokens{calls}{within if seconds else ''}" if count or seconds else ""


def _rates(policy: Policy) -> str:
    rates = (("mint", policy.mints_per_minute), ("call", policy.calls_per_minute))
    words = [f"{rate} {noun}{'' if rate == 1 else 's'}" for noun, rate in rates if rate]
    return f"{' and '.join(words)} a minute" if words else ""


def _jwt(jwt: JwtSettings) -> str:
    # A query can hold a key of the issuer's.
    keys = f"keys from {jwt.jwks_url.partition('?')[0]}" if jwt.jwks_url else "a public key"
    claims = (
        ("caller", jwt.claims.caller),
        ("end user", jwt.claims.end_user),
        ("models", jwt.claims.models),
        ("origins", jwt.claims.origins),
        ("token_ttl_seconds", jwt.claims.token_ttl_seconds),
        ("token_uses", jwt.claims.token_uses),
        ("mints_per_minute", jwt.claims.mints_per_minute),
        ("calls_per_minute", jwt.claims.calls_per_minute),
    )
    prefix = f" ({jwt.claims.models_prefix}...)" if jwt.claims.models_prefix else ""
    said = ", ".join(
        f"{what} in {claim}{prefix if what == 'models' else ''}" for what, claim in claims if claim
    )
    scope = f" with scope {jwt.required_scope}" if jwt.required_scope else ""
    return (
        f"JWTs of {jwt.issuer} for {jwt.audience}{scope}, by {' or '.join(jwt.algorithms)}, "
        f"{keys}; {said}"
    )


def _header(header: HeaderSettings) -> str:
    places = [str(network) for network in header.networks]
    places += ["the Unix socket"] if header.trust_unix else []
    end_user = f"; end user in {header.end_user}" if header.end_user else ""
    return f"caller in {header.name}, believed from {_some(places)}{end_user}"


def _some(words: Iterable[str]) -> str:
    listed = list(words)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
