"""Everything that can go wrong, as one tree; `web/` renders it, everybody else raises it.

SignallerError                     500  internal_error
+- InvalidRequest                  400  invalid_request     a field is wrong; `param` names it
|  +- Malformed                    400  invalid_request     no HTTP, or HTTP with two meanings
|  +- InvalidJson                  400  invalid_json
|  +- InvalidOffer                 400  invalid_offer
|  +- UnknownParameter             400  unknown_parameter
|  +- NotSupported                 400  not_supported_by_provider
|  +- BodyTooLarge                 413  body_too_large
|  +- UnsupportedMediaType         415  unsupported_media_type
|  +- RouteNotFound                404  route_not_found
|  +- MethodNotAllowed             405  method_not_allowed
|  +- WebSocketNotSupported        501  websocket_not_supported
|  +- ModelNotFound                404  model_not_found
|  +- CallNotFound                 404  call_id_not_found
+- InvalidApiKey                   401  invalid_api_key
|  +- NoCredential                 401  invalid_api_key
+- InvalidJwt                      401  invalid_jwt
+- NotAllowed                      403  not_allowed         the caller's policy says no
|  +- ScopeMissing                 403  insufficient_scope
|  +- ModelNotAllowed              403  model_not_allowed
|  +- OriginNotAllowed             403  origin_not_allowed
+- RateLimitExceeded               429  rate_limit_exceeded
+- ConcurrentCallsExceeded         429  concurrent_calls_exceeded
+- IssuerUnavailable               503  issuer_unavailable
+- TooManyFollowers                503  too_many_followers
+- TokenRejected                   401  token_rejected      one sentence for all but a missing one
+- UpstreamError                   502  upstream_error
|  +- UpstreamUnreachable          502  upstream_unreachable    nothing was sent
|  |  +- UpstreamConnectTimeout    504  upstream_timeout        nothing was sent
|  +- UpstreamDisconnected         502  upstream_disconnected   something was sent
|  +- UpstreamTimeout              504  upstream_timeout        something was sent
|  +- UpstreamInvalidResponse      502  upstream_invalid_response
|  +- UpstreamAuthFailed           502  upstream_auth_failed
|  +- UpstreamSecretRefused        502  upstream_secret_refused  the secret behind a token is dead
|  +- AzureApiVersionUnsupported   502  azure_api_version_unsupported  nothing was sent
|  +- EntraUnavailable             502  entra_unavailable        nothing was sent
|  +- HangupUnconfirmed            502  hangup_unconfirmed      the call may live on
|  +- UpstreamRefused              4xx  the provider's own code
|     +- UpstreamUnavailable       429, 5xx
+- StoreUnavailable                503  store_unavailable
ConfigError                        stops the start, never reaches a client
FetchFailed                        is logged, never reaches a client
"""

from collections.abc import Sequence
from typing import Literal

Fate = Literal["unspent", "spent", "unknown"]


class SignallerError(Exception):
    """A failure with a status for the client, a public sentence and a detail for the log."""

    status = 500
    type = "server_error"
    code = "internal_error"
    public = (
        "The service met a fault of its own. Try again; if it persists, quote the X-Request-Id."
    )
    # OpenAI's SDKs retry 408, 409, 429 and 5xx twice unless told not to (`x-should-retry`).
    should_retry: bool | None = None
    # What has become of the token that a call was asked for with. None: nobody has said it yet.
    fate: Fate | None = None

    def __init__(
        self,
        detail: str = "",
        *,
        public: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail or public or self.public)
        if public is not None:
            self.public = public
        self.param = param
        self.retry_after = retry_after
        """Seconds after which another attempt makes sense; None where waiting does not help."""


class InvalidRequest(SignallerError):
    """What the client sent cannot be used; `param` names the field."""

    status, type, code = 400, "invalid_request_error", "invalid_request"
    public = "The request is not valid."


class Malformed(InvalidRequest):
    """What came is not HTTP, or HTTP that has two meanings."""

    public = (
        "This is not a well-formed HTTP/1.1 request. Look at its Host field (exactly one), at the "
        "length of its body, at its line ends and at its size."
    )


class InvalidJson(InvalidRequest):
    """The body is not a JSON object."""

    code = "invalid_json"
    public = "The body must be a JSON object in UTF-8."


class InvalidOffer(InvalidRequest):
    """The body is not an SDP offer with audio."""

    code = "invalid_offer"
    public = "The body must be an SDP offer with an audio section, as createOffer() makes it."


class UnknownParameter(InvalidRequest):
    """A field that has no effect here; the message says where what it asks for belongs."""

    code = "unknown_parameter"
    public = "This field is not known here."


class NotSupported(InvalidRequest):
    """Something that the provider behind a token has no means for."""

    code = "not_supported_by_provider"
    public = "The provider does not support this."


class BodyTooLarge(InvalidRequest):
    """More bytes than any real client sends."""

    status, code = 413, "body_too_large"
    public = "The body is too large."


