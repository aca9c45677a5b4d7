"""A client event as it comes in, and the `error` event that answers a bad one."""

import json

from signaller.loopback.effects import Send
from signaller.loopback.faults import Refusal
from signaller.loopback.session import Json

MAX_CHARACTERS = 256 * 1024
"""What SCTP offers as max-message-size, so what a browser can send at all."""


def parse(text: str) -> Json:
    """An object with a `type`; raises Refusal."""
    if len(text) > MAX_CHARACTERS:
        raise Refusal(400, "string_above_max_length", "The event is too long.")
    try:
        event = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "invalid_json", "The event is not valid JSON.") from error
    if not isinstance(event, dict):
        raise Refusal(400, "invalid_json", "The event must be a JSON object.")
    if not isinstance(event.get("type"), str):
        raise missing("type")
    return event


def missing(param: str) -> Refusal:
    """A member that must be there is not."""
    return Refusal(
        400,
        "missing_required_parameter",
        f"Missing required parameter: '{param}'.",
        param=param,
    )


def error(refusal: Refusal, event: Json) -> Send:
    """The answer to an event that cannot be done; it names the event by the client's own id."""
    return Send(
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "code": refusal.code,
                "message": refusal.message,
                "param": refusal.param,
                "event_id": event.get("event_id"),
            },
        }
    )
