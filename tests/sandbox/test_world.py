"""The simulated estate's world: enough of everything, one coherent story, the same every time."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
import zlib
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from typing import get_args

import pytest

from sandbox.world import PILOT_REGION, World, build_world, vin
from sandbox.world.configurations import CURRENT_SHARE_CODE, WITHDRAWN_SHARE_CODE
from sandbox.world.content import bundle_key
from sandbox.world.delta import apply_delta
from sandbox.world.entities import Expr, Milestone, PointsEntry, VehicleOrder, VehicleOrderStatus
from sandbox.world.otd import MILESTONE_CODES
from sandbox.world.rng import CROCKFORD

TODAY = date(2025, 3, 9)
RANK: tuple[Milestone, ...] = (
    "PLACED",
    "ACCEPTED",
    "PARTS",
    "SCHEDULED",
    "IN_PRODUCTION",
    "BUILT",
    "YARD",
    "QC_HOLD",
    "SHIPPED",
    "AT_CENTRE",
    "DELIVERED",
    "CANCELLED",
)
FROM_BUILT = set(RANK[5:11]) | {"READY"}


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(TODAY)


def ordered(world: World) -> list[VehicleOrder]:
    return [order for order in world.vehicle_orders.values() if order.milestone is not None]


# How much there is


def test_the_estate_has_its_promised_size(world: World) -> None:
    assert len(world.regions) == 4
    assert Counter(c.region for c in world.centres.values()) == dict.fromkeys(world.regions, 3)
    assert len(world.models) >= 4
    assert len(world.trims) >= 12
    assert len(world.options) >= 120
    assert len(world.rules) >= 150
    assert len(world.customers) == 200
    assert len(world.vehicles) == 400
    assert len(world.products) >= 60
    assert len(world.posts) >= 80
    assert {p.kind for p in world.products.values()} == {"PHYSICAL", "SERVICE", "FEATURE", "VOUCHER"}
    assert {t.availability for t in world.trims.values()} == {"BUILD", "STOCK", "SOLD_OUT"}


def test_every_milestone_has_three_orders_and_every_status_one(world: World) -> None:
    milestones = Counter(order.milestone for order in ordered(world))
    assert set(milestones) == set(get_args(Milestone))
    assert min(milestones.values()) >= 3
    assert {o.status for o in world.vehicle_orders.values()} == set(get_args(VehicleOrderStatus))


def test_slots_lie_ahead_and_some_are_full(world: World) -> None:
    for kind in ("SERVICE", "TEST_DRIVE"):
        for centre_id in world.centres:
            slots = world.slots_of(centre_id, kind)
            assert {s.starts_at.date() for s in slots} >= {TODAY + timedelta(days=d) for d in range(1, 15)}
            assert any(s.capacity_left for s in slots)
            assert any(not s.capacity_left for s in slots)
            assert all(0 <= s.taken <= s.capacity and s.starts_at < s.ends_at for s in slots)


# VINs


@pytest.mark.parametrize("valid", ["LDCA1AB57SB000001", "LDCA1AB5XSB000008", "1M8GDM9AXKP042788"])
def test_published_vins_validate(valid: str) -> None:
    assert vin.is_valid(valid)


@pytest.mark.parametrize("broken", ["LDCA1AB58SB000001", "LDCA1AB5SB000001", "LDCA1AB57SB00000I", "ldca1ab57sb000001"])
def test_broken_vins_do_not_validate(broken: str) -> None:
    assert not vin.is_valid(broken)


def test_every_vehicle_has_a_valid_vin_and_the_named_ones_exist(world: World) -> None:
    assert all(vin.is_valid(number) and car.vin == number for number, car in world.vehicles.items())
    assert next(iter(world.vehicles)) == "LDCA1AB57SB000001"
    assert "LDCA1AB5XSB000008" in world.vehicles


# Rules and configurations: an evaluator of its own, so that the world's is checked too


def is_true(expr: Expr, chosen: set[str]) -> bool:
    match expr:
        case str():
            return expr in chosen
        case {"all": parts}:
            return all(is_true(part, chosen) for part in parts)
        case {"any": parts}:
            return any(is_true(part, chosen) for part in parts)
        case {"not": part}:
            return not is_true(part, chosen)
    raise AssertionError(f"not an expression: {expr}")


def complaints(world: World, trim_id: str, options: Iterable[str], day: date) -> list[str]:
    """Why this selection cannot be built for CN on ``day``; empty when it can."""
    chosen, found = set(options), []
    trim = world.trims[trim_id]
    found += [f"{code} not offered" for code in chosen if code not in trim.options]
    found += [f"{o.code} is fixed" for o in trim.options.values() if o.fixed and o.code not in chosen]
    for code in chosen:
        withdrawn = world.options[code].withdrawn_on
        found += [f"{code} withdrawn"] if withdrawn is not None and withdrawn <= day else []
    per_group = Counter(world.options[code].group for code in chosen)
    for group in world.option_groups.values():
        count = per_group[group.code]
        if (group.cardinality == "EXACTLY_ONE" and count != 1) or (group.cardinality == "ONE_OR_NONE" and count > 1):
            found.append(f"{count} of {group.code}")
    for rule in world.rules.values():
        if rule.market in (None, "CN") and rule.valid_from <= day and (rule.valid_to is None or day <= rule.valid_to):
            subject, expr = is_true(rule.subject, chosen), is_true(rule.expr, chosen)
            broken = (subject and expr) if rule.kind == "EXCLUDES" else (subject and not expr)
            found += [rule.id] if broken else []
    return found


def test_every_trim_has_a_buildable_default(world: World) -> None:
    for trim in world.trims.values():
        assert complaints(world, trim.id, trim.default_options, TODAY) == [], trim.id


def test_cars_and_orders_are_buildable(world: World) -> None:
    for car in world.vehicles.values():
        assert complaints(world, car.trim_id, car.options, TODAY) == [], car.vin
    for order in world.vehicle_orders.values():
        assert complaints(world, order.trim_id, order.configuration.options, TODAY) == [], order.number


def test_the_evaluator_sees_a_conflict(world: World) -> None:
    picked = {*world.trims["A5-PLUS"].default_options, "W20S"}
    assert "2 of WHEELS" in complaints(world, "A5-PLUS", picked, TODAY)
    assert any(c.startswith("R") for c in complaints(world, "A5-PLUS", picked - {"W18"}, TODAY))


def test_rules_name_known_options_and_some_are_out_of_force(world: World) -> None:
    def codes(expr: Expr) -> set[str]:
        if isinstance(expr, str):
            return {expr}
        ((_, parts),) = expr.items()
        return set().union(*(codes(part) for part in (parts if isinstance(parts, list) else [parts])))

    rules = world.rules.values()
    assert all(codes(rule.subject) | codes(rule.expr) <= set(world.options) for rule in rules)
    assert {rule.kind for rule in rules} == {"REQUIRES", "EXCLUDES", "AVAILABLE_IF", "AUTO_ADD"}
    assert any(rule.valid_to is not None and rule.valid_to < TODAY for rule in rules)
    assert any(rule.valid_from > TODAY for rule in rules)
    assert {"HK", "SG"} <= {rule.market for rule in rules}
    assert all(rule.message.zh and rule.message.en for rule in rules)


def test_packages_and_options_refer_to_what_exists(world: World) -> None:
    for package in world.packages.values():
        assert set(package.includes) <= set(world.options)
        assert package.price_fen < sum(world.options[code].price_fen for code in package.includes)
    for trim in world.trims.values():
        assert set(trim.options) <= set(world.options)
        assert all(set(world.packages[code].includes) <= set(trim.options) for code in trim.package_codes)
        assert trim.id in world.models[trim.model_id].trim_ids
    assert all(3 <= len(code) <= 4 and option.group in world.option_groups for code, option in world.options.items())


def test_a_share_code_outlives_the_option_it_names(world: World) -> None:
    old = world.saved_configurations[WITHDRAWN_SHARE_CODE]
    assert complaints(world, old.trim_id, old.options, old.saved_at.date()) == []
    assert complaints(world, old.trim_id, old.options, TODAY) == ["KX9 withdrawn"]
    assert old.rule_set_version != world.rule_set_version
    current = world.saved_configurations[CURRENT_SHARE_CODE]
    assert complaints(world, current.trim_id, current.options, TODAY) == []
    assert all(len(code) == 8 and set(code) <= set(CROCKFORD) for code in world.saved_configurations)


# People


def test_two_owners_have_names_that_only_gb18030_can_write(world: World) -> None:
    rare = [c for c in world.customers.values() if not _encodable(c.name_zh, "gbk")]
    assert {"㐂", "𠮷"} <= set("".join(c.name_zh for c in rare))
    for customer in rare:
        assert customer.id != "C0001"
        assert customer.name_zh.encode("gb18030").decode("gb18030") == customer.name_zh
        assert world.vehicles_of(customer.id)
        assert any(d.customer_id == customer.id and d.name == customer.name_zh for d in world.dms_customers.values())


def _encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def test_identities_are_unique_and_phones_too(world: World) -> None:
    identities = [i for c in world.customers.values() for i in c.identities]
    assert len(identities) == len(set(identities))
    assert {i.kind for i in identities} == {"PHONE", "WECHAT_MINI", "WECHAT_UNION", "OIDC", "APPLE"}
    assert len({c.phone for c in world.customers.values()}) == 200


def test_merged_accounts_redirect_and_own_nothing(world: World) -> None:
    merged = [c for c in world.customers.values() if c.merged_into is not None]
    assert merged
    for account in merged:
        target = world.customer(account.id)
        assert target is not None
        assert target.id == account.merged_into
        assert not world.garage_of(account.id, open_only=False)


def test_points_never_fall_below_zero(world: World) -> None:
    kinds = set()
    for customer in world.customers.values():
        balance, holds = 0, dict[str, PointsEntry]()
        for entry in customer.points:
            kinds.add(entry.kind)
            assert entry.points > 0
            assert entry.at <= world.now
            if entry.kind == "HOLD":
                holds[entry.id] = entry
            elif entry.kind in ("CAPTURE", "RELEASE"):
                assert holds.pop(entry.hold_id or "").points == entry.points
            balance += {"EARN": 1, "RELEASE": 1, "CAPTURE": 0, "HOLD": -1, "REDEEM": -1}[entry.kind] * entry.points
            assert balance >= 0, customer.id
        assert world.points_balance(customer.id) == balance
    assert kinds == {"EARN", "HOLD", "CAPTURE", "RELEASE", "REDEEM"}


def test_every_car_has_one_owner_at_most_and_transfers_close_the_old_entry(world: World) -> None:
    owners = Counter(e.vin for e in world.garage.values() if e.role == "OWNER" and e.until is None)
    assert set(owners.values()) == {1}
    assert len(owners) == 365 + sum(o.status == "DELIVERED" for o in world.vehicle_orders.values())
    closed = [e for e in world.garage.values() if e.until is not None]
    assert closed
    assert all(e.until is not None and e.since < e.until <= world.now for e in closed)


# Vehicle orders as four systems tell them


def milestone_of_feed(world: World, order: VehicleOrder) -> Milestone | None:
    """What the feed's records amount to, read in the order in which they came."""
    meaning = {code: name for name, codes in MILESTONE_CODES.items() if name != "READY" for code in codes}
    reached: Milestone | None = None
    for record in world.otd_records_of(order.otd_number or ""):
        named = meaning.get(record.code)
        if named is not None and (
            reached is None or RANK.index(named) > RANK.index(reached) or (reached == "QC_HOLD" and named == "YARD")
        ):
            reached = named
    return reached


