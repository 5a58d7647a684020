"""A thousand buyers and ten units, over two processes of the service: ten orders, and a typed answer for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from bff.upstreams import UPSTREAMS
from tests.orders.surge import Report, Surge, run

pytestmark = pytest.mark.anyio

SURGE = Surge(buyers=1000, units=10, processes=2, burst=4, poll_seconds=2)


def _holds(surge: Surge, report: Report, sold_out: str) -> None:
    assert report.answers == {"ORDERED": surge.units, sold_out: surge.buyers - surge.units}
    assert report.waits > 0
    assert surge.kill == (report.refused["connection"] > 0)
    assert report.world["stock"][surge.kind] == 0
    assert report.world[surge.kind] == {"orders": surge.units, "buyers": surge.units}
    # Who ordered had come among the first, whatever they did: everyone else came behind, or found nothing left.
    assert report.winners[-1] < surge.buyers / 4
    for name, stats in report.world["systems"].items():
        assert stats["refused"] == 0
        assert stats["most_open"] <= (UPSTREAMS[name].connections or 0), name
    asked = sum(
        count for path, count in report.world["systems"]["commerce"]["paths"].items() if path.endswith("-orders")
    )
    assert surge.units < asked < surge.buyers / 4
    assert report.world["systems"]["erp"]["requests"] == 0


async def test_trap_11_ten_of_a_thousand_get_one(tmp_path: Path) -> None:
    _holds(SURGE, await run(SURGE, f"sqlite:///{tmp_path}/state.sqlite3"), "OUT_OF_STOCK")


@pytest.mark.real
async def test_trap_11_six_of_three_hundred_get_a_car_although_a_process_is_killed(postgres_address: str) -> None:
    surge = SURGE._replace(buyers=300, units=6, kind="vehicle", kill=True)
    _holds(surge, await run(surge, postgres_address.format(name="postgres")), "SOLD_OUT")
