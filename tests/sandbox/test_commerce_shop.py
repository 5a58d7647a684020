"""The shop as the sandbox answers it: catalogue, carts, merchandise orders, and what it enforces."""

from __future__ import annotations

import asyncio

import pytest

from adapters.commerce.cart import CommerceCarts
from adapters.commerce.catalogue import CommerceCatalogue
from bff.domain.base import Money, Outcome, PageArgs
from bff.domain.catalogue import EntitlementState, Product, ProductFilter, ProductKind
from bff.domain.commerce import (
    Address,
    Cart,
    CartState,
    FulfilmentState,
    MerchandiseOrder,
    OrderState,
    PaymentState,
)
from bff.errors import InvalidInput, NotFound
from sandbox.commerce.app import create
from sandbox.payment.app import create as create_payment
from sandbox.world import World
from tests.sandbox_payment import pay
from tests.support import entered_context, sandbox_upstream

pytestmark = pytest.mark.anyio
OWNER = "C0001"
CAR = "LDCA1AB57SB000001"
ADDRESS = Address(recipient="林晓", phone="+8613800000001", province="上海", city="上海", district="浦东", line="1 号")


@pytest.fixture
def catalogue(world: World) -> CommerceCatalogue:
    return CommerceCatalogue(sandbox_upstream(create(world)))


@pytest.fixture
def carts(world: World) -> CommerceCarts:
    return CommerceCarts(sandbox_upstream(create(world)))


def codes(outcome: Outcome[Cart] | Outcome[MerchandiseOrder]) -> list[str]:
    return [refusal.code for refusal in outcome.refusals]


async def cart_of(carts: CommerceCarts, customer_id: str) -> Cart:
    cart = (await carts.carts([customer_id]))[customer_id]
    assert isinstance(cart, Cart)
    return cart


async def order(carts: CommerceCarts, customer_id: str, key: str = "k") -> Outcome[MerchandiseOrder]:
    cart = await cart_of(carts, customer_id)
    return await carts.place_order(
        customer_id, cart_version=cart.version, address=ADDRESS, expected_total=cart.total, idempotency_key=key
    )


async def test_every_read_is_one_call_for_any_number_of_keys(
    world: World, catalogue: CommerceCatalogue, carts: CommerceCarts
) -> None:
    context = entered_context()
    await catalogue.products(list(world.products))
    await catalogue.entitlements([CAR, *list(world.vehicles)[:50]])
    await carts.carts(list(world.customers)[:80])
    await carts.orders(list(world.merchandise_orders))
    assert [record.operation for record in context.calls.records] == [
        "GetProducts",
        "GetEntitlements",
        "GetCarts",
        "GetMerchandiseOrders",
    ]


async def test_all_products_of_the_world_can_be_read(world: World, catalogue: CommerceCatalogue) -> None:
    found = await catalogue.products(list(world.products))
    assert set(found) == set(world.products)
    assert all(isinstance(product, Product) and product.kind is not ProductKind.UNKNOWN for product in found.values())
    assert {product.id for product in found.values() if isinstance(product, Product) and not product.on_sale} == {
        "P1105"
    }


@pytest.mark.parametrize(
    ("wanted", "some", "none"),
    [
        (ProductFilter(search="咖啡"), "P1001", "P2001"),
        (ProductFilter(search="CUP aster"), "P1001", "P1003"),
        (ProductFilter(category_id="lifestyle"), "P1001", "P2001"),
        (ProductFilter(kind=ProductKind.FEATURE), "F4001", "P1001"),
        (ProductFilter(brand="ASTER", category_id="drinkware"), "P1001", "P1003"),
        (ProductFilter(category_id="apparel"), "P1101", "P1105"),
    ],
)
async def test_search_finds_what_is_on_sale_in_both_languages(
    catalogue: CommerceCatalogue, wanted: ProductFilter, some: str, none: str
) -> None:
    ids = [product.id for product in (await catalogue.search(wanted, PageArgs(first=100))).items]
    assert some in ids
    assert none not in ids


async def test_pages_forward_and_backward_meet(catalogue: CommerceCatalogue) -> None:
    everything = (await catalogue.search(ProductFilter(), PageArgs(first=100))).items
    forward: list[str] = []
    after: str | None = None
    while True:
        page = await catalogue.search(ProductFilter(), PageArgs(first=7, after=after))
        forward += [product.id for product in page.items]
        if not page.has_next:
            break
        after = page.cursors[-1]
    backward: list[str] = []
    before: str | None = None
    while True:
        page = await catalogue.search(ProductFilter(), PageArgs(last=7, before=before))
        backward = [product.id for product in page.items] + backward
        if not page.has_previous:
            break
        before = page.cursors[0]
    assert forward == backward == [product.id for product in everything]


async def test_cursor_of_nobody_is_bad_input(catalogue: CommerceCatalogue) -> None:
    with pytest.raises(InvalidInput):
        await catalogue.search(ProductFilter(), PageArgs(first=7, after="nonsense!"))