def test_otd_feed_agrees_with_the_order(world: World) -> None:
    for order in ordered(world):
        told = milestone_of_feed(world, order)
        assert told == ("AT_CENTRE" if order.milestone == "READY" else order.milestone), order.number


def test_otd_records_are_39_characters_and_carry_a_vin_from_built_on(world: World) -> None:
    before_built = {code for name in RANK[:5] for code in MILESTONE_CODES[name]}
    for position, record in enumerate(world.otd_feed, 1):
        assert record.sequence == position
        assert len(record.line()) == 39
        assert record.received_at <= world.now
        if record.code in before_built:
            assert record.vin is None


def test_otd_feed_sets_its_traps(world: World) -> None:
    by_order = {o.number: world.otd_records_of(o.otd_number or "") for o in ordered(world)}
    codes = {number: [r.code for r in records] for number, records in by_order.items()}
    assert any(code == "7Z99" for found in codes.values() for code in found)
    assert any("4V03" in found for found in codes.values())
    assert any("4150" in found for found in codes.values())
    assert any(len(found) != len(set(found)) for found in codes.values())
    assert any(found.index("3800") < found.index("3400") for found in codes.values() if "3800" in found)
    assert any(found.index("4D00") < found.index("4B00") for found in codes.values() if {"4D00", "4B00"} <= set(found))
    assert any(r.received_at - r.happened_at > timedelta(days=1) for found in by_order.values() for r in found)


