"""Logs: JSON for machines, text for a developer; the trace's id in both, personal data in neither."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import orjson

from bff.context import current_or_none
from bff.telemetry.masking import scrub

_ORDINARY = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}


def trace_id() -> str | None:
    """Of the request that is being answered."""
    context = current_or_none()
    trace = None if context is None else context.calls.trace
    return None if trace is None else trace.trace_id


class JsonFormatter(logging.Formatter):
    """`time` (UTC, RFC 3339), `level`, `logger`, `event`, `trace_id` inside a request, and each `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        if (trace := trace_id()) is not None:
            line["trace_id"] = trace
        line |= {name: _plain(value) for name, value in record.__dict__.items() if name not in _ORDINARY}
        if record.exc_info and record.exc_info[0] is not None:
            line["error_type"] = record.exc_info[0].__name__
        if record.exc_text or (record.exc_info and record.exc_info[0] is not None):
            # The masking filter has left its own text where there was something to mask.
            line["stack"] = record.exc_text or self.formatException(record.exc_info)  # type: ignore[arg-type]  # not None
        return orjson.dumps(line).decode()


def _plain(value: Any) -> str | int | float | bool | None:
    """The masking filter has seen text only."""
    return value if value is None or isinstance(value, str | int | float) else scrub(str(value))


class TextFormatter(logging.Formatter):
    """For a person who looks on: short, and the trace's id only where something is wrong."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s  %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.levelno < logging.WARNING or (trace := trace_id()) is None:
            return text
        head, newline, rest = text.partition("\n")
        return f"{head}  [trace {trace}]{newline}{rest}"


def config(level: str, *, json: bool) -> dict[str, Any]:
    """For `logging.config.dictConfig`, and for `uvicorn.Config(log_config=…)`, which hands it to every worker."""
    formatter = "JsonFormatter" if json else "TextFormatter"
    quiet = {name: {"level": "WARNING"} for name in ("httpx", "httpcore")}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"bff.telemetry.logs.{formatter}"}},
        "filters": {"mask": {"()": "bff.telemetry.masking.MaskingFilter"}},
        "handlers": {
            "out": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "line",
                "filters": ["mask"],
            }
        },
        "root": {"level": level, "handlers": ["out"]},
        "loggers": {"uvicorn": {"handlers": [], "propagate": True, "level": level}} | quiet,
    }
