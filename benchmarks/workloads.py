"""What is asked of every gateway, what the services behind it hold, and what the right answer is.

All data is made up, and the same in every run.
"""

from __future__ import annotations

from random import Random
from typing import Any

QUERIES = {
    "aggregate": (
        "{ me { id name vehicles { vin model order { id status milestones { code at } }"
        " nextService { at center { id name } } } }"
        " cart { lines { sku title qty price { amount currency } } total { amount currency } } }"
    ),
    "posts": "{ posts { id title user { id name email } } }",
    "greet": "{ greet }",
}

CALLS = {"aggregate": 5, "posts": 2, "greet": 0}
ROUNDS = {"aggregate": 3, "posts": 2, "greet": 0}
"""Upstream calls, and calls that had to wait for each other, of the best way to answer."""

VEHICLES = 10
POSTS, USERS = 100, 10
STAGES = ("ORDERED", "CONFIRMED", "PLANNED", "IN_BODY", "IN_PAINT", "IN_ASSEMBLY", "IN_TRANSIT", "HANDED_OVER")
_SYLLABLES = ("al", "ber", "cor", "den", "el", "fen", "gar", "hol", "in", "jor", "kal", "lun", "mar", "nor", "os")

Row = dict[str, Any]


class World:
    """The rows of the five services, by table."""

    def __init__(self) -> None:
        self._random = Random(7)  # the same world each time
        self.users = [self._user(number) for number in range(1, USERS + 1)]
        self.posts = [
            {"userId": number % USERS + 1, "id": number, "title": self._words(6), "body": self._words(24)}
            for number in range(1, POSTS + 1)
        ]
        vins = [f"LDCB1AB5{number}SB{number:06d}" for number in range(VEHICLES)]
        self.vehicles = [self._vehicle(vin) for vin in vins]
        self.me = {
            "id": "cust-42", "name": self._name(), "email": "owner@example.test", "phone": "555-0142", "tier": "GOLD",
            "vehicles": self.vehicles,
        }  # fmt: skip
        self.orders = [self._order(number, vin) for number, vin in enumerate(vins)]
        self.services = [self._service(number, vin) for number, vin in enumerate(vins)]
        self.centers = [self._center(number) for number in range(6)]
        self.cart = self._cart()

    def _words(self, count: int) -> str:
        return " ".join("".join(self._random.choices(_SYLLABLES, k=2)) for _ in range(count))

    def _name(self) -> str:
        return self._words(2).title()

    def _user(self, number: int) -> Row:
        return {
            "id": number, "name": self._name(), "username": self._words(1), "email": f"user{number}@example.test",
            "phone": f"555-01{number:02d}", "website": f"{self._words(1)}.example.test",
            "address": {"street": self._words(2), "city": self._name(), "geo": {"lat": "31.2", "lng": "121.5"}},
            "company": {"name": self._name(), "slogan": self._words(5)},
        }  # fmt: skip

    def _vehicle(self, vin: str) -> Row:
        return {"vin": vin, "model": self._name(), "year": 2024, "colour": "BLUE", "plate": "A-1042", "fuel": "BEV"}

    def _order(self, number: int, vin: str) -> Row:
        stages = [
            {"code": code, "at": f"2026-0{month + 1}-11T09:30:00Z", "place": self._words(1), "note": self._words(3)}
            for month, code in enumerate(STAGES)
        ]
        return {
            "vin": vin, "id": f"O{1000 + number}", "status": "DELIVERED", "createdAt": "2026-01-02T08:00:00Z",
            "dealer": f"D{number}", "priceMinor": 21_990_000 + number, "milestones": stages,
        }  # fmt: skip

    def _service(self, number: int, vin: str) -> Row:
        return {
            "vin": vin, "id": f"S{number}", "at": f"2026-11-{number + 10}T07:15:00Z", "kind": "INSPECTION",
            "centerId": f"C{number % 4}", "estimateMinor": 120_000,
        }  # fmt: skip

    def _center(self, number: int) -> Row:
        return {"id": f"C{number}", "name": self._name(), "street": self._words(2), "city": self._name(), "lat": 31.2}

    def _cart(self) -> Row:
        lines = [
            {
                "sku": f"P-{number}", "title": self._words(3), "qty": number, "image": f"/i/{number}.webp",
                "price": {"amount": 19.5 * number, "currency": "CNY"},
            }
            for number in range(1, 6)
        ]  # fmt: skip
        total = sum(19.5 * number * number for number in range(1, 6))
        return {"id": "cart-7", "lines": lines, "total": {"amount": total, "currency": "CNY"}}


def pick(row: Row, *names: str) -> Row:
    return {name: row[name] for name in names}


def expected(world: World) -> dict[str, Any]:
    """`data` of each workload's answer."""
    users = {row["id"]: row for row in world.users}
    orders = {row["vin"]: row for row in world.orders}
    services = {row["vin"]: row for row in world.services}
    centers = {row["id"]: row for row in world.centers}

    def vehicle(row: Row) -> Row:
        order, service = orders[row["vin"]], services[row["vin"]]
        milestones = [pick(stage, "code", "at") for stage in order["milestones"]]
        return {
            **pick(row, "vin", "model"),
            "order": {**pick(order, "id", "status"), "milestones": milestones},
            "nextService": {"at": service["at"], "center": pick(centers[service["centerId"]], "id", "name")},
        }

    return {
        "posts": {
            "posts": [
                {**pick(post, "id", "title"), "user": pick(users[post["userId"]], "id", "name", "email")}
                for post in world.posts
            ]
        },
        "aggregate": {
            "me": {**pick(world.me, "id", "name"), "vehicles": [vehicle(row) for row in world.vehicles]},
            "cart": {
                "lines": [pick(line, "sku", "title", "qty", "price") for line in world.cart["lines"]],
                "total": world.cart["total"],
            },
        },
        "greet": {"greet": "Hello World!"},
    }
