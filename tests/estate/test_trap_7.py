"""Trap 7: the ERP's CSRF token expires in a burst of orders. One fetches another, and every order is made once."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import httpx
import pytest

from bff.context import RequestContext, entered
from bff.domain.vehicle_order import SalesOrderDraft, SalesOrderLine
from tests.estate.house import House

pytestmark = pytest.mark.anyio

ORDERS = 20


async def test_trap_7_token_that_expires_in_a_burst_of_orders_is_fetched_once(house: House) -> None:
    trim = house.world.trims["A5-PLUS"]
    customer = next(iter(house.world.customers.values()))

    def draft(number: int) -> SalesOrderDraft:
        return SalesOrderDraft(
            reference=f"VO9{number:07d}",
            sold_to=customer.erp_business_partner,
            requested_delivery_on=date.today() + timedelta(days=60),
            lines=[SalesOrderLine(material=trim.id, quantity=1)],
        )

    ports = house.services.ports
    with entered(RequestContext(ports=ports, budget_seconds=30.0)):
        assert (await ports.sales_orders.create(draft(0))).entity is not None
        async with httpx.AsyncClient(transport=httpx.ASGITransport(house.systems["erp"])) as erp:
            before = (await erp.put("http://erp.test/_csrf", json={"expire": True})).json()["issued"]
            made = await asyncio.gather(*[ports.sales_orders.create(draft(number)) for number in range(1, ORDERS + 1)])
            after = (await erp.get("http://erp.test/_csrf")).json()["issued"]
    assert [outcome.refusals for outcome in made] == [[]] * ORDERS
    assert after - before == 1
    numbers = [outcome.entity.number for outcome in made if outcome.entity is not None]
    assert len(set(numbers)) == ORDERS
