"""In-process cost of executing an operation, upstreams stubbed: `python -m benchmarks.execution --curves`.

Two workloads, each as Strawberry documents it (resolvers and data loaders, `schema.execute`), with Strawberry's
parser and validation caches, by `execution_context_class` alone, and as a compiled plan over batch fields. Variants
take turns within a round; the ratio is the median over rounds. Every variant's answer is compared before anything is
timed.
"""

import argparse
import asyncio
import gc
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import strawberry
from aiodataloader import DataLoader
from graphql import parse, validate
from strawberry.extensions import ParserCache, ValidationCache

from bff.execution import CompiledExecutor, Plan, Plans
from bff.execution.plans import find_operation
from resolvers.fields import batch_field, batch_load

AGGREGATE = """{ me { id name vehicles { vin model order { id status milestones { code at } } nextService { at
  center { id name } } } } cart { lines { sku title qty price { amount currency } } total { amount currency } } }"""
POSTS = "{ posts { id title user { id name email } } }"
WORKLOADS = {"aggregate": AGGREGATE, "posts": POSTS}


class Milestone(msgspec.Struct, frozen=True):
    code: str
    at: str


class Order(msgspec.Struct, frozen=True):
    id: str
    status: str
    milestones: list[Milestone]


class Center(msgspec.Struct, frozen=True):
    id: str
    name: str
    city: str


class Visit(msgspec.Struct, frozen=True):
    id: str
    at: str
    center_id: str


class Vehicle(msgspec.Struct, frozen=True):
    vin: str
    model: str


class Customer(msgspec.Struct, frozen=True):
    id: str
    name: str
    vehicles: list[Vehicle]


class Amount(msgspec.Struct, frozen=True):
    amount: float
    currency: str


class Line(msgspec.Struct, frozen=True):
    sku: str
    title: str
    qty: int
    price: Amount


class Cart(msgspec.Struct, frozen=True):
    id: str
    lines: list[Line]
    total: Amount


class User(msgspec.Struct, frozen=True):
    id: int
    name: str
    email: str


class Post(msgspec.Struct, frozen=True):
    id: int
    user_id: int
    title: str


class Upstream:
    """Answers from memory after one turn of the loop; values are built anew for each call, as from a reply."""

    def __init__(self, posts: int = 100, vehicles: int = 10) -> None:
        self.posts_count = posts
        self.vehicles_count = vehicles

    async def customer(self) -> Customer:
        await asyncio.sleep(0)
        return Customer("C1", "Lin", [Vehicle(f"VIN{n}", "Aurora") for n in range(self.vehicles_count)])

    async def cart(self) -> Cart:
        await asyncio.sleep(0)
        lines = [Line(f"sku{n}", f"Cup {n}", n, Amount(n * 10.5, "CNY")) for n in range(6)]
        return Cart("K1", lines, Amount(99.5, "CNY"))

    async def orders(self, vins: Any) -> dict[str, Order]:
        await asyncio.sleep(0)
        steps = ("ORDERED", "BUILT", "SHIPPED", "DELIVERED")
        return {vin: Order(f"O{vin}", "SHIPPED", [Milestone(step, "2026-01-01") for step in steps]) for vin in vins}

    async def visits(self, vins: Any) -> dict[str, Visit]:
        await asyncio.sleep(0)
        return {vin: Visit(f"V{vin}", "2026-05-01", f"S{int(vin[3:]) % 4}") for vin in vins}

    async def centers(self, ids: Any) -> dict[str, Center]:
        await asyncio.sleep(0)
        return {each: Center(each, f"Center {each}", "Shanghai") for each in ids}

    async def posts(self) -> list[Post]:
        await asyncio.sleep(0)
        return [Post(n, n % 10, f"Post {n}") for n in range(self.posts_count)]

    async def users(self, ids: Any) -> dict[int, User]:
        await asyncio.sleep(0)
        return {each: User(each, f"User {each}", f"u{each}@example.com") for each in ids}


