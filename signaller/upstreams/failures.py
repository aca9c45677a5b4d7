"""Failures that only this room can tell apart."""

from signaller.errors import UpstreamError, UpstreamUnreachable


class UpstreamConnectTimeout(UpstreamUnreachable):
    """No connection within the time allowed; nothing was sent."""

    status, code = 504, "upstream_timeout"
    public = "The provider could not be reached in time. Try again."


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
