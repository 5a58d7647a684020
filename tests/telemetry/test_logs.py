"""Logs are one JSON object a line, name the request's trace, and show nobody."""

from __future__ import annotations

import io
import logging
import logging.config
from collections.abc import Iterator

import orjson
import pytest

from bff.calls import current_round
from bff.context import RequestContext, enter
from bff.telemetry import logs
from bff.trace import Trace
from tests.estate.house import House

pytestmark = pytest.mark.anyio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a process with our configuration writes. The handlers that were there are put back."""
    root, out = logging.getLogger(), io.StringIO()
    before = (root.handlers[:], root.level)
    monkeypatch.setattr("sys.stderr", out)
    logging.config.dictConfig(logs.config("INFO", json=True))
    yield out
    root.handlers, root.level = before[0], before[1]


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


def inside_a_request() -> None:
    context = RequestContext(ports=None)  # type: ignore[arg-type]  # nothing is asked
    context.calls.trace = Trace(f"00-{TRACE}-00f067aa0ba902b7-00")
    enter(context)
    current_round.set(0)


def test_a_line_has_time_level_logger_event_and_what_was_given(stream: io.StringIO) -> None:
    logging.getLogger("bff.test").info("%s is %d", "it", 3, extra={"status": 200, "list": [1]})
    (line,) = lines(stream)
    assert str(line.pop("time")).endswith("+00:00")
    assert line == {"level": "INFO", "logger": "bff.test", "event": "it is 3", "status": 200, "list": "[1]"}


def test_inside_a_request_the_trace_is_named(stream: io.StringIO) -> None:
    inside_a_request()
    logging.getLogger("bff.test").warning("so it is")
    assert [line["trace_id"] for line in lines(stream)] == [TRACE]


def test_nobody_is_shown_wherever_they_hide(stream: io.StringIO) -> None:
    try:
        raise ValueError("no car LDCA1AB57SB000001")
    except ValueError:
        logging.getLogger("bff.test").exception(
            "call 13812341234", extra={"who": "13912341234", "them": ["13712341234", "LDCA1AB57SB000001"]}
        )
    (line,) = lines(stream)
    assert line["event"] == "call 138****1234"
    assert line["error_type"] == "ValueError"
    assert "Traceback" in str(line["stack"])
    for shown in ("LDCA1AB57SB000001", "13912341234", "13712341234", "13812341234"):
        assert shown not in stream.getvalue()


def test_uvicorn_speaks_through_the_same_line(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "coloured"})
    (line,) = lines(stream)
    assert (line["logger"], line["event"]) == ("uvicorn.error", "Started")
    assert "color_message" not in line


def test_text_for_a_developer_names_the_trace_where_something_is_wrong() -> None:
    inside_a_request()
    formatter = logs.TextFormatter()
    fine = logging.LogRecord("bff", logging.INFO, "", 0, "fine", (), None)
    wrong = logging.LogRecord("bff", logging.ERROR, "", 0, "wrong\nstack", (), None)
    assert formatter.format(fine).endswith(" INFO    bff  fine")
    assert formatter.format(wrong).endswith(f"ERROR   bff  wrong  [trace {TRACE}]\nstack")


async def test_access_log_has_a_line_a_request_with_what_operators_ask_first() -> None:
    house = House(BFF_ACCESS_LOG="1")
    seen: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = seen.append  # type: ignore[assignment,method-assign]  # a handler that keeps
    access = logging.getLogger("bff.access")
    access.addHandler(handler)
    access.setLevel("INFO")
    try:
        await house.example("AppHome")
        await house.client.get("/health/live")
    finally:
        access.removeHandler(handler)
        await house.aclose()
    (record,) = seen
    line = orjson.loads(logs.JsonFormatter().format(record))
    assert line["operation"] == "AppHome"
    assert (line["outcome"], line["status"], line["channel"], line["caller"]) == ("ok", 200, "APP", "CUSTOMER")
    assert line["rounds"] == 3
    assert line["upstream_calls"] > 10
    assert line["ms"] > 0
