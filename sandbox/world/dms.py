"""The dealer systems: their customers and vehicles, appointments, repair orders and the history these leave."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from .entities import (
    Appointment,
    AppointmentCode,
    AppointmentType,
    DmsCustomer,
    DmsVehicle,
    Job,
    PayType,
    RepairOrder,
    RepairOrderCode,
    ServiceRecord,
    Slot,
    Text,
    Vehicle,
)
from .operations import estimate_of, job, payable
from .people import OWNER
from .rng import ago, hexadecimal, local, stream
from .world import PILOT_REGION, World

_VISITS = (("1010", "1020"), ("1000", "4000"), ("2010", "2020"), ("6010",), ("3010", "1030"), ("2030", "2000"))
_NOTES = (
    "客户对等待时间敏感，优先安排。",
    "上次结算有争议，结算前请经理确认。",
    "疑似事故车，右前翼子板有修复痕迹，勿对客户提及。",
    "内部：配件缺货，可从杭州调拨。",
    "内部：毛利偏低，推荐增项。",
)
_CUSTOMER_NOTES = ("请提前充电至 80%。", "到店前请电话联系。", "右后门有异响。", "", "")
_OPEN_STATES: tuple[RepairOrderCode, ...] = ("O", "D", "A", "P", "W", "Q", "R", "I")
_TYPES: tuple[AppointmentType, ...] = ("A", "I", "P", "S", "W")


def add_dms(world: World) -> None:
    random = stream(world, "dms")
    owned = [v for v in world.vehicles.values() if world.owner_of(v.vin) is not None]
    for vehicle in owned:
        _register(world, random, vehicle)
    for vehicle in owned[::2]:
        _closed_visit(world, random, vehicle)
    legacy = [v for v in owned if v.region != PILOT_REGION and _owner(world, v) != OWNER]
    for index, vehicle in enumerate(legacy[3:43]):
        _open_repair_order(world, random, vehicle, _OPEN_STATES[index % len(_OPEN_STATES)])
    codes: tuple[AppointmentCode, ...] = ("10", "20", "20", "30", "80", "90")
    for index, vehicle in enumerate(legacy[50:110]):
        _appointment(world, random, vehicle, codes[index % len(codes)])
    _owner_appointments(world, random)
    # Made before the pilot began: this one stays in the dealer system although its region has moved.
    pilot = next(v for v in owned if v.region == PILOT_REGION and _owner(world, v) != OWNER)
    _appointment(world, random, pilot, "20")


def _owner(world: World, vehicle: Vehicle) -> str:
    owner = world.owner_of(vehicle.vin)
    return owner.id if owner else OWNER


def _register(world: World, random: Random, vehicle: Vehicle) -> None:
    """A dealer keeps its own customer and vehicle record, with a number of its own."""
    customer = world.customers[_owner(world, vehicle)]
    known = world.dms_customer_of(customer.id, vehicle.home_centre_id)
    if known is None:
        number = f"D{vehicle.home_centre_id[2:]}{len(world.dms_customers) + 1:05d}"
        where = customer.address
        known = DmsCustomer(
            number=number,
            customer_id=customer.id,
            dealer=vehicle.home_centre_id,
            name=customer.name_zh,
            phone=customer.phone,
            language=customer.language,
            address=f"{where.province}{where.city}{where.district}{where.line}",
        )
        world.dms_customers[number] = known
    world.dms_vehicles[vehicle.vin] = DmsVehicle(
        vin=vehicle.vin,
        dealer=vehicle.home_centre_id,
        customer_number=known.number,
        licence_plate=vehicle.licence_plate,
        model_text=f"{world.models[vehicle.model_id].name.zh} {world.trims[vehicle.trim_id].name.zh}",
        odometer_km=vehicle.odometer_km,
        sold_on=vehicle.produced_on + timedelta(days=20),
        next_service_on=world.today + timedelta(days=random.randint(10, 330)),
        next_service_km=(vehicle.odometer_km // 10_000 + 1) * 10_000,
    )


def _jobs(world: World, random: Random) -> list[Job]:
    pay: tuple[PayType, ...] = ("CUSTOMER", "CUSTOMER", "CUSTOMER", "WARRANTY", "INTERNAL")
    return [job(world, code, random.choice(pay)) for code in random.choice(_VISITS)]


def _free_slot(world: World, random: Random, centre_id: str) -> Slot:
    slot = random.choice([s for s in world.slots_of(centre_id) if s.capacity_left])
    slot.taken += 1
    return slot


def _appointment(world: World, random: Random, vehicle: Vehicle, status: AppointmentCode) -> Appointment:
    """10 and 20 lie ahead in a slot of the centre; 30 arrived today; 80 and 90 are past."""
    number = f"AP{100001 + len(world.appointments)}"
    ahead = status in ("10", "20")
    slot = _free_slot(world, random, vehicle.home_centre_id) if ahead else None
    starts = slot.starts_at if slot else ago(world, hours=1 if status == "30" else random.randint(30, 900))
    appointment = Appointment(
        number=number,
        dealer=vehicle.home_centre_id,
        customer_id=_owner(world, vehicle),
        vin=vehicle.vin,
        starts_at=starts,
        status=status,
        type=random.choice(_TYPES),
        jobs=_jobs(world, random),
        created_at=min(starts, world.now) - timedelta(days=random.randint(1, 6), minutes=random.randint(0, 300)),
        confirmation_code=f"CF{hexadecimal(random, 8).upper()}",
        customer_note=random.choice(_CUSTOMER_NOTES),
        internal_notes=random.choice(_NOTES),
        slot_id=slot.id if slot else None,
    )
    world.appointments[number] = appointment
    return appointment


def _owner_appointments(world: World, random: Random) -> None:
    """C0001's next visit to a dealer of the old world: the A5, in Pudong, in three days."""
    slot = world.slots["SL-SH0217-D03-2"]
    slot.taken = min(slot.taken, slot.capacity - 1)
    vehicle = world.vehicles["LDCA1AB57SB000001"]
    appointment = _appointment(world, random, vehicle, "20")
    assert appointment.slot_id is not None
    world.slots[appointment.slot_id].taken -= 1
    slot.taken += 1
    appointment.slot_id, appointment.starts_at, appointment.type = slot.id, slot.starts_at, "I"
    appointment.jobs = [job(world, "1010"), job(world, "1020"), job(world, "9010", "WARRANTY")]
    appointment.customer_note = "请提前充电至 80%。"
    _closed_visit(world, random, vehicle)


