"""The table of upstreams: which there are, and what each bears."""

from __future__ import annotations

from bff.policy import OperationPolicy, Priority, UpstreamPolicy

_FIRST, _LAST = OperationPolicy(priority=Priority.FIRST), OperationPolicy(priority=Priority.LAST)

UPSTREAMS: dict[str, UpstreamPolicy] = {
    # Middle layer: fast, plenty of room.
    "identity": UpstreamPolicy(
        offset=1, title="Identity and customer profile", timeout=2.0, connections=64, attempts=2,
    ),
    "configurator": UpstreamPolicy(
        offset=2, title="Configurator", timeout=3.0, connections=64, attempts=2,
    ),
    "commerce": UpstreamPolicy(
        offset=3, title="Catalogue, cart, orders", timeout=3.0, connections=64, attempts=2,
        operations={"SearchProducts": _LAST},
    ),
    "payment": UpstreamPolicy(
        offset=4, title="Payment", timeout=5.0, connections=64, attempts=2, priority=Priority.FIRST,
    ),
    "booking": UpstreamPolicy(
        offset=5, title="Service booking (new)", timeout=3.0, connections=64, attempts=2,
    ),
    "content": UpstreamPolicy(
        offset=6, title="Content and connected car", timeout=3.0, connections=64, attempts=2,
        priority=Priority.LAST, operations={"GetStates": OperationPolicy(priority=Priority.NORMAL), "Sync": _FIRST},
    ),
    "community": UpstreamPolicy(
        offset=7, title="Community", timeout=2.0, connections=32, attempts=2, priority=Priority.LAST,
    ),
    "leads": UpstreamPolicy(
        offset=8, title="Leads and test drives", timeout=3.0, connections=32, attempts=2,
    ),
    # Who moves the money.
    "wechatpay": UpstreamPolicy(
        offset=9, title="WeChat Pay", timeout=5.0, connections=32, attempts=2, priority=Priority.FIRST,
        address="https://api.mch.weixin.qq.com",
    ),
    "alipay": UpstreamPolicy(
        offset=10, title="Alipay", timeout=5.0, connections=32, attempts=2, priority=Priority.FIRST,
        address="https://openapi.alipay.com",
    ),
    "stripe": UpstreamPolicy(
        offset=15, title="Stripe (cards)", timeout=8.0, connections=32, attempts=2, priority=Priority.FIRST,
        address="https://api.stripe.com",
    ),
    # Systems of record: slow, capped, down at night. What they bear is kept exactly, across workers and hosts.
    "dms": UpstreamPolicy(
        offset=11, title="Dealer management (SOAP)", timeout=6.0, connections=10, per_second=50, shared=True, queue=100,
        counts_idle=True, attempts=2, least_calls=10, open_for=10.0, cool_off=30.0,
        operations={"GetRepairOrder": _LAST},
    ),
    "mes": UpstreamPolicy(
        offset=12, title="Plant (B2MML)", timeout=5.0, connections=8, per_second=50, shared=True, queue=50,
        attempts=2, least_calls=10, open_for=10.0, cool_off=30.0,
    ),
    "erp": UpstreamPolicy(
        offset=13, title="ERP (OData)", timeout=6.0, connections=16, per_second=50, shared=True, queue=100,
        attempts=2, least_calls=10, open_for=10.0, cool_off=30.0,
    ),
    "otd": UpstreamPolicy(
        offset=14, title="Order-to-delivery feed", timeout=5.0, connections=2, shared=True, queue=10,
        attempts=2, least_calls=5, open_for=10.0, cool_off=30.0,
    ),
}  # fmt: skip
"""What every system bears, and what differs for an operation; the words are explained in `bff/policy.py`."""
