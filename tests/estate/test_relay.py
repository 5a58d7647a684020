"""Relay's server specification over the whole house: ids that can be fetched again, and pages that fit together."""

from __future__ import annotations

from typing import Any

import pytest

from resolvers.relay import REFETCH, split_id
from tests.estate.house import House

pytestmark = pytest.mark.anyio

EVERYTHING = """{
  viewer { customer { id
    garage { vehicle { id serviceBookings { items { id } } serviceHistory(first: 1) { edges { node { id } } }
                       model { id trims { id } } } }
    pointsLedger(first: 1) { edges { node { id } } }
    vehicleOrders(first: 1) { edges { node { id payments { id } } } }
    merchandiseOrders(first: 1) { edges { node { id } } }
    testDrives { id } } }
  products(first: 1) { edges { node { id } } }
  communityFeed(first: 1) { edges { node { id } } }
  serviceCentres(region: "EAST") { id }
  configuration(shareCode: "A7Q2FAM1") { id }
}"""


def _ids(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["id"]} if "id" in value else set()
        return own.union(*map(_ids, value.values()))
    return set().union(*map(_ids, value)) if isinstance(value, list) else set()


async def test_every_kind_of_id_is_fetched_again(house: House) -> None:
    ids = _ids((await house.ask(EVERYTHING)).data)
    kinds = {parts[0]: text for text in ids if (parts := split_id(text))}
    missing = REFETCH.keys() - kinds.keys() - {"TestDrive"}  # the owner has driven no test car
    assert missing == set()
    for kind, text in kinds.items():
        again = await house.ask("query($id: ID!) { node(id: $id) { id __typename } }", {"id": text})
        assert again.errors == []
        assert again.data["node"] == {"id": text, "__typename": kind}


async def test_nodes_answers_in_the_order_asked(house: House) -> None:
    ids = sorted(_ids((await house.ask("{ products(first: 5) { edges { node { id } } } }")).data), reverse=True)
    answer = await house.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": [*ids, "nothing"]})
    assert answer.data["nodes"] == [*({"id": text} for text in ids), None]
    assert answer.count() == {"commerce GetProducts": 1}


@pytest.mark.parametrize("field", ["products", "communityFeed"])
async def test_pages_forward_and_backward_meet(house: House, field: str) -> None:
    query = (
        f"query($first: Int, $after: String, $last: Int, $before: String) {{ {field}(first: $first, after: $after,"
        " last: $last, before: $before) { edges { cursor node { id } }"
        " pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }"
    )
    first = (await house.ask(query, {"first": 3})).data[field]
    assert first["pageInfo"]["hasNextPage"]
    assert not first["pageInfo"]["hasPreviousPage"]
    second = (await house.ask(query, {"first": 3, "after": first["pageInfo"]["endCursor"]})).data[field]
    back = (await house.ask(query, {"last": 3, "before": second["pageInfo"]["startCursor"]})).data[field]
    assert back["edges"] == first["edges"]
    assert not {edge["cursor"] for edge in first["edges"]} & {edge["cursor"] for edge in second["edges"]}


@pytest.mark.parametrize(
    "path",
    [
        "products",
        "communityFeed",
        "viewer.customer.vehicleOrders",
        "viewer.customer.merchandiseOrders",
        "viewer.customer.pointsLedger",
    ],
)
async def test_page_of_nothing_says_what_there_is(house: House, path: str) -> None:
    """`first: 0` is a page (Relay Cursor Connections, section 4): how many there are, and on which side."""
    *above, field = path.split(".")
    nothing = "{ edges { cursor } totalCount pageInfo { hasNextPage hasPreviousPage startCursor } }"
    fields = f"first: {field}(first: 0) {nothing} last: {field}(last: 0) {nothing} all: {field}(first: 100) {nothing}"
    answer = await house.ask(" ".join(["{", *(f"{name} {{" for name in above), fields, "}" * (len(above) + 1)]))
    assert answer.errors == []
    data = answer.data
    for name in above:
        data = data[name]
    there = bool(data["all"]["edges"])
    for name, sides in (("first", (there, False)), ("last", (False, there))):
        info = {"hasNextPage": sides[0], "hasPreviousPage": sides[1], "startCursor": None}
        assert data[name] == {"edges": [], "totalCount": data["all"]["totalCount"], "pageInfo": info}


async def test_workshop_history_pages_by_stable_cursors(house: House) -> None:
    vin = next(vin for vin, visits in _by_vin(house).items() if visits >= 3)
    owner = house.world.owner_of(vin)
    assert owner is not None
    query = (
        "query($vin: String!, $after: String) { vehicle(vin: $vin) { serviceHistory(first: 2, after: $after) {"
        " edges { cursor node { number openedAt } } pageInfo { hasNextPage endCursor } totalCount } } }"
    )
    first = (await house.ask(query, {"vin": vin}, persona=owner.id)).data["vehicle"]["serviceHistory"]
    after = first["pageInfo"]["endCursor"]
    second = (await house.ask(query, {"vin": vin, "after": after}, persona=owner.id)).data["vehicle"]["serviceHistory"]
    seen = [edge["node"]["number"] for edge in first["edges"] + second["edges"]]
    assert len(seen) == len(set(seen))
    assert first["edges"][0]["node"]["openedAt"] >= first["edges"][1]["node"]["openedAt"]


def _by_vin(house: House) -> dict[str, int]:
    counted: dict[str, int] = {}
    for order in house.world.repair_orders.values():
        counted[order.vin] = counted.get(order.vin, 0) + 1
    return counted
