"""The world's records as the dealer system writes them: its codes, times and parallel columns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

from sandbox.dms.framing import maybe, node, values
from sandbox.world import World
from sandbox.world.entities import Appointment, Estimate, Job, RepairOrder, Slot, Vehicle
from sandbox.world.operations import payable

LOCAL = ZoneInfo("Asia/Shanghai")
PAY_TYPES = {"CUSTOMER": "C", "WARRANTY": "W", "INTERNAL": "I"}
WARRANTY_TYPES = {"VEHICLE": "10", "POWERTRAIN": "20", "BATTERY": "30", "PAINT": "40", "ROADSIDE": "60"}


def iso(moment: datetime) -> str:
    return moment.astimezone(LOCAL).strftime("%Y-%m-%dT%H:%M:%S")


def digits(moment: datetime) -> str:
    return moment.astimezone(LOCAL).strftime("%Y%m%d%H%M%S")


def day(value: date) -> str:
    return value.strftime("%Y%m%d")


def yuan(fen: int) -> str:
    return str(Decimal(fen).scaleb(-2))


def _identity(vehicle: Vehicle) -> list[Element]:
    return [
        node("VehicleID", vehicle.vin),
        node("MakeCode", vehicle.brand),
        node("ModelCode", vehicle.model_id),
        node("SalesRegionCode", vehicle.region),
    ]


def vehicle(world: World, car: Vehicle) -> Element:
    """Master data; what a dealer adds is there once the car is sold."""
    sold = world.dms_vehicles.get(car.vin)
    owner = world.dms_customers.get(sold.customer_number) if sold else None
    return node(
        "Vehicle",
        *_identity(car),
        node("TrimCode", car.trim_id),
        node("ExteriorColorCode", car.colour),
        maybe("LicensePlate", sold.licence_plate if sold else None),
        node("InDistanceMeasure", str(sold.odometer_km), unitCode="KMT") if sold else None,
        node("ProductionDate", f"{day(car.produced_on)}000000"),
        maybe("DeliveryDate", f"{day(sold.sold_on)}000000" if sold else None),
        node("ServicingDealerNumberID", sold.dealer if sold else car.home_centre_id),
        maybe("OwnerName", owner.name if owner else None),
        values("OptionCode", list(car.options)),
    )


def warranty_columns(car: Vehicle) -> list[Element]:
    rows = car.warranties
    return [
        values("WarrantyTypeCode", [WARRANTY_TYPES[row.kind] for row in rows]),
        values("StartDate", [day(row.starts_on) for row in rows]),
        values("EndDate", [day(row.ends_on) for row in rows]),
        values("LimitDistance", ["" if row.limit_km is None else str(row.limit_km) for row in rows]),
    ]


def slot_columns(slots: Iterable[Slot]) -> list[Element]:
    """Full ones are on the wire with a remaining capacity of 0."""
    rows = list(slots)
    return [
        values("StartDateTime", [digits(slot.starts_at) for slot in rows]),
        values("EndDateTime", [digits(slot.ends_at) for slot in rows]),
        values("RemainingCapacity", [str(slot.capacity_left) for slot in rows]),
    ]


def appointment(world: World, record: Appointment) -> Element:
    party = world.dms_customer_of(record.customer_id, record.dealer)
    slot = world.slots.get(record.slot_id or "")
    jobs = record.jobs
    return node(
        "ServiceAppointment",
        node("DocumentID", record.number),
        node("AppointmentConfirmationCode", record.confirmation_code),
        node("DealerNumberID", record.dealer),
        node("DealerRegionCode", world.centres[record.dealer].region),
        *_identity(world.vehicles[record.vin]),
        maybe("CustomerPartyID", party.number if party else None),
        node("ExternalPartyID", record.customer_id),
        maybe("ContactName", record.contact_name or (party.name if party else None)),
        node("AppointmentDateTime", iso(record.starts_at)),
        maybe("EndDateTime", digits(slot.ends_at) if slot else None),
        node("AppointmentStatus", record.status),
        node("AppointmentType", record.type),
        node("PickupIndicator", "1" if record.pickup else "0"),
        maybe("CustomerComments", record.customer_note),
        maybe("OrderInternalNotes", record.internal_notes),
        maybe("RepairOrderNumber", record.repair_order),
        maybe("RequestBODID", record.request_id),
        node(
            "Jobs",
            values("OpCode", [job.op_code for job in jobs]),
            values("OpText", [job.text.zh for job in jobs]),
            values("OpTextEN", [job.text.en for job in jobs]),
            values("Hours", [f"{job.hours:.2f}" for job in jobs]),
            values("PayType", [PAY_TYPES[job.pay_type] for job in jobs]),
        ),
    )


def repair_order(record: RepairOrder) -> Element:
    """The total is there once the order is invoiced."""
    billed = record.status in ("I", "C")
    return node(
        "RepairOrder",
        node("DocumentID", record.number),
        node("DealerNumberID", record.dealer),
        node("VehicleID", record.vin),
        maybe("AppointmentID", record.appointment),
        node("OrderStatus", record.status),
        node("OpenDateTime", digits(record.opened_at)),
        node("PromisedDateTime", digits(record.promised_at)),
        maybe("ClosedDateTime", digits(record.closed_at) if record.closed_at else None),
        node("InDistanceMeasure", str(record.in_km), unitCode="KMT"),
        node("OutDistanceMeasure", str(record.out_km), unitCode="KMT") if record.out_km is not None else None,
        node("ServiceAdvisorID", record.adviser_id),
        maybe("OrderInternalNotes", record.internal_notes),
        node("TotalAmount", yuan(payable(record.jobs)), currencyID="CNY") if billed else None,
        *[_job(job) for job in record.jobs],
        *[_estimate(estimate) for estimate in record.estimates],
    )


def _job(job: Job) -> Element:
    return node(
        "Job",
        node("OpCode", job.op_code),
        node("JobDescription", job.text.zh),
        node("JobDescriptionEN", job.text.en),
        node("Hours", f"{job.hours:.2f}"),
        node("PayType", PAY_TYPES[job.pay_type]),
        node("LaborAmount", yuan(job.labour_fen)),
        node("PartsAmount", yuan(job.parts_fen)),
    )


def _estimate(estimate: Estimate) -> Element:
    lines = estimate.lines
    return node(
        "Estimate",
        node("Version", str(estimate.version)),
        node("IssuedDateTime", digits(estimate.created_at)),
        maybe("ApprovedDateTime", digits(estimate.approved_at) if estimate.approved_at else None),
        values("LineText", [line.text.zh for line in lines]),
        values("LineTextEN", [line.text.en for line in lines]),
        values("Quantity", ["1" for _ in lines]),
        values("Amount", [yuan(line.amount_fen) for line in lines]),
        values("PayType", ["C" for _ in lines]),
        node("TotalAmount", yuan(estimate.total_fen), currencyID="CNY"),
    )
