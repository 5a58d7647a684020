"""Features on their way to a car, which has to confirm them: who paid directly has the feature once the car says so.

The simulated car says so a few seconds later, by the sandbox's clock, while it can be reached.
`POST /entitlements/{id}/_acknowledge {"result": "FAILED"}` speaks in its place, and
`PUT /_vehicles/{vin} {"reachable": false}` keeps it silent until it is reachable again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kit.clock import Clock
from sandbox.kit.openapi import Endpoint, Items, body_as, keys, keys_of
from sandbox.kit.rest import Refused
from sandbox.world import World
from sandbox.world.entities import Entitlement

from . import contract, show

ANSWERS_AFTER = timedelta(seconds=5)
"""How long a car that can be reached takes to confirm a feature."""

ACTIVATION = timedelta(hours=24)
"""How long a buyer waits for the car at most: then the feature is to be revoked and paid back."""


class _Link(msgspec.Struct, forbid_unknown_fields=True):
    reachable: bool


class Entitlements:
    def __init__(self, world: World, clock: Clock) -> None:
        self._world, self._clock = world, clock

    def endpoints(self) -> list[Endpoint]:
        one = "/entitlements/{entitlementId}"
        return [
            Endpoint(
                method="GET", path="/entitlements", id="GetEntitlements", summary="Features of cars, by VIN.",
                handler=self.entitlements, parameters=[keys("vin")], answer=Items[contract.VehicleEntitlements],
            ),
            Endpoint(
                method="POST", path=one + "/revoke", id="RevokeEntitlement", handler=self.revoke,
                summary="Withdraw a feature that the car has not confirmed; repeatable. A confirmed one stays.",
                body=contract.Revoke, answer=contract.Entitlement, refusals=["NOT_FOUND", "ALREADY_ACTIVE"],
            ),
            Endpoint(
                method="POST", path=one + "/_acknowledge", id="Acknowledge", handler=self.acknowledge,
                summary="Sandbox only: the car has switched the feature on, or cannot.", body=contract.Acknowledge,
                answer=contract.Entitlement, refusals=["NOT_FOUND", "NOT_ACTIVATING"],
            ),
        ]  # fmt: skip

    @property
    def link(self) -> Route:
        """Sandbox only: whether a car can be reached, and so confirms its features by itself."""
        return Route("/_vehicles/{vin}", self.set_link, methods=["PUT"])

    async def entitlements(self, request: Request) -> Response:
        world, shown = self._world, []
        for vin in keys_of(request, "vin"):
            if vin in world.vehicles:
                confirm_due(world, vin, self._clock())
                mine = [show.entitlement(e) for e in world.entitlements_of(vin)]
                shown.append(contract.VehicleEntitlements(vin=vin, entitlements=mine))
        return show.items(shown)

    async def revoke(self, request: Request) -> Response:
        await body_as(request, contract.Revoke)
        entitlement = self._entitlement(request)
        if entitlement.state in ("ACTIVE", "EXPIRED"):
            raise Refused("ALREADY_ACTIVE", "the car has the feature")
        if entitlement.state in ("PENDING_PAYMENT", "ACTIVATING"):
            entitlement.state = "REVOKED"
        return show.answer(show.entitlement(entitlement))

    async def acknowledge(self, request: Request) -> Response:
        asked = await body_as(request, contract.Acknowledge)
        entitlement = self._entitlement(request)
        state = "ACTIVE" if asked.result == "ACTIVE" else "ACTIVATION_FAILED"
        if entitlement.state not in ("ACTIVATING", state):
            raise Refused("NOT_ACTIVATING", f"the feature is {entitlement.state}")
        if entitlement.state == "ACTIVATING" and state == "ACTIVE":
            activate(self._world, entitlement, self._clock())
        elif entitlement.state == "ACTIVATING":
            entitlement.state = "ACTIVATION_FAILED"
        return show.answer(show.entitlement(entitlement))

    async def set_link(self, request: Request) -> Response:
        asked = await body_as(request, _Link)
        vin, world, now = request.path_params["vin"], self._world, self._clock()
        if vin not in world.vehicles:
            raise Refused("NOT_FOUND", "there is no such car", 404)
        confirm_due(world, vin, now)
        if asked.reachable and vin in world.unreachable:
            world.unreachable.discard(vin)
            for entitlement in world.entitlements_of(vin):
                if entitlement.confirms_at is not None:
                    entitlement.confirms_at = max(entitlement.confirms_at, now + ANSWERS_AFTER)
        elif not asked.reachable:
            world.unreachable.add(vin)
        return show.answer(_Link(reachable=asked.reachable))

    def _entitlement(self, request: Request) -> Entitlement:
        entitlement = self._world.entitlements.get(request.path_params["entitlementId"])
        if entitlement is None:
            raise Refused("NOT_FOUND", "there is no such entitlement", 404)
        confirm_due(self._world, entitlement.vin, self._clock())
        return entitlement


def begin_activation(entitlement: Entitlement, now: datetime) -> None:
    """It is paid for; the car is asked."""
    entitlement.state = "ACTIVATING"
    entitlement.confirms_at, entitlement.activation_deadline = now + ANSWERS_AFTER, now + ACTIVATION


def confirm_due(world: World, vin: str, now: datetime) -> None:
    """What the car has confirmed by now, as of the moment when it did."""
    if vin in world.unreachable:
        return
    for entitlement in world.entitlements_of(vin):
        at = entitlement.confirms_at
        if entitlement.state == "ACTIVATING" and at is not None and at <= now:
            activate(world, entitlement, at)


def activate(world: World, entitlement: Entitlement, at: datetime) -> None:
    """The car has it: from now on, for its term."""
    term = world.products[entitlement.product_id].term_days
    entitlement.state, entitlement.starts_at = "ACTIVE", at
    entitlement.ends_at = at + timedelta(days=term) if term else None
