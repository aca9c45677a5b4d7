"""Who a request comes from, and what they may do: each proof of identity is tried in turn."""

from dataclasses import replace

from signaller.callers.api_keys import ApiKeys
from signaller.callers.gateway_header import GatewayHeader
from signaller.callers.gateway_jwt import GatewayJwt, looks_like_jwt
from signaller.callers.jwks import KeySets
from signaller.errors import InvalidApiKey, InvalidJwt, NoCredential
from signaller.model import Caller, Evidence
from signaller.policy import Policy
from signaller.secret import Secret
from signaller.settings import MASTER, Settings
from signaller.tokens.pseudonyms import Pseudonyms


class FrontDesk:
    """Tells whose request it is by a key of ours, a gateway's JWT or a gateway's header.

    It knows one configuration; a reload makes another.
    """

    def __init__(self, settings: Settings, key_sets: KeySets) -> None:
        jwt, header = settings.gateway.jwt, settings.gateway.header
        self._default_uses = settings.token.uses
        self._keys = ApiKeys(settings)
        self._names = GatewayNames(settings)
        self._pseudonyms = Pseudonyms(settings.token_keys)
        self._jwt = GatewayJwt(jwt, key_sets) if jwt else None
        self._header = GatewayHeader(header) if header else None

    async def identify(self, evidence: Evidence) -> Caller:
        """Who sent a request. Raises InvalidApiKey, InvalidJwt, ScopeMissing, IssuerUnavailable."""
        if evidence.secret is not None:
            caller = self._keys.caller(evidence.secret)
            if caller is not None:
                return caller
            if self._jwt is not None and looks_like_jwt(evidence.secret):
                return await self._by_jwt(self._jwt, evidence.secret)
        caller = self._by_header(self._header, evidence) if self._header else None
        if caller is None:
            raise self._refusal(evidence)
        return caller

    def policy_of(self, name: str, credential_id: str) -> Policy | None:
        """The policy of a caller who minted before; None once that credential is withdrawn."""
        gateways = (self._jwt, self._header)
        if any(each is not None and each.credential_id == credential_id for each in gateways):
            return self._names.policy_of(name)
        return self._keys.policies.get((name, credential_id))

    async def _by_jwt(self, jwt: GatewayJwt, secret: Secret) -> Caller:
        bearer = await jwt.verify(secret)
        base = self._names.policy_of(bearer.name)
        if base is None:
            raise InvalidJwt(
                f"{bearer.name} must bring a key, or is not listed",
                public="The JWT names a caller who must bring a key, or is not listed here.",
            )
        # What the policy leaves open is the default: a JWT may not raise that either.
        base = replace(base, token_uses=base.token_uses or self._default_uses)
        caller = Caller.under(base, bearer.name, jwt.credential_id, end_user=bearer.end_user)
        person = self._pseudonyms.for_rates(bearer.name, bearer.end_user)
        return caller.narrowed(bearer.narrowing, person)

    def _by_header(self, header: GatewayHeader, evidence: Evidence) -> Caller | None:
        named = header.read(evidence)
        if named is None:
            return None
        base = self._names.policy_of(named.name)
        if base is None:
            raise InvalidApiKey(
                f"{named.name} must bring a key, or is not listed",
                public="The gateway's header names a caller who must bring a key, or is not "
                "listed here.",
            )
        return Caller.under(base, named.name, header.credential_id, end_user=named.end_user)

    def _refusal(self, evidence: Evidence) -> InvalidApiKey:
        kind, what = (
            (NoCredential, "no credential")
            if evidence.secret is None
            else (InvalidApiKey, "not a credential known here")
        )
        if self._jwt is None and self._header is None:
            if self._keys:
                return kind(what)
            return InvalidApiKey(
                public="This service has no master key, so nobody can get a token. "
                "The operator must set general_settings.master_key or SIGNALLER_MASTER_KEY."
            )
        ways = {
            "send a key as 'Authorization: Bearer <key>' or 'api-key: <key>'": bool(self._keys),
            "send your gateway's JWT as 'Authorization: Bearer <JWT>'": self._jwt is not None,
            "come through the gateway": self._header is not None,
        }
        advice = ", or ".join(way for way, is_open in ways.items() if is_open)
        return kind(
            what, public=f"The credential is missing or wrong: {advice}, to prove who you are."
        )


class GatewayNames:
    """Whom a gateway may name: everybody, or who is listed; never a caller who has a key."""

    def __init__(self, settings: Settings) -> None:
        self._default = None if settings.gateway.only_listed else settings.policy
        self._policies = {
            entry.name: entry.policy for entry in settings.callers if not entry.key_digests
        }
        self._taken = {MASTER} | {entry.name for entry in settings.callers if entry.key_digests}

    def policy_of(self, name: str) -> Policy | None:
        """The policy of whoever a gateway calls so; None: it may not."""
        return None if name in self._taken else self._policies.get(name, self._default)
