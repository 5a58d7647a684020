"""What must be true in the end, whenever somebody died: of orders, money, stock, features, events and what waits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from bff.durability.database import Script

LIVING_FEATURES = ("PENDING_PAYMENT", "ACTIVATING", "ACTIVE")
CANCELLED_VISITS = ("90", "CANCELLED")
PAID_FOR_A_CAR = {
    "DRAFT": 0, "INTENT_PAID": 100_000, "DEPOSIT_PAID": 500_000, "LOCKED": 500_000, "CANCELLED": 0,
}  # fmt: skip


class Flow(NamedTuple):
    id: str
    kind: str
    reference: str
    state: dict[str, Any]


class Books(NamedTuple):
    """The state database. `effects` are (flow, name, due, lease, error), `entries` (payment, kind, amount)."""

    flows: list[Flow]
    effects: list[tuple[Any, ...]]
    entries: list[tuple[Any, ...]]
    events_waiting: int
    orders_parked: int
    leases: list[tuple[Any, ...]]


def read_books() -> Script[Books]:
    flows = yield "SELECT id, kind, reference, state FROM bff_flow ORDER BY id", ()
    effects = yield "SELECT flow, name, due_at, lease_until, error FROM bff_effect ORDER BY flow, name", ()
    entries = yield "SELECT payment, kind, amount_minor FROM bff_ledger ORDER BY id", ()
    orders = yield "SELECT COUNT(*) FROM bff_outbox", ()
    insight = yield "SELECT COUNT(*) FROM bff_outbox_insight", ()
    parked = yield "SELECT COUNT(*) FROM bff_outbox_parked", ()
    keys = yield "SELECT scope, lease_until FROM bff_idempotency", ()
    streams = yield "SELECT name, lease_until FROM bff_lease", ()
    known = [Flow(row[0], row[1], row[2], msgspec.json.decode(bytes(row[3]))) for row in flows]
    waiting = int(orders[0][0]) + int(insight[0][0])
    return Books(known, list(effects), list(entries), waiting, int(parked[0][0]), [*keys, *streams])


class Found(NamedTuple):
    """`events` is what was published, in this order: (stream, order, type, id). `now` is milliseconds since 1970."""

    facts: dict[str, Any]
    books: Books
    events: list[tuple[str, str, str, str]]
    now: int


def problems(found: Found) -> list[str]:
    checks = (_orders, _taken, _sales_orders, _money, _features, _visits, _waiting, _flows, _events)
    return [said for check in checks for said in check(found)]


def differences(found: Found, whole: dict[str, Any]) -> list[str]:
    """Against a run in which nobody died, where the customer came back and went on."""
    said = [
        f"{name} {found.facts[name]} where nobody dies {whole['facts'][name]}"
        for name in found.facts
        if found.facts[name] != whole["facts"][name]
    ]
    told = first_told(found.events)
    return said + ([] if told == whole["told"] else [f"events {told} where nobody dies {whole['told']}"])


def first_told(events: list[tuple[str, str, str, str]]) -> dict[str, list[str]]:
    """By stream and order: ids in the order in which each came for the first time."""
    told: dict[str, list[str]] = defaultdict(list)
    for stream, order, _, id in events:
        if id not in told[f"{stream} {order}"]:
            told[f"{stream} {order}"].append(id)
    return dict(told)


def _orders(found: Found) -> Iterator[str]:
    """A customer who wanted one has one at most; what nobody has paid is over by now."""
    for kind in ("cars", "goods", "visits"):
        if len(found.facts[kind]) > 1:
            yield f"{kind}: {found.facts[kind]}"
    for car in found.facts["cars"]:
        if car["status"] == "DRAFT":
            yield f"nobody pays for {car}, and it is still there"
    for order in found.facts["goods"]:
        if order["payment"] == "UNPAID" and order["state"] != "CANCELLED":
            yield f"nobody pays for {order}, and it is still there"


def _taken(found: Found) -> Iterator[str]:
    """What is kept is kept for an order that stands."""
    kept: Counter[str] = Counter(car["trim"] for car in found.facts["cars"] if car["status"] != "CANCELLED")
    for order in found.facts["goods"]:
        if order["state"] != "CANCELLED":
            kept.update({product: count for product, count in order["lines"].items() if product.startswith("P")})
    if dict(kept) != found.facts["taken"]:
        yield f"taken {found.facts['taken']} for {dict(kept)}"


def _sales_orders(found: Found) -> Iterator[str]:
    for car in found.facts["cars"]:
        mine = [sales for sales in found.facts["salesOrders"] if sales["order"] == car["number"]]
        living = [sales["number"] for sales in mine if not sales["rejected"]]
        wanted = [] if car["status"] in ("DRAFT", "CANCELLED") else [car["salesOrder"]]
        if living != wanted or len(mine) > 1:
            yield f"sales orders {mine} of {car}"


def _money(found: Found) -> Iterator[str]:
    facts, orders = found.facts, {f.id: f.reference for f in found.books.flows if f.kind == "payment"}
    held: Counter[str] = Counter()
    for charge in facts["charges"]:
        if charge["payment"] not in orders:
            yield f"nobody remembers {charge}"
            continue
        if charge["open"] or charge["authorised"]:
            yield f"can still be paid, or is still held: {charge}"
        held[orders[charge["payment"]]] += charge["captured"] - charge["refunded"]
        signs = {"CAPTURE": 1, "REFUND": -1, "REVERSAL": 1}
        mine = [(kind, amount) for payment, kind, amount in found.books.entries if payment == charge["payment"]]
        entered = sum(signs[kind] * amount for kind, amount in mine)
        if entered != charge["captured"] - charge["refunded"]:
            yield f"entered {mine} of {charge}"
    books: Counter[str] = Counter()
    for payment in facts["books"]:
        books[payment["order"]] += payment["held"]
    for number, due in _due(facts).items():
        if not due[0] <= held[number] <= due[1] or held[number] != books[number]:
            yield f"{number} should hold {due}; with providers {held[number]}, in its books {books[number]}"
    for number in (held + books).keys() - _due(facts).keys():
        yield f"money for {number}, which is no order"


def _due(facts: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """What an order holds of its customer's money, from … to, as it stands."""
    due: dict[str, tuple[int, int]] = {
        car["number"]: (PAID_FOR_A_CAR[car["status"]], PAID_FOR_A_CAR[car["status"]]) for car in facts["cars"]
    }
    for order in facts["goods"]:
        total = order["total"]
        by_state = {"UNPAID": (0, 0), "PAID": (total, total), "PARTIALLY_REFUNDED": (1, total - 1), "REFUNDED": (0, 0)}
        due[order["number"]] = (0, 0) if order["state"] == "CANCELLED" else by_state[order["payment"]]
    return due


