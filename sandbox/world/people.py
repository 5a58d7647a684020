"""Two hundred customers with identities, consents and points; staff of every centre."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Literal

from .entities import (
    Address,
    Centre,
    Channel,
    Consent,
    ConsentPurpose,
    Customer,
    Identity,
    PointsEntry,
    PointsKind,
    Staff,
)
from .names import FIRST_NAMES, draw_names
from .rng import ago, hexadecimal, stream
from .world import World

CUSTOMERS = 200
OWNER = "C0001"
PROSPECTS = tuple(f"C{number:04d}" for number in range(191, 199))  # accounts without a car
MERGED = {"C0199": "C0012", "C0200": "C0025"}

MINI_PROGRAM_APP_ID = "wx1f0a7c52be3d9804"
WECHAT_UNION_ISSUER = "open.weixin.qq.com"
OIDC_ISSUER = "https://id.aster.example"
APPLE_ISSUER = "https://appleid.apple.com"

_PURPOSES: tuple[ConsentPurpose, ...] = (
    "SERVICE_MESSAGES",
    "VEHICLE_DATA",
    "ANALYTICS",
    "MARKETING",
    "LOCATION",
    "CROSS_BORDER",
)
_SEPARATE = {"LOCATION", "CROSS_BORDER", "VEHICLE_DATA"}  # PIPL: sensitive data and sending it abroad
_PROVINCES = {"SH": "上海", "HZ": "浙江", "NJ": "江苏", "GZ": "广东", "SZ": "广东", "XM": "福建"} | {
    "BJ": "北京",
    "TJ": "天津",
    "SY": "辽宁",
    "CD": "四川",
    "CQ": "重庆",
    "XA": "陕西",
}
_ROLES: tuple[Literal["ADVISER", "TECHNICIAN", "MANAGER"], ...] = ("ADVISER", "TECHNICIAN", "MANAGER")
_STREETS = ("云栖", "春风", "望江", "金桂", "星河")
_EARNED = ("每日签到", "购车赠礼", "社区发帖奖励", "保养消费返积分", "邀请好友试驾", "完善资料")
_SPENT = ("兑换洗车券", "兑换咖啡杯", "商城抵扣")


def add_people(world: World) -> None:
    random = stream(world, "people")
    centres = list(world.centres.values())
    for number, (name_zh, name_latin) in enumerate(draw_names(random, CUSTOMERS), 1):
        customer = _customer(world, random, number, name_zh, name_latin, centres[(number - 1) % len(centres)])
        world.customers[customer.id] = customer
    for source, target in MERGED.items():
        world.customers[source].merged_into = target
        world.customers[source].identities.clear()
    _add_staff(world, random)


def _customer(world: World, random: Random, number: int, name_zh: str, name_latin: str, centre: Centre) -> Customer:
    customer_id = f"C{number:04d}"
    name_zh, name_latin = FIRST_NAMES.get(customer_id, (name_zh, name_latin))
    foreign = "·" in name_zh
    phone = f"+861380000{number:04d}"
    handle = name_latin.lower().encode("ascii", "ignore").decode().replace(" ", ".")
    registered = ago(world, days=random.randint(60, 1400), hours=random.randint(0, 20))
    city = centre.city.zh
    customer = Customer(
        id=customer_id,
        name_zh=name_zh,
        name_latin=name_latin,
        display_name=name_latin if foreign else name_zh,
        phone=phone,
        email=f"{handle}.{number}@example.com",
        language="en" if foreign or number % 17 == 0 else "zh-CN",
        region=centre.region,
        home_centre_id=centre.id,
        registered_at=registered,
        erp_business_partner=f"{1000000 + number}",
        address=Address(
            recipient=name_zh,
            phone=phone,
            province=_PROVINCES[centre.id[:2]],
            city=city,
            district=centre.address.zh.split("区")[0] + "区",
            line=f"{random.choice(_STREETS)}路{random.randint(1, 899)}弄{random.randint(1, 40)}号",
            postcode=f"{random.randint(100000, 899999)}",
        ),
        avatar=f"images/avatars/{number % 24:02d}.png",
    )
    customer.identities = _identities(random, customer, number)
    customer.consents = _consents(random, customer, registered, world.now)
    customer.points = _points(random, customer, registered, world.now)
    return customer


def _identities(random: Random, customer: Customer, number: int) -> list[Identity]:
    found = [Identity("PHONE", "phone", customer.phone)]
    if number <= 2 or random.random() < 0.7:
        found.append(Identity("WECHAT_MINI", MINI_PROGRAM_APP_ID, f"oX{hexadecimal(random, 26)}"))
        found.append(Identity("WECHAT_UNION", WECHAT_UNION_ISSUER, f"uN{hexadecimal(random, 26)}"))
    if number <= 2 or random.random() < 0.4:
        found.append(Identity("OIDC", OIDC_ISSUER, f"usr-{hexadecimal(random, 16)}"))
    if random.random() < 0.15:
        found.append(Identity("APPLE", APPLE_ISSUER, f"{number:06d}.{hexadecimal(random, 32)}.0417"))
    return found


def _consents(random: Random, customer: Customer, since: datetime, now: datetime) -> list[Consent]:
    """Everyone allows service messages; C0001 all but sending abroad; C0003 has withdrawn everything."""
    channels: tuple[Channel, ...] = ("APP", "MINI_PROGRAM", "WEB", "STORE")
    found = []
    for purpose in _PURPOSES:
        likely = 1.0 if purpose == "SERVICE_MESSAGES" or customer.id in (OWNER, "C0003") else 0.6
        if random.random() > likely or (purpose == "CROSS_BORDER" and (customer.id == OWNER or random.random() < 0.8)):
            continue
        granted = since + timedelta(minutes=random.randint(1, 600))
        withdrawn = customer.id == "C0003" or (customer.id != OWNER and random.random() < 0.15)
        found.append(
            Consent(
                purpose=purpose,
                policy_version="2025-03" if granted > now - timedelta(days=400) else "2023-11",
                separate=purpose in _SEPARATE,
                granted_at=granted,
                withdrawn_at=granted + timedelta(days=random.randint(3, 50)) if withdrawn else None,
                channel=random.choice(channels),
            )
        )
    return found


def _points(random: Random, customer: Customer, since: datetime, now: datetime) -> list[PointsEntry]:
    """A ledger that never goes below zero; C0001 ends with a hold still open."""
    entries: list[PointsEntry] = []
    moment, balance = since, 0

    def write(kind: PointsKind, points: int, text: str, hold_id: str | None = None) -> PointsEntry:
        entry_id = f"PT-{customer.id}-{len(entries) + 1:03d}"
        entries.append(PointsEntry(entry_id, customer.id, kind, points, moment, text, None, hold_id))
        return entries[-1]

    step = (now - since) / 14
    for turn in range(random.randint(4, 12) if customer.id != OWNER else 12):
        moment = (since + step * (turn + 1)).replace(microsecond=0)
        if balance < 200 or random.random() < 0.6:
            earned = random.choice((50, 100, 200, 500, 1200)) + (1500 if customer.id == OWNER else 0)
            write("EARN", earned, random.choice(_EARNED))
            balance += earned
            continue
        spent = random.randint(1, balance // 100) * 100 // 2
        if random.random() < 0.5:
            write("REDEEM", spent, random.choice(_SPENT))
            balance -= spent
            continue
        hold = write("HOLD", spent, "商城订单预留积分")
        moment += timedelta(minutes=8)
        if random.random() < 0.7:
            write("CAPTURE", spent, "商城订单使用积分", hold.id)
            balance -= spent
        else:
            write("RELEASE", spent, "订单取消，积分退回", hold.id)
    if customer.id == OWNER:
        moment = now - timedelta(minutes=20)
        write("HOLD", 300, "商城订单预留积分")
    return entries


def _add_staff(world: World, random: Random) -> None:
    people = iter(draw_names(random, len(world.centres) * 3))
    for centre in world.centres.values():
        for number, role in enumerate(_ROLES, 1):
            staff_id = f"ST-{centre.id}-{number}"
            name = next(people)[0]
            world.staff[staff_id] = Staff(staff_id, name, centre.id, role, f"wecom-{staff_id.lower()}")
