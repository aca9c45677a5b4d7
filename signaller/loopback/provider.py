"""The three POST routes, as OpenAI and as Azure answer them."""

from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from signaller.loopback import reading
from signaller.loopback.calls import Calls
from signaller.loopback.faults import Refusal, wrong_key
from signaller.loopback.issuance import Issuance, lifetime, same
from signaller.loopback.session import Json, NewId, at, open_session
from signaller.model import Provider
from signaller.secret import Secret


class Routes:
    """Handlers: parse, do, render."""

    def __init__(
        self,
        *,
        api_key: Secret,
        provider: Provider,
        deployments: frozenset[str] | None,
        issuance: Issuance,
        calls: Calls,
        new_id: NewId,
    ) -> None:
        self._api_key = api_key
        self._provider = provider
        self._deployments = deployments
        self._issuance = issuance
        self._calls = calls
        self._new_id = new_id

    async def mint(self, request: Request) -> Response:
        """POST client_secrets."""
        self.standing_key(request.headers, request.query_params)
        wanted = reading.json_object(await reading.body(request))
        for name in wanted:
            if name not in ("session", "expires_after"):
                raise Refusal(
                    400, "unknown_parameter", f"Unknown parameter: '{name[:60]}'.", param=name[:60]
                )
        seconds = lifetime(wanted.get("expires_after"))
        session = self._open(wanted.get("session"))
        value, issued = self._issuance.issue(session, seconds)
        session["expires_at"] = issued.expires_at
        return JSONResponse(
            {"value": value, "expires_at": issued.expires_at, "session": session},
            headers=self._request_id(),
        )

    async def call(self, request: Request) -> Response:
        """POST calls, with an ephemeral secret or (OpenAI) with the standing key."""
        self._no_api_version(request.query_params)
        bearer, api_key = reading.credentials(request.headers)
        offer, session = await self._offer(request, bearer or api_key or "")
        call_id, answer = await self._calls.start(offer, session)
        return Response(
            answer,
            201,
            media_type="application/sdp",
            headers={"location": f"{request.url.path}/{call_id}", **self._request_id()},
        )

    async def hang_up(self, request: Request) -> Response:
        """POST calls/{id}/hangup."""
        self.standing_key(request.headers, request.query_params)
        await self._calls.hang_up(request.path_params["call_id"])
        return Response(headers=self._request_id())

    def standing_key(self, headers: Headers, query: QueryParams) -> None:
        """Raise Refusal unless the request carries the provider's own key."""
        self._no_api_version(query)
        bearer, api_key = reading.credentials(headers)
        given = bearer if self._provider == "openai" else api_key or bearer
        if given is None or not same(given, self._api_key.reveal()):
            raise wrong_key(self._provider)

    async def _offer(self, request: Request, given: str) -> tuple[bytes, Json]:
        kind = reading.media_type(request.headers)
        if same(given, self._api_key.reveal()):
            if self._provider == "azure":
                raise Refusal(
                    401,
                    None,
                    "The realtime calls endpoint requires ephemeral tokens. Mint one at "
                    "/openai/v1/realtime/client_secrets.",
                    azure_code="401",
                )
            if kind != "multipart/form-data":
                raise _unsupported("multipart/form-data")
            sdp, session = await reading.unified(request)
            return sdp, self._open(session)
        issued = self._issuance.honour(given)
        if issued is None:
            raise wrong_key(self._provider)
        if kind != "application/sdp":
            raise _unsupported("application/sdp")
        return await reading.body(request), issued.session

    def _open(self, wanted: object) -> Json:
        session = open_session(wanted, new_id=self._new_id)
        model = session.get("model") or at(session, "audio", "input", "transcription", "model")
        if self._deployments is not None and model not in self._deployments:
            raise Refusal(
                404,
                "model_not_found",
                "The API deployment for this resource does not exist. If you created the "
                "deployment within the last 5 minutes, please wait a moment and try again.",
                param="session.model",
                azure_code="DeploymentNotFound",
            )
        return session

    def _no_api_version(self, query: QueryParams) -> None:
        if self._provider == "azure" and "api-version" in query:
            raise Refusal(
                400, None, "api-version query parameter is not allowed when using /v1 path"
            )

    def _request_id(self) -> dict[str, str]:
        return {"x-request-id": self._new_id("req")}


def _unsupported(expected: str) -> Refusal:
    return Refusal(
        400,
        "unsupported_content_type",
        f"Unsupported content type. This API method only accepts '{expected}' requests "
        "with this credential.",
    )