class UnsupportedMediaType(InvalidRequest):
    """A Content-Type the route does not take."""

    status, code = 415, "unsupported_media_type"
    public = "This Content-Type is not supported here."


class RouteNotFound(InvalidRequest):
    """No such path."""

    status, code = 404, "route_not_found"
    public = "There is no such route. Realtime routes are under /v1/realtime."


class MethodNotAllowed(InvalidRequest):
    """The path exists, the method does not."""

    status, code = 405, "method_not_allowed"
    public = "This route does not take that method; see the Allow header."


class WebSocketNotSupported(InvalidRequest):
    """A path that OpenAI serves over a WebSocket, and this service does not."""

    status, code = 501, "websocket_not_supported"
    public = (
        "This service has no realtime WebSocket yet: calls are made over WebRTC. Get a token from "
        "POST /v1/realtime/client_secrets and send your offer to POST /v1/realtime/calls."
    )
    should_retry = False


class ModelNotFound(InvalidRequest):
    """No deployment serves the model asked for."""

    status, code = 404, "model_not_found"
    public = "There is no such model."


class CallNotFound(InvalidRequest):
    """No such call, or not one that this credential may touch."""

    status, code = 404, "call_id_not_found"
    public = "There is no such call, or it is another's."


class InvalidApiKey(SignallerError):
    """The caller did not prove who it is."""

    status, type, code = 401, "authentication_error", "invalid_api_key"
    public = (
        "The API key is missing or wrong. Send the service's key as 'Authorization: Bearer <key>' "
        "or 'api-key: <key>'."
    )


class NoCredential(InvalidApiKey):
    """Nothing in the request says who the caller is."""


class InvalidJwt(SignallerError):
    """A gateway's JWT that does not prove anything; `public` says which rule it breaks."""

    status, type, code = 401, "authentication_error", "invalid_jwt"
    public = "The JWT is not valid here."


class NotAllowed(SignallerError):
    """The caller is known, but its policy does not allow this."""

    status, type, code = 403, "permission_error", "not_allowed"
    public = "Your policy does not allow this."


class ScopeMissing(NotAllowed):
    """The JWT lacks the scope that this service asks for (RFC 6750, 3.1)."""

    code = "insufficient_scope"
    public = "The JWT lacks the scope that this service asks for."


class ModelNotAllowed(NotAllowed):
    """The caller may not use this model."""

    code = "model_not_allowed"
    public = "You may not use this model."


class OriginNotAllowed(NotAllowed):
    """The web page that asks is not one that may."""

    code = "origin_not_allowed"
    public = "This token, or this caller, may not be used from this origin."


class RateLimitExceeded(SignallerError):
    """More in a minute than the caller may; nothing was minted, and a token is still good."""

    status, type, code = 429, "rate_limit_error", "rate_limit_exceeded"
    public = "Too many requests in a minute. Wait as long as Retry-After says."

    def __init__(self, detail: str = "", *, limit: int, reset_seconds: float) -> None:
        super().__init__(detail, retry_after=max(1.0, reset_seconds))
        self.limit = limit
        self.reset_seconds = reset_seconds
        """Until one more is allowed."""


class ConcurrentCallsExceeded(SignallerError):
    """As many calls are live as the caller may have; no call began, and a token is still good."""

    status, type, code = 429, "rate_limit_error", "concurrent_calls_exceeded"
    public = "As many calls are live as you may have at once. Wait until one has ended."
    should_retry = False


class IssuerUnavailable(SignallerError):
    """The keys of the gateway's issuer were never had, so no JWT can be judged."""

    status, type, code = 503, "server_error", "issuer_unavailable"
    public = "The service cannot reach the issuer of JWTs. Try again in a moment."


class TooManyFollowers(SignallerError):
    """As many follow the events of calls as one process, or one caller, may have."""

    status, type, code = 503, "server_error", "too_many_followers"
    public = (
        "Too many follow the events of calls already. Wait as long as Retry-After says, or let "
        "some of your own end."
    )


class TokenRejected(SignallerError):
    """A token that opens nothing, whatever the reason: the client learns only what to do next."""

    status, type, code = 401, "authentication_error", "token_rejected"
    public = (
        "The token is missing, malformed, expired or already used. Get a fresh one "
        "from POST /v1/realtime/client_secrets and send it as 'Authorization: Bearer ek_...'."
    )


class UpstreamError(SignallerError):
    """The provider, or the way to it, failed."""

    status, type, code = 502, "upstream_error", "upstream_error"
    public = "The provider failed to answer."
    # Rule: a token is given back only when it is certain that no call began.
    no_call_began = False
    # Whether another deployment may do better, and this one should rest meanwhile.
    fails_over = False
    # Whether the ephemeral secret will start no call any more, whoever tries.
    secret_is_dead = False


class UpstreamUnreachable(UpstreamError):
    """The connection to the provider never opened."""

    code = "upstream_unreachable"
    public = "The provider could not be reached. Try again."
    no_call_began = True
    fails_over = True


