"""Every batch load of the schema: which port answers which keys. Fields name them; see `resolvers.fields`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bff.calls import both
from bff.context import CallerKind, RequestContext
from bff.domain.base import Found, PartialList
from bff.domain.community import Comment, Post
from bff.domain.configurator import Trim
from bff.domain.service import Booking
from bff.domain.vehicle import ServiceVisit, VehicleRef
from bff.errors import BffError
from resolvers.fields import batch_load, load_one, port_load

customers = port_load("customers", lambda ports: ports.customers.customers)
garages = port_load("garages", lambda ports: ports.customers.garages)

vehicle_records = port_load("vehicle_records", lambda ports: ports.vehicles.vehicles)
located_vehicles = port_load("located_vehicles", lambda ports: ports.vehicles.locate)
warranties = port_load("warranties", lambda ports: ports.vehicles.warranties)
vehicle_states = port_load("vehicle_states", lambda ports: ports.connected.states)
vehicle_software = port_load("vehicle_software", lambda ports: ports.connected.software)

models = port_load("models", lambda ports: ports.configurator.models_by_code)
trims = port_load("trims", lambda ports: ports.configurator.trims)
offers = port_load("offers", lambda ports: ports.configurator.offers)
checks = port_load("checks", lambda ports: ports.configurator.check)
configurations = port_load("configurations", lambda ports: ports.configurator.load)
option_names = port_load("option_names", lambda ports: ports.configurator.option_names)

products = port_load("products", lambda ports: ports.catalogue.products)
entitlements = port_load("entitlements", lambda ports: ports.catalogue.entitlements)
carts = port_load("carts", lambda ports: ports.commerce.carts)
merchandise_orders = port_load("merchandise_orders", lambda ports: ports.commerce.orders)
merchandise_order_steps = port_load("merchandise_order_steps", lambda ports: ports.commerce.pending)

vehicle_orders = port_load("vehicle_orders", lambda ports: ports.vehicle_orders.orders)
vehicle_order_steps = port_load("vehicle_order_steps", lambda ports: ports.vehicle_orders.pending)
sales_orders = port_load("sales_orders", lambda ports: ports.sales_orders.sales_orders)
productions = port_load("productions", lambda ports: ports.production.productions)
delivery_progress = port_load("delivery_progress", lambda ports: ports.progress.progress)

payments = port_load("payments", lambda ports: ports.payments.intents)
payments_of_orders = port_load("payments_of_orders", lambda ports: ports.payments.intents_of)

centres = port_load("centres", lambda ports: ports.centres.centres)
slots = port_load("slots", lambda ports: ports.service.slots)
bookings = port_load("bookings", lambda ports: ports.service.bookings)
estimates = port_load("estimates", lambda ports: ports.service.estimates)

content_plans = port_load("content_plans", lambda ports: ports.content.sync)

test_drive_slots = port_load("test_drive_slots", lambda ports: ports.leads.slots)
test_drives = port_load("test_drives", lambda ports: ports.leads.test_drives)
test_drives_of_customers = port_load("test_drives_of_customers", lambda ports: ports.leads.test_drives_of)


async def _owned_since(context: RequestContext) -> Mapping[str, datetime] | None:
    """Since when each car is in the customer's garage: what was before is its former owner's. None: an adviser asks."""
    customer_id = context.caller.customer_id
    if context.caller.kind is CallerKind.ADVISER:
        return None
    garage = await load_one(context, garages, customer_id) if customer_id is not None else None
    return {entry.vehicle.vin: entry.since for entry in garage or []}


@batch_load
async def service_visits(context: RequestContext, keys: Sequence[VehicleRef]) -> Found[VehicleRef, list[ServiceVisit]]:
    """Visits since the car is the customer's (domain law: a transfer hides the history before it)."""
    found, since = await both(context.ports.vehicles.visits(keys), _owned_since(context))
    if since is None:
        return found
    return {
        ref: visits
        if isinstance(visits, BffError)
        else [visit for visit in visits if ref.vin in since and visit.opened_at >= since[ref.vin]]
        for ref, visits in found.items()
    }


@batch_load
async def bookings_of_vehicles(context: RequestContext, keys: Sequence[VehicleRef]) -> Found[VehicleRef, list[Booking]]:
    """Bookings since the car is the customer's; a list of which a part is missing still says so."""
    found, since = await both(context.ports.service.bookings_of(keys), _owned_since(context))
    if since is None:
        return found
    return {ref: _owned(bookings, since.get(ref.vin)) for ref, bookings in found.items()}


def _owned(bookings: list[Booking] | BffError, since: datetime | None) -> list[Booking] | BffError:
    if isinstance(bookings, BffError):
        return bookings
    own = [booking for booking in bookings if since is not None and booking.start >= since]
    return PartialList(own, bookings.missing) if isinstance(bookings, PartialList) else own


@batch_load
async def trims_of_models(
    context: RequestContext, keys: Sequence[tuple[str, ...]]
) -> Found[tuple[str, ...], list[Trim]]:
    """All trims of all models in one call; a model is asked for by the codes of its trims."""
    found = await context.ports.configurator.trims(list(dict.fromkeys(code for codes in keys for code in codes)))
    return {codes: [trim for code in codes if isinstance(trim := found.get(code), Trim)] for codes in keys}


@batch_load
async def posts(context: RequestContext, keys: Sequence[str]) -> Found[str, Post]:
    return await context.ports.community.posts(keys, viewer=context.caller.customer_id)


@batch_load
async def comments(context: RequestContext, keys: Sequence[str], *, limit: int = 3) -> Found[str, list[Comment]]:
    return await context.ports.community.comments(keys, limit=max(0, min(limit, 50)))
