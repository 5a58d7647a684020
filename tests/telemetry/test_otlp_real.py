"""An OTLP receiver that others wrote understands what we send."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx
import orjson
import pytest

from tests.telemetry.service import SlowSystem, ask, free_port, serving

pytestmark = [pytest.mark.anyio, pytest.mark.real]


async def test_receiver_sees_the_operation_and_the_call_under_the_callers_trace(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "oteltap", "--port", str(port), "--await-span", "query (Saved|other)"]
    tap = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
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
            await ask(client, service, "7K3M-9QXT", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
            out, err = await asyncio.wait_for(tap.communicate(), 30)
            assert tap.returncode == 0, err.decode()
            service.terminate()
            assert await asyncio.wait_for(service.process.wait(), 30) == 0
            sent = [line for head in system.heads for line in head.decode().split("\r\n") if "traceparent" in line]
    finally:
        if tap.returncode is None:
            tap.kill()
    spans = {
        each["name"]: each
        for line in out.decode().splitlines()
        if line.startswith('{"traceId"')
        for each in [orjson.loads(line)]
    }
    operation, batch = spans["query Saved"], spans["load configurations"]
    call = spans["configurator LoadConfigurations"]
    assert {each["traceId"] for each in spans.values()} == {trace}
    assert operation["parentSpanId"] == "00f067aa0ba902b7"
    assert batch["parentSpanId"] == operation["spanId"]
    assert call["parentSpanId"] == batch["spanId"]
    assert sent == [f"traceparent: 00-{trace}-{call['spanId']}-01"]