def test_erp_agrees_with_the_order(world: World) -> None:
    for order in ordered(world):
        sale = world.sales_orders[order.sales_order or ""]
        assert sale.customer_reference == order.number
        assert sale.sold_to == world.customers[order.customer_id].erp_business_partner
        assert sale.net_fen + sale.tax_fen == order.total_fen
        assert sale.net_fen == sum(item.net_fen for item in sale.items)
        assert sale.tax_fen == next(line.amount_fen for line in order.price_lines if line.kind == "TAX")
        assert sale.rejected == (order.milestone == "CANCELLED")
        assert sale.items[0].material == order.trim_id


def test_mes_agrees_with_the_order(world: World) -> None:
    for order in ordered(world):
        if order.production_order is None:
            assert order.milestone in ("PLACED", "ACCEPTED", "PARTS", "CANCELLED")
            continue
        production = world.production_orders[order.production_order]
        states = {segment.id: segment.state for segment in production.segments}
        assert production.order_number == order.number
        assert production.vin == order.vin
        assert (states["EL99"] == "Completed") == (order.milestone in FROM_BUILT)
        assert (states["BS10"] in ("Running", "Completed")) == (
            order.milestone in FROM_BUILT or order.milestone == "IN_PRODUCTION"
        )
        assert (states.get("YD50") == "Held") == (order.milestone == "QC_HOLD")
        painted = [s.data["COLOR"] for s in production.segments if "COLOR" in s.data]
        assert all(colour in order.configuration.options for colour in painted)
        assert all(s.started_at is None or s.started_at.tzinfo is None for s in production.segments)


