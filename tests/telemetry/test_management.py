"""The management port is a port of its own, and shows what the public one does not."""

from __future__ import annotations

import socket

import httpx
import pytest

from bff import settings as settings_module
from bff.serving.management import claim_socket
from tests.estate.house import House
from tests.telemetry.service import free_port

pytestmark = pytest.mark.anyio


async def test_metrics_state_and_health_are_on_the_management_port_only() -> None:
    port = free_port()
    house = House(BFF_MANAGEMENT_PORT=str(port))
    await house.app.process.start()
    house.app.readiness.ready = True
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            metrics = await client.get("/metrics")
            assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert "bff_overload_level 0.0" in metrics.text
            assert (await client.get("/health/live")).status_code == 200
            assert (await client.get("/health/ready")).json()["status"] == "ready"
            state = (await client.get("/state")).json()
            assert state["overload"]["maxInFlight"] == 500
            assert state["upstreams"]["dms"]["inFlight"] == 0
            assert (await client.post("/graphql", json={"query": "{ __typename }"})).status_code == 404
        for path in ("/metrics", "/state"):
            assert (await house.client.get(path)).status_code == 404
    finally:
        await house.app.process.stop()
        await house.aclose()
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", port)):
        pass


async def test_port_that_is_taken_stops_nobody_from_being_served(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        house = House(BFF_MANAGEMENT_PORT=str(taken.getsockname()[1]))
        await house.app.process.start()
        assert (await house.ask("{ __typename }")).status == 200
        await house.app.process.stop()
        await house.aclose()
    assert "The management port" in caplog.text


def test_workers_have_the_lowest_numbers_that_are_free(tmp_path: object) -> None:
    import os
    from pathlib import Path

    folder = Path(str(tmp_path))
    first, second = claim_socket(folder), claim_socket(folder)
    assert [first[1].name, second[1].name] == ["0.sock", "1.sock"]
    os.close(first[0])
    again = claim_socket(folder)
    assert again[1].name == "0.sock"
    for held in (second, again):
        os.close(held[0])


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BFF_MANAGEMENT_PORT", "https"),
        ("BFF_MANAGEMENT_PORT", "70000"),
        ("BFF_TRACE_RATIO", "1.5"),
        ("BFF_TRACE_RATIO", "often"),
        ("BFF_DRAIN_SECONDS", "60"),
        ("BFF_MAX_IN_FLIGHT", "-1"),
        ("BFF_LOG_FORMAT", "xml"),
    ],
)
def test_setting_that_is_wrong_is_named(variable: str, value: str) -> None:
    with pytest.raises(settings_module.SettingsError, match=variable):
        settings_module.load({variable: value})


def test_zero_turns_the_management_port_off_and_unset_is_the_next_port() -> None:
    assert settings_module.load({"BFF_MANAGEMENT_PORT": "0"}).operating.management_port is None
    assert settings_module.load({"BFF_PORT": "9000"}).operating.management_port == 9001
