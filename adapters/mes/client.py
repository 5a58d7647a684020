"""Production orders from the MES: one a call, several calls side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from adapters.mes.mes_wire import Refused, get_operations_performance, read_performance
from adapters.transport.statuses import failure
from adapters.transport.upstream import Operation, Upstream
from bff.calls import in_parallel
from bff.domain.base import Found
from bff.domain.vehicle_order import Production
from bff.errors import BffError, UpstreamContractBroken, UpstreamRejected

GET_OPERATIONS_PERFORMANCE = Operation(name="GetOperationsPerformance")
_HEADERS = {"content-type": "application/json", "accept": "application/json"}


class MesClient:
    """Implements ProductionPort. The MES resets the ninth connection: the upstream caps what is under way."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def productions(self, orders: Sequence[str]) -> Found[str, Production]:
        wanted = list(dict.fromkeys(orders))
        found: dict[str, Production | BffError] = {}
        for order, result in zip(wanted, await in_parallel(*map(self._production, wanted)), strict=True):
            if isinstance(result, BffError | Production):
                found[order] = result
            elif result is not None:
                raise result
        return found

    async def _production(self, order: str) -> Production | None:
        body = get_operations_performance(order, str(uuid4()), datetime.now(UTC))
        reply = await self._upstream.call(
            GET_OPERATIONS_PERFORMANCE, "POST", "/mes/b2mml", keys=[order], headers=_HEADERS, body=body
        )
        name = self._upstream.name
        if reply.status != 200:
            raise failure(name, GET_OPERATIONS_PERFORMANCE, reply)
        try:
            return read_performance(reply.headers.get("content-type", ""), reply.body, order)
        except Refused as error:
            raise UpstreamRejected(name, detail=str(error)) from error
        except ValueError as error:
            raise UpstreamContractBroken(name, detail=str(error)) from error
