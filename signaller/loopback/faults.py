"""What the loopback refuses, in the words and the shape of the provider that it plays."""

from starlette.responses import JSONResponse

from signaller.model import Provider


class Refusal(Exception):
    """An answer other than 2xx."""

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        param: str | None = None,
        azure_code: str = "BadRequest",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.azure_code = azure_code


def wrong_key(provider: Provider) -> Refusal:
    """A credential that opens nothing."""
    if provider == "azure":
        return Refusal(
            401,
            None,
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to "
            "provide a valid key for an active subscription and use a correct regional API "
            "endpoint for your resource.",
            azure_code="401",
        )
    return Refusal(401, "invalid_api_key", "Incorrect API key provided.")


def no_such_call() -> Refusal:
    """Ended, or never begun."""
    return Refusal(
        404,
        "call_id_not_found",
        "No session found for the provided call_id.",
        azure_code="call_id_not_found",
    )


def render(refusal: Refusal, provider: Provider) -> JSONResponse:
    """The error body: Azure's has neither type nor param."""
    if provider == "azure":
        error: dict[str, str | None] = {"code": refusal.azure_code, "message": refusal.message}
    else:
        error = {
            "message": refusal.message,
            "type": "invalid_request_error" if refusal.status < 500 else "server_error",
            "param": refusal.param,
            "code": refusal.code,
        }
    return JSONResponse({"error": error}, refusal.status)
