"""Log lines: one per thing done, readable by machines and by people."""

import json
import logging

import pytest

from signaller.errors import ModelNotFound
from signaller.logs import ConsoleFormatter, Journal, JsonFormatter
from signaller.masking import Masking, masked_logs
from signaller.secret import Secret
from tests.support.service import MODEL, running
from tests.web.reloading import reloadable

KEY = "c0ffee" * 8


def record(**fields: object) -> logging.LogRecord:
    """A record as the journal makes it."""
    made = logging.LogRecord("signaller", logging.INFO, __file__, 1, "mint", None, None)
    made.fields = fields
    return made


def test_a_line_is_one_json_object() -> None:
    """With time, level, event and the fields."""
    line = json.loads(JsonFormatter().format(record(caller="web", total_ms=1.5)))
    assert (line["event"], line["caller"], line["total_ms"]) == ("mint", "web", 1.5)
    assert line["time"].endswith("+00:00")


@pytest.mark.parametrize("formatter", [JsonFormatter(), ConsoleFormatter()])
def test_a_client_cannot_forge_a_line(formatter: logging.Formatter) -> None:
    """Line breaks in a field stay inside it."""
    forged = formatter.format(record(model='x"\nERROR forged\r\x1b[31m'))
    assert len(forged.splitlines()) == 1
    assert "\x1b" not in forged


def test_an_exception_keeps_its_traceback() -> None:
    """In both forms."""
    try:
        raise ValueError("boom")
    except ValueError as error:
        made = record()
        made.exc_info = (ValueError, error, error.__traceback__)
    assert "boom" in json.loads(JsonFormatter().format(made))["traceback"]
    assert "boom" in ConsoleFormatter().format(made)


def test_a_failed_block_is_logged_with_its_code(caplog: pytest.LogCaptureFixture) -> None:
    """And shown to whoever counts, and the error goes on its way."""
    seen: list[tuple[str, object, BaseException | None]] = []
    journal = Journal(lambda event, fields, error: seen.append((event, fields["model"], error)))
    with pytest.raises(ModelNotFound) as caught, journal.line("mint", model="m"):
        raise ModelNotFound
    assert seen == [("mint", "m", caught.value)]
    (line,) = caplog.records
    fields = json.loads(JsonFormatter().format(line))
    assert (fields["outcome"], fields["status"], line.levelname) == (
        "model_not_found",
        404,
        "WARNING",
    )


async def test_one_line_per_mint_and_per_call(caplog: pytest.LogCaptureFixture) -> None:
    """Request id, caller, model, deployment, outcome and durations."""
    caplog.set_level(logging.INFO, "signaller")
    async with running() as service:
        token = await service.token()
        await service.call(token, x_request_id="mine-1")
        await service.call(token)
        await service.call("ek_forged")
        await service.mint(headers={"authorization": "Bearer nobody"})
    lines = [
        json.loads(JsonFormatter().format(line))
        for line in caplog.records
        if line.name == "signaller.audit"
    ]
    mint, call, replay, refused, forged, stranger = lines
    for line in (mint, call):
        assert line["caller"] == "master"
        assert line["model"] == MODEL
        assert line["deployment"] == "d1"
        assert line["outcome"] == "ok"
        assert line["total_ms"] >= line["provider_ms"] > 0
    assert call["request_id"] == "mine-1"
    assert mint["grant"] == call["grant"] == replay["grant"]
    assert (forged["event"], forged["outcome"]) == ("call", "token_rejected")
    assert (stranger["event"], stranger["outcome"]) == ("mint", "invalid_api_key")
    assert (replay["event"], refused["outcome"]) == ("replay", "token_rejected")


def test_every_part_of_a_line_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    """Message, fields and traceback, whoever logs it; and then no more."""
    masking = Masking.of(Secret(KEY))
    for name in ("signaller", "signaller.audit", "uvicorn.error", "azure.identity", None):
        log = logging.getLogger(name)
        with masked_logs(masking):
            try:
                raise ValueError(f"no {KEY}")
            except ValueError:
                fields = {"detail": f"no {KEY}", "origins": (KEY, "b"), "status": 400}
                log.exception("fault of %s", KEY, extra={"fields": fields})
        (record,) = caplog.records
        for formatter in (JsonFormatter(), ConsoleFormatter(), logging.Formatter()):
            line = formatter.format(record)
            assert KEY not in line
            assert "ValueError: no ****" in line
        assert record.__dict__["fields"] == {
            "detail": "no ****",
            "origins": ("****", "b"),
            "status": 400,
        }
        caplog.clear()
        log.error(KEY)
        assert KEY in caplog.text
        caplog.clear()


async def test_a_reload_changes_what_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    """A key that came with it is one of ours."""
    async with reloadable() as running:
        await running.reload(master_key=Secret(KEY))
        caplog.set_level(logging.INFO)
        await running.service.mint(
            {"model": MODEL}, headers={"api-key": KEY, "x-request-id": "r", "origin": f"x://{KEY}"}
        )
    (line,) = (record for record in caplog.records if record.getMessage() == "mint")
    assert line.__dict__["fields"]["origin"] == "****"
