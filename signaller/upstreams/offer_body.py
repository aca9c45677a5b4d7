"""An offer as a request body: raw, or a form when a session comes with it."""

import json

import httpx

from signaller.model import Offer


def offer_body(offer: Offer) -> tuple[str, bytes]:
    """Content type and bytes; the parts are typed as OpenAI's reference shows them."""
    if offer.session is None:
        return "application/sdp", offer.sdp
    form = httpx.Request(
        "POST",
        "http://form.invalid",
        files={
            "sdp": (None, offer.sdp, "application/sdp"),
            "session": (None, json.dumps(offer.session).encode(), "application/json"),
        },
    )
    return form.headers["content-type"], form.read()
