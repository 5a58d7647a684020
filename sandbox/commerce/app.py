"""The commerce service as a system of the estate."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kit.clock import Clock, running_from
from sandbox.kit.openapi import Endpoint, document, routes
from sandbox.kit.rest import HANDLERS, Idempotency, reply
from sandbox.kit.server import System
from sandbox.world import World

from .carts import Carts
from .catalogue import Catalogue
from .entitlements import Entitlements
from .merchandise import Merchandise
from .settlements import Settlements
from .vehicle_orders import VehicleOrders

NAME = "commerce"


def create(world: World, clock: Clock | None = None) -> System:
    """`clock` tells the time of orders and of the end of a cooling-off; by default it runs on from the world's."""
    now = clock or running_from(world.now)
    extra = [Route("/_ping", _ping, methods=["GET"]), Entitlements(world, now).link]
    return System(NAME, Starlette(routes=[*routes(endpoints(world, now)), *extra], exception_handlers=HANDLERS))


def openapi(world: World) -> dict[str, Any]:
    """The service's contract, as it is kept in docs/contracts/commerce.openapi.json."""
    told = "The shop and its car orders. Money is in minor units, times are UTC; writes honour Idempotency-Key."
    return document("Commerce", told, endpoints(world))


def endpoints(world: World, clock: Clock | None = None) -> list[Endpoint]:
    now, once = clock or running_from(world.now), Idempotency()
    carts = Carts(world, now, once)
    return [
        *Catalogue(world, now).endpoints(),
        *Entitlements(world, now).endpoints(),
        *carts.endpoints(),
        *Merchandise(world, now, once, carts).endpoints(),
        *VehicleOrders(world, now, once).endpoints(),
        *Settlements(world, now).endpoints(),
    ]


async def _ping(_request: Request) -> Response:
    return reply({"system": NAME, "simulated": True})