def test_vin_is_absent_before_built_and_then_that_of_a_car_built_as_ordered(world: World) -> None:
    for order in world.vehicle_orders.values():
        assert (order.vin is not None) == (order.milestone in FROM_BUILT), order.number
        if order.vin is not None:
            car = world.vehicles[order.vin]
            assert car.order_number == order.number
            assert (car.trim_id, car.options) == (order.trim_id, order.configuration.options)


def test_order_totals_and_dates_hold_together(world: World) -> None:
    for order in world.vehicle_orders.values():
        lines = [line.amount_fen for line in order.price_lines if line.kind != "TAX"]
        assert sum(lines) == order.total_fen
        if order.deposit_paid_at is not None:
            assert order.cooling_off_ends_at == order.deposit_paid_at + timedelta(hours=168)
        if order.status == "DEPOSIT_PAID":
            assert order.cooling_off_ends_at is not None
            assert order.cooling_off_ends_at > world.now
        if order.status in ("LOCKED", "IN_FULFILMENT", "BALANCE_DUE", "READY", "DELIVERED"):
            assert order.locked_at is not None
            assert order.locked_at <= world.now


def test_an_order_is_found_by_each_of_its_numbers(world: World) -> None:
    order = world.vehicle_orders["VO00004711"]
    for number in ("VO00004711", "4711", "SO4711", "PO25030917"):
        assert world.order_by_number(number) is order
    assert world.order_by_number("nothing") is None


# Everything refers to something


def test_service_records_refer_to_what_exists(world: World) -> None:
    people, cars, centres = world.customers, world.vehicles, world.centres
    for appointment in world.appointments.values():
        assert appointment.vin in cars
        assert appointment.customer_id in people
        assert appointment.dealer in centres
        assert appointment.slot_id is None or world.slots[appointment.slot_id].starts_at == appointment.starts_at
    for repair in world.repair_orders.values():
        assert repair.vin in cars
        assert repair.adviser_id in world.staff
        assert repair.appointment is None or world.appointments[repair.appointment].repair_order == repair.number
        assert {job.op_code for job in repair.jobs} <= set(world.operations)
        assert repair.internal_notes
    for booking in world.bookings.values():
        assert cars[booking.vin].region == centres[booking.centre_id].region == PILOT_REGION
        assert booking.slot_id is None or world.slots[booking.slot_id].centre_id == booking.centre_id
    for record in world.service_history.values():
        source = world.repair_orders if record.system == "DMS" else world.bookings
        assert record.source_id in source
    for dms_car in world.dms_vehicles.values():
        assert world.dms_customers[dms_car.customer_number].dealer == dms_car.dealer