class UpstreamConnectTimeout(UpstreamUnreachable):
    """No connection within the time allowed; nothing was sent."""

    status, code = 504, "upstream_timeout"
    public = "The provider could not be reached in time. Try again."


class UpstreamDisconnected(UpstreamError):
    """The connection broke after the request was sent."""

    code = "upstream_disconnected"
    public = "The provider closed the connection before it answered."
    fails_over = True
    should_retry = False


class UpstreamTimeout(UpstreamError):
    """The provider did not answer in time; what it did with the request is not known."""

    status, code = 504, "upstream_timeout"
    public = "The provider did not answer in time."
    fails_over = True
    should_retry = False


class UpstreamInvalidResponse(UpstreamError):
    """A 2xx without the secret, the answer or the shape that was promised."""

    code = "upstream_invalid_response"
    public = "The provider's answer could not be used."
    fails_over = True
    should_retry = False


class UpstreamAuthFailed(UpstreamError):
    """The provider refused the credential this service is configured with."""

    code = "upstream_auth_failed"
    public = (
        "The provider refused this service's credential. The operator must check the deployment's "
        "api_key; your own key or token is fine."
    )
    no_call_began = True
    fails_over = True
    should_retry = False


class UpstreamSecretRefused(UpstreamError):
    """The provider no longer takes the ephemeral secret behind a token: the token is worthless."""

    secret_is_dead = True
    code = "upstream_secret_refused"
    public = (
        "The provider no longer accepts the secret behind this token. Get a fresh token from "
        "POST /v1/realtime/client_secrets."
    )
    should_retry = False


class AzureApiVersionUnsupported(UpstreamError):
    """A deployment configured for Azure's retired preview API; nothing was sent."""

    code = "azure_api_version_unsupported"
    no_call_began = True
    fails_over = True
    should_retry = False

    def __init__(self, api_version: str) -> None:
        super().__init__(
            public=f"This deployment's api_version {api_version!r} names Azure's retired preview "
            "API; remove api_version (or set it to 'v1') to use the GA API at /openai/v1."
        )


class EntraUnavailable(UpstreamError):
    """Entra ID tokens need a package that is not installed; nothing was sent."""

    code = "entra_unavailable"
    public = (
        "This deployment uses Entra ID, which needs the 'azure' extra: the operator must run "
        "'pip install .[azure]' where the source is."
    )
    no_call_began = True
    fails_over = True
    should_retry = False


class HangupUnconfirmed(UpstreamError):
    """Nobody who would know has said that a call is over; the message says what is left to do."""

    code = "hangup_unconfirmed"
    public = "The provider has not confirmed the end of this call."

    def __init__(self, detail: str, *, public: str, retry_after: float | None = None) -> None:
        super().__init__(detail, public=public, retry_after=retry_after)
        self.should_retry = retry_after is not None


class SupervisionUnavailable(UpstreamError):
    """A call that may only go on under watch could not be watched, and was hung up."""

    code = "supervision_unavailable"
    public = (
        "This call has to be watched, and the provider did not let this service attach to it in "
        "time; it was hung up. Get a fresh token and try again."
    )
    should_retry = False


AMBIGUOUS_STATUSES = frozenset({408, 502, 504, *range(520, 525)})
"""Said by gateways that stopped waiting for the provider: what it did is not known."""


class UpstreamRefused(UpstreamError):
    """The provider found fault with this one request (4xx); its status, code and param."""

    no_call_began = True
    should_retry: bool | None = False

    def __init__(
        self,
        detail: str = "",
        *,
        status: int,
        type: str | None,
        code: str | None,
        public: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(detail, public=public, param=param)
        self.status = status
        if status in AMBIGUOUS_STATUSES:
            self.no_call_began = self.should_retry = False
        self.type = type or "invalid_request_error"
        self.code = code or "upstream_refused"


class UpstreamUnavailable(UpstreamRefused):
    """The provider is over its limits or down (429, 5xx); waiting or another one may help."""

    public = "The provider is overloaded or failing. Try again later."
    fails_over = True
    should_retry = None

    def __init__(
        self,
        detail: str = "",
        *,
        status: int,
        type: str | None,
        code: str | None,
        public: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail, status=status, type=type, code=code, public=public, param=param)
        self.type = type or ("rate_limit_error" if status == 429 else "upstream_error")
        self.code = code or "upstream_unavailable"
        self.retry_after = retry_after


class StoreUnavailable(SignallerError):
    """Redis did not answer, or there is no room: nothing is minted and nothing redeemed."""

    status, type, code = 503, "server_error", "store_unavailable"
    public = "The service cannot reach its store. Try again in a moment."

    def __init__(self, detail: str = "", *, public: str | None = None) -> None:
        super().__init__(detail, public=public, retry_after=1)


class ConfigError(Exception):
    """One or more faults in the configuration, each named by its path in the file."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class FetchFailed(Exception):
    """A document could not be had; the text says why, for the log."""
