"""The systems of a surge in a process of their own: as many customers as buyers, each with the same thing in mind.

`python -m tests.orders.surge_estate '{"buyers": 1000, "units": 10}'` prints what buyers need to know; when its standard
input ends, it prints what became of the world.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from dataclasses import asdict, replace
from typing import Any

from sandbox.commerce import show
from sandbox.estate import build_systems
from sandbox.kit.server import Estate, System
from sandbox.world import World, build_world
from sandbox.world.configurations import CURRENT_SHARE_CODE
from sandbox.world.entities import Cart, CartLine
from sandbox.world.orders import TERMS_VERSION

SYSTEMS = ("identity", "configurator", "commerce", "erp")
PRODUCT = "P1001"


def customer_ids(buyers: int) -> list[str]:
    """At most 10,000: the sandbox's ids have four digits."""
    return [f"C{number:04d}" for number in range(buyers)]


def fill(world: World, buyers: int, units: int) -> dict[str, Any]:
    """A cart for every buyer, and `units` of the product and of the trim. What a buyer sends."""
    known = world.customers["C0050"]
    carts: dict[str, Cart] = {}
    for cart in world.carts.values():
        cart.state = "ORDERED"
    for name in customer_ids(buyers):
        world.customers.setdefault(name, replace(known, id=name))
        cart = Cart(f"CA-{name}-S", name, "ACTIVE", 1, "CNY", world.now)
        cart.lines.append(CartLine(f"{cart.id}-1", PRODUCT, 1, world.products[PRODUCT].price_fen, None))
        carts[name] = world.carts[cart.id] = cart
    world.products[PRODUCT].stock = units
    saved = world.saved_configurations[CURRENT_SHARE_CODE]
    trim = world.trims[saved.trim_id]
    trim.stock = units
    brand = world.models[trim.model_id].brand
    _find_carts_fast(carts)
    lines = carts[customer_ids(1)[0]].lines
    return {
        "version": 1,
        "total": show.lines_total(world, lines) + show.shipping_of(world, lines),
        "code": saved.share_code,
        "centre": next(centre.id for centre in world.centres.values() if brand in centre.brands),
        "terms": TERMS_VERSION,
    }


def _find_carts_fast(carts: dict[str, Cart]) -> None:
    """The sandbox looks through all carts for a customer's, which ten thousand buyers would mostly wait for."""

    def active(_world: World, customer_id: str) -> Cart | None:
        cart = carts.get(customer_id)
        return cart if cart is not None and cart.state == "ACTIVE" else None

    World.active_cart_of = active  # type: ignore[method-assign, assignment]


def outcome(world: World, systems: dict[str, System], before: tuple[int, int]) -> dict[str, Any]:
    goods = list(world.merchandise_orders.values())[before[0] :]
    cars = list(world.vehicle_orders.values())[before[1] :]
    trim = world.trims[world.saved_configurations[CURRENT_SHARE_CODE].trim_id]
    return {
        "shop": {"orders": len(goods), "buyers": len({o.customer_id for o in goods})},
        "vehicle": {"orders": len(cars), "buyers": len({o.customer_id for o in cars})},
        "stock": {"shop": world.products[PRODUCT].stock, "vehicle": trim.stock},
        "systems": {name: asdict(system.stats) for name, system in systems.items()},
    }


async def run(buyers: int, units: int) -> None:
    world = build_world()
    sends = fill(world, buyers, units)
    before = len(world.merchandise_orders), len(world.vehicle_orders)
    built = build_systems(world)
    systems = {name: built[name] for name in SYSTEMS}
    estate = Estate([(system, 0) for system in systems.values()])
    await estate.start()
    _tell({"addresses": estate.addresses, "sends": sends})
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    threading.Thread(target=_when_parent_is_done, args=(loop, over), daemon=True).start()
    await over.wait()
    _tell(outcome(world, systems, before))
    await estate.stop()


def _when_parent_is_done(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    loop.call_soon_threadsafe(over.set)


def _tell(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run(**json.loads(sys.argv[1])))
