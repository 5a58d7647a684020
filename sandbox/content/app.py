"""Content over REST (docs/contracts/content.openapi.json): sync plans, manifests, keys, bytes, reports of cars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.content import ranges, shapes
from sandbox.content.planning import Planner, bytes_by_hash
from sandbox.content.signing import Signer
from sandbox.kit.clock import Clock, running_from
from sandbox.kit.openapi import Endpoint, Items, Parameter, body_as, document, keys, keys_of, routes, word
from sandbox.kit.rest import HANDLERS, Handler, Refused, reply
from sandbox.kit.server import System
from sandbox.world import World
from sandbox.world.entities import Vehicle

T = TypeVar("T")
NAME = "content"
SCREENS = ("head-unit-12", "head-unit-8", "phone")


def create(world: World, clock: Clock | None = None) -> System:
    """The system over `world`; without a clock, time begins at the world's `now`."""
    ping = Route("/_ping", _ping)
    return System(NAME, Starlette(routes=[*routes(endpoints(world, clock)), ping], exception_handlers=HANDLERS))


def openapi(world: World) -> dict[str, Any]:
    """The service's contract, as it is kept in docs/contracts/content.openapi.json."""
    told = "Signed content bundles for cars and apps, and what cars report of themselves. Times are UTC."
    return document("Content", told, endpoints(world))


def endpoints(world: World, clock: Clock | None = None) -> list[Endpoint]:
    signer = Signer(world.seed)
    planner = Planner(world, signer, clock or running_from(world.now))

    async def sync(request: Request) -> Response:
        asked = (await body_as(request, shapes.SyncRequests)).requests
        return _show(Items([plan for one in asked if (plan := planner.plan(one)) is not None]))

    async def bundles(request: Request) -> Response:
        given = request.query_params
        if given.get("screenClass") not in SCREENS or not given.get("locale"):
            raise Refused("BAD_REQUEST", f"give a locale and a screenClass, one of {', '.join(SCREENS)}", 400)
        place = given["locale"], given["screenClass"], given.get("brand")
        found = (planner.newest(bundle, *place) for bundle in keys_of(request, "id"))
        return _show(Items([manifest for manifest in found if manifest is not None]))

    async def public_keys(_request: Request) -> Response:
        return _show(shapes.Keys(keys=signer.published()))

    async def asset(request: Request) -> Response:
        sha256 = request.path_params["sha256"]
        found = bytes_by_hash(world.bundles.values()).get(sha256)
        if found is None:
            raise Refused("NOT_FOUND", "no such asset", 404)
        return ranges.serve(request, *found, sha256)

    def of_cars(shape: Callable[[Vehicle], T]) -> Handler:
        async def read(request: Request) -> Response:
            cars = (world.vehicles.get(vin) for vin in keys_of(request, "vin"))
            return _show(Items([shape(car) for car in cars if car is not None]))

        return read

    return [
        Endpoint(method="POST", path="/sync", id="Sync", handler=sync, body=shapes.SyncRequests,
                 answer=Items[shapes.SyncPlan],
                 summary="What each client should fetch, drop and keep. A car that is not known is left out."),
        Endpoint(method="GET", path="/bundles", id="GetBundles", handler=bundles, answer=Items[shapes.SignedManifest],
                 parameters=(keys("id"), Parameter("locale", {"type": "string"}, required=True),
                             Parameter("screenClass", {"type": "string", "enum": list(SCREENS)}, required=True),
                             word("brand")),
                 summary="The newest version of each bundle, for no car in particular."),
        Endpoint(method="GET", path="/keys", id="GetKeys", handler=public_keys, answer=shapes.Keys,
                 summary="The public keys of manifests as a JWK set."),
        Endpoint(method="GET", path="/assets/{sha256}/{name}", id="GetAsset", handler=asset, answer=None,
                 media_type="application/octet-stream", refusals=("NOT_FOUND",),
                 summary="Bytes by hash, immutable; answers Range, If-Range and If-None-Match."),
        Endpoint(method="GET", path="/vehicles/software", id="GetSoftware", handler=of_cars(shapes.Software.of),
                 answer=Items[shapes.Software], parameters=(keys("vin"),), summary="What runs on each car."),
        Endpoint(method="GET", path="/vehicles/states", id="GetStates", handler=of_cars(shapes.VehicleState.of),
                 answer=Items[shapes.VehicleState], parameters=(keys("vin"),), summary="Each car's last report."),
    ]  # fmt: skip


async def _ping(_request: Request) -> Response:
    return reply({"system": NAME, "simulated": True})


def _show(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
