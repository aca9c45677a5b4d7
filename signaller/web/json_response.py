"""A JSON body, written as fast as this service writes JSON anywhere."""

from starlette.responses import Response

from signaller.json_writer import write_json


class JsonResponse(Response):
    """Starlette's `JSONResponse` makes an encoder for each body."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """The body."""
        return write_json(content)