async def test_customer_without_a_cart_has_an_empty_one(carts: CommerceCarts) -> None:
    found = await carts.carts(["C0191", "C9999"])
    cart = found["C0191"]
    assert isinstance(cart, Cart)
    assert (cart.version, cart.lines, cart.total, cart.state) == (0, [], Money(amount_minor=0), CartState.ACTIVE)
    assert "C9999" not in found


async def test_cart_grows_under_its_version(carts: CommerceCarts) -> None:
    first = await carts.add_line("C0191", "P1001", 1, vin=None, version=0)
    second = await carts.add_line("C0191", "P1001", 1, vin=None, version=1)
    assert first.entity is not None
    assert second.entity is not None
    assert (second.entity.version, second.entity.lines[0].quantity) == (2, 2)
    assert (second.entity.total, second.entity.shipping) == (Money(amount_minor=13800), Money(amount_minor=0))
    emptied = await carts.set_quantity("C0191", second.entity.lines[0].id, 0, version=2)
    assert emptied.entity is not None
    assert (emptied.entity.lines, emptied.entity.version) == ([], 3)
    assert (await cart_of(carts, "C0191")).version == 3


async def test_of_two_devices_with_one_version_one_wins(carts: CommerceCarts) -> None:
    outcomes = await asyncio.gather(
        *(carts.add_line(OWNER, product, 1, vin=None, version=7) for product in ("P1001", "P1002"))
    )
    assert sorted(codes(outcome) for outcome in outcomes) == [[], ["CART_VERSION_CONFLICT"]]
    assert (await cart_of(carts, OWNER)).version == 8


@pytest.mark.parametrize(
    ("product", "quantity", "vin", "code"),
    [
        ("P9999", 1, None, "PRODUCT_NOT_FOUND"),
        ("P1105", 1, None, "NOT_ON_SALE"),
        ("P1001", 0, None, "QUANTITY_INVALID"),
        ("P1001", 98, None, "QUANTITY_INVALID"),
        ("F4008", 2, CAR, "QUANTITY_INVALID"),
        ("F4008", 1, None, "VEHICLE_REQUIRED"),
        ("F4008", 1, "LDCA2BC75SB000002", "VEHICLE_REQUIRED"),
        ("F4003", 1, CAR, "HARDWARE_MISSING"),
        ("F4011", 1, CAR, "SOFTWARE_TOO_OLD"),
        ("F4007", 1, CAR, "ALREADY_ENTITLED"),
    ],
)
async def test_cart_takes_only_what_can_be_used(
    world: World, carts: CommerceCarts, product: str, quantity: int, vin: str | None, code: str
) -> None:
    world.vehicles[CAR].hardware = frozenset({"H-AMP", "H-TBOX5G", "H-SENTRY"})
    outcome = await carts.add_line(OWNER, product, quantity, vin=vin, version=None)
    assert codes(outcome) == [code]
    assert (await cart_of(carts, OWNER)).version == 7


async def test_line_that_is_not_there_cannot_be_changed(carts: CommerceCarts) -> None:
    assert codes(await carts.set_quantity(OWNER, "CA00002-1", 1, version=None)) == ["LINE_NOT_FOUND"]
    with pytest.raises(NotFound):
        await carts.set_quantity("C9999", "CA00002-1", 1, version=None)


async def test_order_takes_stock_here_and_in_the_erp(world: World, carts: CommerceCarts) -> None:
    stock, kept = world.products["P1001"].stock, world.material_stock["P1001/DC10"].available
    outcome = await order(carts, OWNER)
    assert outcome.entity is not None
    placed = outcome.entity
    assert placed.total == Money(amount_minor=219100)
    assert (placed.order_state, placed.payment_state) == (OrderState.CREATED, PaymentState.UNPAID)
    assert placed.fulfilment_state is FulfilmentState.NONE
    assert stock is not None
    assert world.products["P1001"].stock == stock - 2
    assert world.material_stock["P1001/DC10"].available == kept - 2
    assert (await cart_of(carts, OWNER)).version == 0
    newest = await carts.orders_of(OWNER, PageArgs(first=1))
    assert [found.number for found in newest.items] == [placed.number]


async def test_same_key_orders_once(world: World, carts: CommerceCarts) -> None:
    cart = await cart_of(carts, OWNER)

    async def once(total: Money) -> Outcome[MerchandiseOrder]:
        return await carts.place_order(
            OWNER, cart_version=cart.version, address=ADDRESS, expected_total=total, idempotency_key="same"
        )

    first, again = await asyncio.gather(once(cart.total), once(cart.total))
    assert first == again
    assert len(world.merchandise_orders) == 65
    with pytest.raises(InvalidInput):
        await once(Money(amount_minor=1))