def test_every_service_state_is_represented(world: World) -> None:
    assert {a.status for a in world.appointments.values()} == {"10", "20", "30", "80", "90"}
    assert {r.status for r in world.repair_orders.values()} >= set("ODAPWQRIC")
    assert len({b.state for b in world.bookings.values()}) == 15
    waiting = [r for r in world.repair_orders.values() if r.status == "A"]
    assert waiting
    for repair in waiting:
        first, second = repair.estimates
        assert first.approved_at is not None
        assert second.approved_at is None
        assert second.total_fen > first.total_fen


def test_an_appointment_of_the_pilot_region_stays_in_the_dms(world: World) -> None:
    kept = [a for a in world.appointments.values() if world.centres[a.dealer].region == PILOT_REGION]
    assert any(a.status == "20" and a.starts_at > world.now for a in kept)


def test_shop_records_refer_to_what_exists_and_add_up(world: World) -> None:
    for cart in world.carts.values():
        assert cart.customer_id is None or cart.customer_id in world.customers
        assert all(line.product_id in world.products for line in cart.lines)
    for order in world.merchandise_orders.values():
        assert order.items_fen == sum(line.quantity * line.unit_price_fen for line in order.lines)
        assert order.total_fen == order.items_fen + order.shipping_fen - order.discount_fen
        assert world.payments_of(order.number)
    for payment in world.payments.values():
        assert payment.order_number in world.merchandise_orders or payment.order_number in world.vehicle_orders
        refunds = [r for r in world.refunds_of(payment.id) if r.status != "CLOSED"]
        assert sum(r.amount_fen for r in refunds) <= payment.captured_fen
    assert all(refund.payment_id in world.payments for refund in world.refunds.values())
    assert {p.status for p in world.payments.values()} == {
        *("CREATED", "REQUIRES_ACTION", "PROCESSING", "SUCCEEDED", "FAILED", "CLOSED")
    }
    assert {r.status for r in world.refunds.values()} == {"REQUESTED", "PROCESSING", "SUCCEEDED", "CLOSED", "ABNORMAL"}


def test_features_fit_the_cars_that_have_them_once(world: World) -> None:
    active = Counter((e.vin, e.product_id) for e in world.entitlements.values() if e.state == "ACTIVE")
    assert active
    assert set(active.values()) == {1}
    for entitlement in world.entitlements.values():
        product = world.products[entitlement.product_id]
        assert product.kind == "FEATURE"
        assert product.hardware_code in world.vehicles[entitlement.vin].hardware


def test_community_and_leads_refer_to_what_exists(world: World) -> None:
    for post in world.posts.values():
        assert (post.author_id is None) != (post.author_brand is None)
        assert post.author_id is None or post.author_id in world.customers
        assert set(post.topic_ids) <= set(world.topics)
        assert post.liked_by <= set(world.customers)
        assert "{" not in post.title + post.body
    states = Counter(post.state for post in world.posts.values())
    assert states["PUBLISHED"] > len(world.posts) / 2
    assert states["PENDING_REVIEW"]
    assert states["HIDDEN"]
    assert all(c.post_id in world.posts and c.author_id in world.customers for c in world.comments.values())
    assert len({lead.state for lead in world.leads.values()}) == 9
    assert len({(lead.phone, lead.model_id) for lead in world.leads.values()}) == len(world.leads)
    for drive in world.test_drives.values():
        assert drive.lead_id in world.leads
        if drive.state == "BOOKED":
            assert world.slots[drive.slot_id].kind == "TEST_DRIVE"


# Content


def test_bundles_carry_real_bytes_with_their_hash(world: World) -> None:
    assert {b.id for b in world.bundles.values()} >= {"home-screen", "owner-manual", "boot-animation", "voice-pack"}
    assert {b.screen_class for b in world.bundles.values()} == {"head-unit-12", "head-unit-8", "phone"}
    for key, bundle in world.bundles.items():
        assert key == bundle_key(bundle.id, bundle.version, bundle.locale, bundle.screen_class)
        for item in bundle.assets:
            assert item.size == len(item.data)
            assert item.sha256 == hashlib.sha256(item.data).hexdigest()
    assert any(b.expires_at is not None and b.expires_at < world.now for b in world.bundles.values())
    assert any(b.removed for b in world.bundles.values())


