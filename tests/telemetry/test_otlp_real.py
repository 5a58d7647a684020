"""An OTLP receiver that others wrote understands what we send."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.telemetry.service import SlowSystem, ask, free_port, serving

pytestmark = [pytest.mark.anyio, pytest.mark.real]

NAMES = {"query Saved", "load configurations", "configurator LoadConfigurations"}


async def test_receiver_sees_the_operation_and_the_call_under_the_callers_trace(tmp_path: Path) -> None:
    port = free_port()
    tap = await asyncio.create_subprocess_exec(sys.executable, "-m", "oteltap", "--port", str(port), stdout=PIPE)
    try:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        async with (
            SlowSystem(0.01).running() as system,
            serving(
                system,
                tmp_path,
                OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
                OTEL_SERVICE_NAME="bff-under-test",
                OTEL_BSP_SCHEDULE_DELAY="200",
                BFF_TRACE_RATIO="0",
                BFF_KNOWN_OPERATIONS="Saved",
            ) as service,
            httpx.AsyncClient(timeout=20) as client,
        ):
            reply = await ask(client, service, "7K3M-9QXT", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
            spans = await received(tap)
            assert set(spans) == NAMES, f"{reply.text}\n{service.log.read_text()}"
            service.terminate()
            assert await asyncio.wait_for(service.process.wait(), 30) == 0
            sent = [line for head in system.heads for line in head.decode().split("\r\n") if "traceparent" in line]
    finally:
        tap.kill()
        await tap.wait()
    operation, batch = spans["query Saved"], spans["load configurations"]
    call = spans["configurator LoadConfigurations"]
    assert {each["traceId"] for each in spans.values()} == {trace}
    assert operation["parentSpanId"] == "00f067aa0ba902b7"
    assert batch["parentSpanId"] == operation["spanId"]
    assert call["parentSpanId"] == batch["spanId"]
    assert sent == [f"traceparent: 00-{trace}-{call['spanId']}-01"]


async def received(tap: Process) -> dict[str, dict[str, Any]]:
    """What the receiver prints, by name, when all have come; fewer where the others do not come in time."""
    assert tap.stdout is not None
    spans: dict[str, dict[str, Any]] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(30):
            while not set(spans) >= NAMES:
                line = await tap.stdout.readline()
                assert line, "the receiver has ended"
                if line.startswith(b'{"traceId"'):
                    span = orjson.loads(line)
                    spans[span["name"]] = span
    return spans