def _features(found: Found) -> Iterator[str]:
    for order in found.facts["goods"]:
        states = [f["state"] for f in found.facts["features"] if f["order"] == order["number"]]
        living = [state for state in states if state in LIVING_FEATURES]
        is_paid = order["state"] != "CANCELLED" and order["payment"] not in ("UNPAID", "REFUNDED")
        if living != (["ACTIVE"] * len(states) if is_paid else []):
            yield f"features {states} of {order}"


def _visits(found: Found) -> Iterator[str]:
    standing = [visit for visit in found.facts["visits"] if visit["state"] not in CANCELLED_VISITS]
    if sum(found.facts["slots"].values()) != len(standing):
        yield f"slots {found.facts['slots']} for {found.facts['visits']}"


def _waiting(found: Found) -> Iterator[str]:
    """Nothing is left but timers that are ahead; no lease blocks anybody; all events are told."""
    for flow, name, due, lease, error in found.books.effects:
        if not name.startswith("wake:") or due <= found.now or lease > found.now or error:
            yield f"{name} of {flow} waits: due in {due - found.now} ms, {error or 'no error'}"
    for name, lease in found.books.leases:
        if lease > found.now:
            yield f"lease {name} for {lease - found.now} ms"
    if found.books.events_waiting or found.books.orders_parked:
        yield f"{found.books.events_waiting} events wait, {found.books.orders_parked} orders are parked"


def _flows(found: Found) -> Iterator[str]:
    """Flows know what their systems know, and each order has one."""
    cars = {car["number"]: car for car in found.facts["cars"]}
    goods = {order["number"]: order for order in found.facts["goods"]}
    by_order: Counter[str] = Counter()
    for flow in found.books.flows:
        by_order[f"{flow.kind} {flow.reference}"] += flow.kind != "payment"
        if flow.kind == "vehicle-order" and flow.reference in cars:
            yield from _car_flow(flow, cars[flow.reference])
        elif flow.kind == "shop-order" and flow.reference in goods:
            is_cancelled = goods[flow.reference]["state"] == "CANCELLED"
            if (flow.state["phase"] == "CANCELLED") != is_cancelled:
                yield f"{flow.id} is {flow.state['phase']} for {goods[flow.reference]}"
        elif flow.kind == "payment" and flow.state["status"] in ("CREATED", "REQUIRES_ACTION", "PROCESSING"):
            yield f"payment {flow.id} is {flow.state['status']}"
    yield from (f"{count} flows for {order}" for order, count in by_order.items() if count > 1)


def _car_flow(flow: Flow, car: Mapping[str, Any]) -> Iterator[str]:
    seen, sales = flow.state["order"], flow.state["sales"]
    if seen is None or seen["status"] != car["status"]:
        yield f"{flow.id} sees {seen and seen['status']} of {car}"
    ends = {"DRAFT": ("NONE",), "CANCELLED": ("NONE", "GONE")}.get(car["status"], ("ATTACHED",))
    if sales["step"] not in ends:
        yield f"{flow.id} is {sales} for {car}"


def _events(found: Found) -> Iterator[str]:
    """What came about was told, what did not was not; twice only as the same event, an order's in their order."""
    told: dict[str, set[str]] = defaultdict(set)
    bodies: Counter[str] = Counter()
    for stream, order, type_, id in found.events:
        told[f"{stream} {type_}"].add(order)
        bodies[f"{stream} {id}"] += 1
    facts = found.facts
    orders = [(o["number"], o["status"]) for o in facts["cars"]] + [(o["number"], o["state"]) for o in facts["goods"]]
    known = {flow.reference for flow in found.books.flows}
    wanted = {
        "order.placed.v1": {number for number, _ in orders if number in known},
        "order.cancelled.v1": {number for number, state in orders if state == "CANCELLED" and number in known},
        "payment.succeeded.v1": _paid(found, "captured"),
        "payment.refunded.v1": _paid(found, "refunded"),
    }
    for type_, who in wanted.items():
        if told[f"/bff/orders {type_}"] != who:
            yield f"{type_} was told of {told[f'/bff/orders {type_}']}, is true of {who}"
    at = {"placed": 0, "succeeded": 1, "cancelled": 2, "refunded": 3}
    for key, ids in first_told(found.events).items():
        if key.startswith("/bff/orders"):
            steps = [at[word] for id in ids for word in at if word in id]
            if steps and steps[0] != 0 and any(number in key for number, _ in orders):
                yield f"{key} begins with {ids[0]}"


def _paid(found: Found, what: str) -> set[str]:
    orders = {flow.id: flow.reference for flow in found.books.flows if flow.kind == "payment"}
    return {
        orders[charge["payment"]] for charge in found.facts["charges"] if charge[what] and charge["payment"] in orders
    }