def test_pictures_and_sounds_are_well_formed(world: World) -> None:
    items = [item for bundle in world.bundles.values() for item in bundle.assets]
    picture = next(item.data for item in items if item.mime == "image/png")
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    length, kind = struct.unpack_from(">I4s", picture, 8)
    width, height = struct.unpack_from(">II", picture, 16)
    assert (length, kind) == (13, b"IHDR")
    (size,) = struct.unpack_from(">I", picture, 33)
    assert len(zlib.decompress(picture[41 : 41 + size])) == height * (1 + 3 * width)
    sound = next(item.data for item in items if item.mime == "audio/wav")
    assert struct.unpack_from("<4sI4s", sound) == (b"RIFF", len(sound) - 8, b"WAVE")


def test_deltas_make_the_new_file_from_the_old_one(world: World) -> None:
    made = 0
    for bundle in world.bundles.values():
        for item in bundle.assets:
            if item.delta is None:
                continue
            before = world.bundle_versions(bundle.id, bundle.locale, bundle.screen_class)[bundle.version - 2]
            old = next(a for a in before.assets if a.sha256 == item.delta.from_sha256)
            assert apply_delta(old.data, item.delta.data) == item.data
            assert item.delta.size == len(item.delta.data)
            made += 1
    assert made


@pytest.mark.parametrize(
    "broken", [b"", b"BDL1", b"XXXX\x00\x00\x00\x00", b"BDL1\x00\x00\x00\x05\x07", b"BDL1\x00\x00\x00\x05\x01"]
)
def test_a_broken_delta_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match="delta"):
        apply_delta(b"hello", broken)


# Personas


def test_the_owner_has_everything_a_screen_needs(world: World) -> None:
    assert set(world.personas) == {"guest", "owner", "adviser", "head-unit"}
    owner = world.personas["owner"].customer_id or ""
    cars = world.vehicles_of(owner)
    assert len(cars) == 3
    assert {"EAST", PILOT_REGION} <= {car.region for car in cars}
    (order,) = world.orders_of(owner)
    assert (order.milestone, order.status, order.vin) == ("IN_PRODUCTION", "IN_FULFILMENT", None)
    cart = world.active_cart_of(owner)
    assert cart is not None
    assert len(cart.lines) == 5
    assert world.points_balance(owner) > 1000
    assert [a.status for a in world.appointments_of(owner) if a.starts_at > world.now] == ["20"]
    assert [b.state for b in world.bookings_of(owner) if b.starts_at > world.now] == ["CONFIRMED"]
    assert sum(post.author_id == owner for post in world.posts.values()) >= 2
    assert all(world.service_history_of(car.vin) for car in cars)


def test_adviser_and_head_unit_stand_where_they_say(world: World) -> None:
    adviser, head_unit = world.personas["adviser"], world.personas["head-unit"]
    assert world.staff[adviser.staff_id or ""].centre_id == adviser.centre_id
    owner = world.owner_of(head_unit.vin or "")
    assert owner is not None
    assert owner.id == "C0001"


# Determinism


def test_two_builds_are_equal() -> None:
    assert build_world(TODAY) == build_world(TODAY)


def test_another_seed_tells_another_story(world: World) -> None:
    other = build_world(TODAY, seed=1)
    assert [c.name_zh for c in other.customers.values()] != [c.name_zh for c in world.customers.values()]
    assert list(other.personas) == list(world.personas)


def test_dates_move_with_today_and_ids_do_not(world: World) -> None:
    later = build_world(TODAY + timedelta(days=100))
    for registry in (f.name for f in dataclasses.fields(World)):
        before, after = getattr(world, registry), getattr(later, registry)
        if isinstance(before, dict):
            assert list(before) == list(after), registry
    moved = timedelta(days=100)
    assert all(later.slots[key].starts_at - slot.starts_at == moved for key, slot in world.slots.items())
    order, again = world.vehicle_orders["VO00004711"], later.vehicle_orders["VO00004711"]
    assert again.created_at - order.created_at == moved
    assert again.configuration == order.configuration


def test_without_a_date_the_world_is_of_today() -> None:
    world = build_world()
    assert min(slot.starts_at for slot in world.slots.values()) > world.now
