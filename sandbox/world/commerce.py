"""Carts, orders of the shop, payments of every kind and refunds."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from .entities import (
    Cart,
    CartLine,
    CartState,
    FulfilmentState,
    MerchandiseOrder,
    MerchandiseOrderState,
    OrderLine,
    PaymentIntent,
    PaymentProvider,
    PaymentPurpose,
    PaymentScene,
    PaymentState,
    PaymentStatus,
    Refund,
    RefundStatus,
)
from .people import MERGED, OWNER
from .rng import ago, hexadecimal, stream
from .world import World

OWNER_CART = "CA00001"
FREE_SHIPPING_FROM_FEN = 9_900
SHIPPING_FEN = 1_200

_CART_STATES: tuple[CartState, ...] = ("ACTIVE", "ACTIVE", "FROZEN", "ORDERED", "MERGED")
# order, payment, fulfilment, payment intent and refund states that go together
_ORDER_STATES: tuple[
    tuple[MerchandiseOrderState, PaymentState, FulfilmentState, PaymentStatus, RefundStatus | None], ...
] = (
    ("CREATED", "UNPAID", "NONE", "CREATED", None),
    ("CREATED", "UNPAID", "NONE", "REQUIRES_ACTION", None),
    ("CREATED", "UNPAID", "NONE", "PROCESSING", None),
    ("CREATED", "UNPAID", "NONE", "FAILED", None),
    ("CONFIRMED", "PAID", "PENDING", "SUCCEEDED", None),
    ("CONFIRMED", "PAID", "PACKED", "SUCCEEDED", None),
    ("CONFIRMED", "PAID", "SHIPPED", "SUCCEEDED", None),
    ("CONFIRMED", "PAID", "SHIPPED", "SUCCEEDED", None),
    ("COMPLETED", "PAID", "DELIVERED", "SUCCEEDED", None),
    ("COMPLETED", "PARTIALLY_REFUNDED", "DELIVERED", "SUCCEEDED", "SUCCEEDED"),
    ("COMPLETED", "PAID", "RETURNED", "SUCCEEDED", "PROCESSING"),
    ("CANCELLED", "REFUNDED", "NONE", "SUCCEEDED", "SUCCEEDED"),
    ("CANCELLED", "PAID", "NONE", "SUCCEEDED", "REQUESTED"),
    ("CANCELLED", "PAID", "NONE", "SUCCEEDED", "ABNORMAL"),
    ("CONFIRMED", "PAID", "PENDING", "SUCCEEDED", "CLOSED"),
    ("CANCELLED", "UNPAID", "NONE", "CLOSED", None),
)
_PROVIDERS: tuple[PaymentProvider, ...] = ("WECHAT_PAY", "WECHAT_PAY", "ALIPAY", "UNIONPAY", "CARD")
_SCENES: tuple[PaymentScene, ...] = ("JSAPI", "APP", "H5", "NATIVE")


def add_commerce(world: World) -> None:
    random = stream(world, "commerce")
    buyers = [c for c in world.customers if c not in MERGED]
    _add_carts(world, random, buyers)
    for turn in range(64):
        customer_id = OWNER if turn in (6, 8) else random.choice(buyers[1:])
        _merchandise_order(world, random, customer_id, turn)
    _pay_vehicle_orders(world, random)


def _add_carts(world: World, random: Random, buyers: list[str]) -> None:
    mine = [("P1001", 2), ("P2001", 1), ("F4001", 1), ("S3002", 1), ("V5006", 3)]
    vins = {"F4001": "LDCA1AB57SB000001", "S3002": "LDCA1AB57SB000001"}
    _cart(world, OWNER, "ACTIVE", [(p, n, vins.get(p)) for p, n in mine], version=7)
    goods = [p.id for p in world.products.values() if p.kind == "PHYSICAL" and p.on_sale and p.stock]
    for turn, customer_id in enumerate(random.sample(buyers[1:], 30)):
        lines = [(p, random.randint(1, 3), None) for p in random.sample(goods, random.randint(1, 4))]
        _cart(world, customer_id, _CART_STATES[turn % len(_CART_STATES)], list(lines), version=random.randint(1, 9))
    for _ in range(3):
        _cart(world, None, "ACTIVE", [(random.choice(goods), 1, None)], version=1)


def _cart(
    world: World, customer_id: str | None, state: CartState, lines: list[tuple[str, int, str | None]], version: int
) -> None:
    cart_id = f"CA{len(world.carts) + 1:05d}"
    world.carts[cart_id] = Cart(
        id=cart_id,
        customer_id=customer_id,
        state=state,
        version=version,
        currency="CNY",
        updated_at=ago(world, hours=3 * (len(world.carts) + 1)),
        lines=[
            CartLine(f"{cart_id}-{number}", product_id, quantity, world.products[product_id].price_fen, vin)
            for number, (product_id, quantity, vin) in enumerate(lines, 1)
        ],
    )


def _merchandise_order(world: World, random: Random, customer_id: str, turn: int) -> None:
    number = f"MO{500001 + turn}"
    state, payment_state, fulfilment, status, refund = _ORDER_STATES[turn % len(_ORDER_STATES)]
    goods = [p for p in world.products.values() if p.kind in ("PHYSICAL", "VOUCHER")]
    lines = tuple(
        OrderLine(f"{number}-{index}", p.id, p.name, random.randint(1, 2), p.price_fen)
        for index, p in enumerate(random.sample(goods, random.randint(1, 3)), 1)
    )
    items = sum(line.quantity * line.unit_price_fen for line in lines)
    shipping = 0 if items >= FREE_SHIPPING_FROM_FEN else SHIPPING_FEN
    discount = items // 10 if random.random() < 0.2 else 0
    created = ago(world, minutes=9) if payment_state == "UNPAID" and state == "CREATED" else ago(world, days=1 + turn)
    shipped = fulfilment in ("SHIPPED", "DELIVERED", "RETURNED")
    order = MerchandiseOrder(
        number=number,
        customer_id=customer_id,
        lines=lines,
        items_fen=items,
        shipping_fen=shipping,
        discount_fen=discount,
        total_fen=items + shipping - discount,
        currency="CNY",
        order_state=state,
        payment_state=payment_state,
        fulfilment_state=fulfilment,
        created_at=created,
        updated_at=created + timedelta(hours=20) if payment_state != "UNPAID" else created,
        address=world.customers[customer_id].address,
        carrier=random.choice(("顺丰速运", "京东物流")) if shipped else None,
        tracking_number=f"SF{random.randint(10**11, 10**12 - 1)}" if shipped else None,
    )
    world.merchandise_orders[number] = order
    intent = _payment(world, random, number, customer_id, "MERCHANDISE", order.total_fen, status, created)
    if refund is not None:
        partial = payment_state == "PARTIALLY_REFUNDED"
        _refund(world, random, intent, order.total_fen // 3 if partial else order.total_fen, refund, "七天无理由退货")


def _payment(
    world: World,
    random: Random,
    order_number: str,
    customer_id: str,
    purpose: PaymentPurpose,
    amount: int,
    status: PaymentStatus,
    created: datetime,
) -> PaymentIntent:
    provider = random.choice(_PROVIDERS)
    paid = status == "SUCCEEDED"
    settled = f"42000{random.randint(10**22, 10**23 - 1)}"
    intent = PaymentIntent(
        id=f"PI{700001 + len(world.payments)}",
        order_number=order_number,
        customer_id=customer_id,
        purpose=purpose,
        provider=provider,
        scene=random.choice(_SCENES),
        amount_fen=amount,
        captured_fen=amount if paid else 0,
        currency="CNY",
        status=status,
        created_at=created,
        updated_at=created + timedelta(minutes=2),
        expires_at=created + timedelta(hours=2),
        prepay_id=f"wx{hexadecimal(random, 32)}" if provider == "WECHAT_PAY" and status != "CREATED" else None,
        provider_transaction=settled if paid else None,
        failure_code="INSUFFICIENT_FUNDS" if status == "FAILED" else None,
    )
    world.payments[intent.id] = intent
    return intent


def _refund(
    world: World, random: Random, intent: PaymentIntent, amount: int, status: RefundStatus, reason: str
) -> None:
    refund_id = f"RF{800001 + len(world.refunds)}"
    asked = intent.updated_at + timedelta(hours=5)
    settled = f"50300{random.randint(10**22, 10**23 - 1)}"
    world.refunds[refund_id] = Refund(
        id=refund_id,
        payment_id=intent.id,
        amount_fen=amount,
        status=status,
        reason=reason,
        created_at=min(asked, world.now),
        updated_at=min(asked + timedelta(hours=1), world.now),
        provider_refund=settled if status == "SUCCEEDED" else None,
    )


def _pay_vehicle_orders(world: World, random: Random) -> None:
    """Intent, deposit and balance of each vehicle order as far as it has come; cancelled ones were paid back."""
    for order in world.vehicle_orders.values():
        paid: list[PaymentIntent] = []
        steps: tuple[tuple[PaymentPurpose, int, datetime | None], ...] = (
            ("INTENT", order.intent_fen, order.intent_paid_at),
            ("DEPOSIT", order.deposit_fen - order.intent_fen, order.deposit_paid_at),
        )
        for purpose, amount, at in steps:
            if at is not None:
                when = at - timedelta(minutes=2)
                paid.append(
                    _payment(world, random, order.number, order.customer_id, purpose, amount, "SUCCEEDED", when)
                )
        balance = order.total_fen - order.deposit_fen
        if order.status in ("READY", "DELIVERED"):
            when = order.created_at + timedelta(days=39)
            _payment(world, random, order.number, order.customer_id, "BALANCE", balance, "SUCCEEDED", when)
        elif order.status == "BALANCE_DUE":
            when = ago(world, minutes=30)
            _payment(world, random, order.number, order.customer_id, "BALANCE", balance, "CREATED", when)
        if order.status == "CANCELLED":
            for intent in paid:
                _refund(world, random, intent, intent.captured_fen, "SUCCEEDED", "订单取消")
