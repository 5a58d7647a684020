"""Settings of running the service: its management port, what it tells (logs, traces), when it sheds, how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

import msgspec


class Operating(msgspec.Struct, frozen=True, kw_only=True):
    """`management_port` None: no management port. `exports_traces`: an OTLP receiver is named (`OTEL_EXPORTER_OTLP_…`).

    `trace_ratio` is the part of requests recorded where the caller does not say. `max_in_flight` counts requests of one
    process. `drain_seconds` is how long a process that was told to stop goes on accepting, so that balancers notice.
    `known_operations` have a name of their own in metrics besides trusted ones; in development, all have.
    """

    management_host: str = "127.0.0.1"
    management_port: int | None = None
    trace_ratio: float = 0.01
    exports_traces: bool = False
    log_json: bool = True
    access_log: bool = False
    max_in_flight: int = 500
    drain_seconds: float = 0.0
    known_operations: frozenset[str] = frozenset()


LONGEST_DRAIN = 20.0
"""Seconds; what is left of the thirty is for what still runs."""


def load_operating(env: Mapping[str, str], *, port: int, production: bool, problems: list[str]) -> Operating:
    """Appends to `problems` a sentence for every variable that is wrong."""
    exports = bool(env.get("OTEL_EXPORTER_OTLP_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
    if exports and find_spec("opentelemetry") is None:
        problems.append("OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: autobff[telemetry].")
    management = env.get("BFF_MANAGEMENT_PORT", str(port + 1))
    if not (management.isascii() and management.isdigit() and int(management) < 65_536):
        problems.append(f"BFF_MANAGEMENT_PORT is a port, or 0 for none, not {management!r}.")
        management = "0"
    log_format = env.get("BFF_LOG_FORMAT", "json" if production else "text")
    if log_format not in ("json", "text"):
        problems.append(f"BFF_LOG_FORMAT is json or text, not {log_format!r}.")
    return Operating(
        management_host=env.get("BFF_MANAGEMENT_HOST", "127.0.0.1"),
        management_port=int(management) or None,
        trace_ratio=_number(env, "BFF_TRACE_RATIO", 0.01, 1.0, problems),
        exports_traces=exports,
        log_json=log_format == "json",
        access_log=env.get("BFF_ACCESS_LOG", "0") == "1",
        max_in_flight=max(1, int(_number(env, "BFF_MAX_IN_FLIGHT", 500, 1_000_000, problems))),
        drain_seconds=_number(env, "BFF_DRAIN_SECONDS", 5.0 if production else 0.0, LONGEST_DRAIN, problems),
        known_operations=frozenset(filter(None, env.get("BFF_KNOWN_OPERATIONS", "").split(","))),
    )


def _number(env: Mapping[str, str], name: str, default: float, most: float, problems: list[str]) -> float:
    said = env.get(name)
    if said is None:
        return default
    try:
        value = float(said)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        problems.append(f"{name} is a number from 0 to {most:g}, not {said!r}.")
        return default
    return value