async def test_changed_price_is_told_and_nothing_is_ordered(world: World, carts: CommerceCarts) -> None:
    cart = await cart_of(carts, OWNER)
    world.products["P1001"].price_fen += 100
    outcome = await carts.place_order(
        OWNER, cart_version=7, address=ADDRESS, expected_total=cart.total, idempotency_key="k"
    )
    assert codes(outcome) == ["PRICE_CHANGED"]
    assert "219300" in outcome.refusals[0].message
    changed = await cart_of(carts, OWNER)
    assert (changed.lines[0].unit_price, changed.lines[0].added_price) == (
        Money(amount_minor=7000),
        Money(amount_minor=6900),
    )


async def test_every_line_short_of_stock_is_told(world: World, carts: CommerceCarts) -> None:
    world.products["P1001"].stock = 1
    world.products["P2001"].stock = 0
    outcome = await order(carts, OWNER)
    assert codes(outcome) == ["OUT_OF_STOCK", "OUT_OF_STOCK"]
    assert world.products["P1001"].stock == 1


async def test_last_piece_goes_to_one_buyer(world: World, carts: CommerceCarts) -> None:
    world.products["P1402"].stock = 1
    buyers = [f"C{number:04d}" for number in range(191, 199)]
    for buyer in buyers:
        await carts.add_line(buyer, "P1402", 1, vin=None, version=None)
    outcomes = await asyncio.gather(*(order(carts, buyer, key=buyer) for buyer in buyers))
    assert sorted(codes(outcome) for outcome in outcomes) == [[]] + [["OUT_OF_STOCK"]] * 7
    assert world.products["P1402"].stock == 0


async def test_order_is_checked_again_when_it_is_placed(world: World, carts: CommerceCarts) -> None:
    cart = await cart_of(carts, OWNER)

    async def attempt(key: str, address: Address | None = ADDRESS, version: int = 7) -> list[str]:
        return codes(
            await carts.place_order(
                OWNER, cart_version=version, address=address, expected_total=cart.total, idempotency_key=key
            )
        )

    assert await attempt("a", version=6) == ["CART_VERSION_CONFLICT"]
    assert await attempt("b", address=None) == ["ADDRESS_REQUIRED"]
    world.products["V5006"].on_sale = False
    assert await attempt("c") == ["NOT_ON_SALE"]
    world.products["V5006"].on_sale = True
    world.vehicles[CAR].hardware -= {"H-SEAT-HEAT"}
    assert await attempt("d") == ["HARDWARE_MISSING"]
    assert codes(await order(carts, "C0191")) == ["CART_EMPTY"]


async def test_paid_feature_is_on_the_car(world: World, carts: CommerceCarts, catalogue: CommerceCatalogue) -> None:
    placed = (await order(carts, OWNER)).entity
    assert placed is not None
    states = await features(catalogue)
    assert states["F4001"] is EntitlementState.PENDING_PAYMENT
    await pay(create_payment(world), OWNER, placed.number, "MERCHANDISE", placed.total)
    paid = (await carts.orders([placed.number]))[placed.number]
    assert isinstance(paid, MerchandiseOrder)
    assert (paid.order_state, paid.payment_state) == (OrderState.CONFIRMED, PaymentState.PAID)
    assert paid.fulfilment_state is FulfilmentState.PENDING
    assert (await features(catalogue))["F4001"] is EntitlementState.ACTIVE
    refused = await carts.add_line(OWNER, "F4001", 1, vin=CAR, version=None)
    assert codes(refused) == ["ALREADY_ENTITLED"]


async def features(catalogue: CommerceCatalogue) -> dict[str, EntitlementState]:
    found = (await catalogue.entitlements([CAR]))[CAR]
    assert isinstance(found, list)
    return {entitlement.product_id: entitlement.state for entitlement in found}


async def test_cancelled_order_gives_money_and_goods_back(world: World, carts: CommerceCarts) -> None:
    stock = world.products["P1401"].stock
    await carts.add_line("C0191", "P1401", 2, vin=None, version=None)
    placed = (await order(carts, "C0191")).entity
    assert placed is not None
    await pay(create_payment(world), "C0191", placed.number, "MERCHANDISE", placed.total)
    outcome = await carts.cancel_order(placed.number, reason="不想要了", idempotency_key="c")
    assert outcome.entity is not None
    assert outcome.entity.order_state is OrderState.CANCELLED
    assert outcome.entity.payment_state is PaymentState.REFUNDED
    assert world.products["P1401"].stock == stock
    assert codes(await carts.cancel_order(placed.number, reason=None, idempotency_key="d")) == ["NOT_CANCELLABLE"]


async def test_shipped_order_cannot_be_cancelled(carts: CommerceCarts) -> None:
    outcome = await carts.cancel_order("MO500007", reason=None, idempotency_key="c")
    assert codes(outcome) == ["NOT_CANCELLABLE"]
    with pytest.raises(NotFound):
        await carts.cancel_order("MO000000", reason=None, idempotency_key="d")