def _repair_order(world: World, random: Random, vehicle: Vehicle, status: RepairOrderCode, days: float) -> RepairOrder:
    opened = (
        ago(world, days=days) if status != "C" else local(world, -int(days), random.choice(("08:50", "10:20", "14:05")))
    )
    number = f"RO{200001 + len(world.repair_orders)}"
    km = max(100, vehicle.odometer_km - int(days * 30))
    order = RepairOrder(
        number=number,
        dealer=vehicle.home_centre_id,
        customer_id=_owner(world, vehicle),
        vin=vehicle.vin,
        status=status,
        opened_at=opened,
        promised_at=opened + timedelta(hours=6),
        closed_at=None,
        in_km=km,
        out_km=None,
        jobs=_jobs(world, random),
        internal_notes=random.choice(_NOTES),
        adviser_id=f"ST-{vehicle.home_centre_id}-1",
    )
    world.repair_orders[number] = order
    return order


def _open_repair_order(world: World, random: Random, vehicle: Vehicle, status: RepairOrderCode) -> None:
    """One in the workshop now; one that awaits approval has a second, higher estimate that nobody approved yet."""
    order = _repair_order(world, random, vehicle, status, random.uniform(0.1, 1.2))
    order.jobs[0].pay_type = "CUSTOMER"
    first = order.opened_at + timedelta(minutes=25)
    if status not in ("O", "D"):
        order.estimates.append(estimate_of(1, order.jobs, first, first + timedelta(minutes=12)))
    if status == "A":
        order.jobs.append(job(world, "3020"))
        order.estimates.append(estimate_of(2, order.jobs, first + timedelta(minutes=50), None))
    appointment = _appointment(world, random, vehicle, "30")
    appointment.repair_order, order.appointment = order.number, appointment.number
    appointment.starts_at = order.opened_at - timedelta(minutes=10)
    appointment.created_at = appointment.starts_at - timedelta(days=2)


def _closed_visit(world: World, random: Random, vehicle: Vehicle) -> None:
    age = (world.today - vehicle.produced_on).days - 20
    for _ in range(random.randint(1, 3)):
        if age < 30:
            return
        order = _repair_order(world, random, vehicle, "C", random.randint(15, max(16, min(age, 900))))
        order.closed_at = order.opened_at + timedelta(hours=random.randint(2, 8))
        order.out_km = order.in_km + random.randint(1, 9)
        order.estimates.append(estimate_of(1, order.jobs, order.opened_at, order.opened_at + timedelta(minutes=9)))
        record_visit(world, order)


def record_visit(world: World, order: RepairOrder) -> None:
    """Writes a closed repair order into the vehicle's history."""
    names = [j.text for j in order.jobs]
    world.service_history[f"SH-{order.number}"] = ServiceRecord(
        id=f"SH-{order.number}",
        vin=order.vin,
        centre_id=order.dealer,
        customer_id=order.customer_id,
        on=(order.closed_at or order.opened_at).date(),
        odometer_km=order.out_km or order.in_km,
        summary=Text("、".join(n.zh for n in names), "; ".join(n.en for n in names)),
        op_codes=tuple(j.op_code for j in order.jobs),
        total_fen=payable(order.jobs),
        system="DMS",
        source_id=order.number,
    )
