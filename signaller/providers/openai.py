"""OpenAI's realtime API."""

from signaller.errors import NotSupported, UpstreamAuthFailed
from signaller.model import Deployment, Offer
from signaller.providers.surface import ConfiguredCredential, Headers, RealtimeSurface


class OpenAI(RealtimeSurface):
    """Speaks to OpenAI, and to whatever offers its routes."""

    takes_sessions = True

    def check_offer(self, deployment: Deployment, offer: Offer) -> None:
        """Refuse Azure's filter, without which a client would see what it was to hide."""
        if offer.webrtcfilter:
            raise NotSupported(
                public="This model's provider has no webrtcfilter: the client would see every "
                "event. Leave it out, or ask for a model on Azure.",
                param="webrtcfilter",
            )

    def _root(self, deployment: Deployment) -> str:
        return f"{deployment.base_url}/v1/realtime"

    def _configured(self, deployment: Deployment) -> ConfiguredCredential:
        if not deployment.api_key:
            raise UpstreamAuthFailed(f"deployment {deployment.id} has no api_key")
        headers = {"Authorization": f"Bearer {deployment.api_key.reveal()}"}
        if deployment.organization:
            headers["OpenAI-Organization"] = deployment.organization
        if deployment.project:
            headers["OpenAI-Project"] = deployment.project
        return ConfiguredCredential(headers=headers, secret=deployment.api_key)

    def _safety_headers(self, safety_identifier: str | None) -> Headers:
        return {"OpenAI-Safety-Identifier": safety_identifier} if safety_identifier else {}