class Context:
    """What both kinds of resolvers need of a request."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.loads: dict[Any, Any] = {}
        self.deadline = time.monotonic() + 10

    def loader(self, name: str) -> "DataLoader[Any, Any]":
        if name not in self.loads:
            ask = getattr(self.upstream, name)

            async def load(keys: list[Any]) -> list[Any]:
                found = await ask(keys)
                return [found.get(key) for key in keys]

            self.loads[name] = DataLoader(load)
        return self.loads[name]  # type: ignore[no-any-return]  # a loader was just put there


@batch_load
async def orders(context: Any, keys: Any) -> Any:
    return await context.upstream.orders(keys)


@batch_load
async def visits(context: Any, keys: Any) -> Any:
    return await context.upstream.visits(keys)


@batch_load
async def centers(context: Any, keys: Any) -> Any:
    return await context.upstream.centers(keys)


@batch_load
async def users(context: Any, keys: Any) -> Any:
    return await context.upstream.users(keys)


def build_types(*, batch: bool) -> type:
    """The same GraphQL types twice: crossing fields as data loaders, or as batch fields."""

    def crossing(load: Any, key: str, name: str) -> Any:
        if batch:
            return batch_field(load, key=key, description="Crosses to another upstream.")

        async def resolve(root: Any, info: strawberry.Info) -> Any:
            return await info.context.loader(load.name).load(getattr(root, key))

        resolve.__name__ = name
        return strawberry.field(resolver=resolve)

    @strawberry.type(name="Milestone")
    class MilestoneType:
        code: str
        at: str

    @strawberry.type(name="Order")
    class OrderType:
        id: strawberry.ID
        status: str
        milestones: list[MilestoneType]

    @strawberry.type(name="Center")
    class CenterType:
        id: strawberry.ID
        name: str
        city: str

    @strawberry.type(name="Visit")
    class VisitType:
        id: strawberry.ID
        at: str
        center: CenterType | None = crossing(centers, "center_id", "center")

    @strawberry.type(name="Vehicle")
    class VehicleType:
        vin: strawberry.ID
        model: str
        order: OrderType | None = crossing(orders, "vin", "order")
        next_service: VisitType | None = crossing(visits, "vin", "next_service")

    @strawberry.type(name="Customer")
    class CustomerType:
        id: strawberry.ID
        name: str
        vehicles: list[VehicleType]

    @strawberry.type(name="Amount")
    class AmountType:
        amount: float
        currency: str

    @strawberry.type(name="Line")
    class LineType:
        sku: str
        title: str
        qty: int
        price: AmountType

    @strawberry.type(name="Cart")
    class CartType:
        id: strawberry.ID
        lines: list[LineType]
        total: AmountType

    @strawberry.type(name="User")
    class UserType:
        id: int
        name: str
        email: str

    @strawberry.type(name="Post")
    class PostType:
        id: int
        title: str
        user: UserType | None = crossing(users, "user_id", "user")

    async def me(info: strawberry.Info) -> Any:
        return await info.context.upstream.customer()

    async def cart(info: strawberry.Info) -> Any:
        return await info.context.upstream.cart()

    async def posts(info: strawberry.Info) -> Any:
        return await info.context.upstream.posts()

    namespace = {
        "me": strawberry.field(resolver=me, graphql_type=CustomerType),
        "cart": strawberry.field(resolver=cart, graphql_type=CartType),
        "posts": strawberry.field(resolver=posts, graphql_type=list[PostType]),
        "__annotations__": {},
    }
    return strawberry.type(type("Query", (), namespace))


Runner = Callable[[str, Upstream], Awaitable[Any]]


def variants() -> dict[str, Runner]:
    loaders, batches = build_types(batch=False), build_types(batch=True)
    parser, validation = ParserCache(maxsize=100), ValidationCache(maxsize=100)
    plain = strawberry.Schema(loaders)
    cached = strawberry.Schema(loaders, extensions=[lambda: parser, lambda: validation])
    seam = strawberry.Schema(
        loaders, extensions=[lambda: parser, lambda: validation], execution_context_class=CompiledExecutor
    )

    def by_schema(schema: strawberry.Schema) -> Runner:
        async def run(text: str, upstream: Upstream) -> Any:
            result = await schema.execute(text, context_value=Context(upstream))
            assert not result.errors, result.errors
            return result.data

        return run

    def by_plan(plans: Plans) -> Runner:
        async def run(text: str, upstream: Upstream) -> Any:
            result: Any = await plans.plan(text).run(Context(upstream))
            assert not result.errors, result.errors
            return result.data

        return run

    batch_plans = Plans(strawberry.Schema(batches))

    async def as_json(text: str, upstream: Upstream) -> Any:
        return await batch_plans.plan(text).run_json(Context(upstream))

    return {
        "schema.execute": by_schema(plain),
        "+ parser and validation caches": by_schema(cached),
        "+ execution_context_class": by_schema(seam),
        "plan, data loaders unchanged": by_plan(Plans(strawberry.Schema(loaders))),
        "plan, batch fields": by_plan(batch_plans),
        "plan, batch fields, JSON bytes": as_json,
    }


async def measure(run: Runner, text: str, upstream: Upstream, times: int) -> float:
    """CPU microseconds a request."""
    began = time.process_time()
    for _ in range(times):
        await run(text, upstream)
    return (time.process_time() - began) / times * 1e6


async def table(rounds: int, times: int) -> None:
    runners = variants()
    for workload, text in WORKLOADS.items():
        upstream = Upstream()
        expected = await runners["schema.execute"](text, upstream)
        for name, run in runners.items():
            answer = await run(text, upstream)
            answer = json.loads(answer)["data"] if isinstance(answer, bytes) else answer
            assert answer == expected, name
            await measure(run, text, upstream, 10)
        taken: dict[str, list[float]] = {name: [] for name in runners}
        for _ in range(rounds):
            for name, run in runners.items():
                taken[name].append(await measure(run, text, upstream, times if "plan" in name else max(5, times // 10)))
        base = taken["schema.execute"]
        print(f"\n| {workload} | µs | × |\n| --- | --- | --- |")
        for name, values in taken.items():
            ratio = statistics.median(one / other for one, other in zip(base, values, strict=True))
            print(f"| {name} | {statistics.median(values):.0f} | {ratio:.1f} |")


async def curves() -> None:
    """Cost against size: a straight line has a constant last column."""
    plans = Plans(strawberry.Schema(build_types(batch=True)))

    async def run(text: str, upstream: Upstream) -> Any:
        return await plans.plan(text).run(Context(upstream))

    print("\n| keys in a level | µs | µs a key |\n| --- | --- | --- |")
    for size in (10, 100, 1000, 10000):
        taken = min([await measure(run, POSTS, Upstream(posts=size), max(3, 20000 // size)) for _ in range(5)])
        print(f"| {size} | {taken:.0f} | {taken / size:.3f} |")
    print("\n| leaves of an object | µs | µs a leaf |\n| --- | --- | --- |")
    for size in (1, 10, 100, 1000):
        text = "{ posts { " + " ".join(f"a{n}: title" for n in range(size)) + " } }"
        taken = min([await measure(run, text, Upstream(posts=10), max(3, 2000 // size)) for _ in range(5)])
        print(f"| {size} | {taken:.0f} | {taken / size / 10:.3f} |")
    nested = strawberry.Schema(NodeQuery)
    print("\n| depth | µs | µs a level | compile µs | compile µs a level |\n| --- | --- | --- | --- | --- |")
    for depth in (1, 10, 50, 100):
        text = "{ node " + "{ value node " * depth + "{ value }" + " }" * depth + " }"
        document = parse(text)
        plan = Plan(nested._schema, document, find_operation(document, None))
        root = Nested("x", None)
        for _ in range(depth + 1):
            root = Nested("x", root)

        async def one(_: str, __: Upstream, plan: Plan = plan, root: Any = root) -> Any:
            return await plan.run(Context(Upstream()), None, root)

        taken = min([await measure(one, text, Upstream(), 500) for _ in range(5)])
        compiled = compile_time(nested, text)[2]
        print(f"| {depth} | {taken:.1f} | {taken / depth:.2f} | {compiled:.0f} | {compiled / depth:.0f} |")


class Nested(msgspec.Struct):
    value: str
    node: "Nested | None"


@strawberry.type(name="Node")
class NodeType:
    value: str
    node: "NodeType | None"


@strawberry.type(name="Query")
class NodeQuery:
    node: NodeType | None


def compile_time(schema: strawberry.Schema, text: str) -> tuple[float, float, float]:
    """Microseconds to parse, to validate and to compile."""

    def timed(work: Callable[[], Any]) -> float:
        best = float("inf")
        for _ in range(10):
            began = time.perf_counter()
            work()
            best = min(best, time.perf_counter() - began)
        return best * 1e6

    document = parse(text)
    return (
        timed(lambda: parse(text)),
        timed(lambda: validate(schema._schema, document)),
        timed(lambda: Plan(schema._schema, document, find_operation(document, None))),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--curves", action="store_true")
    parser.add_argument("--loop", default="uvloop", choices=("uvloop", "asyncio"))
    arguments = parser.parse_args()
    gc.collect()
    gc.freeze()

    async def work() -> None:
        await table(arguments.rounds, arguments.times)
        if arguments.curves:
            await curves()
        print("\n| workload | parse µs | validate µs | compile µs |\n| --- | --- | --- | --- |")
        schema = strawberry.Schema(build_types(batch=True))
        for workload, text in WORKLOADS.items():
            print(f"| {workload} | {' | '.join(f'{each:.0f}' for each in compile_time(schema, text))} |")

    if arguments.loop == "uvloop":
        import uvloop

        uvloop.run(work())
    else:
        asyncio.run(work())


if __name__ == "__main__":
    main()
