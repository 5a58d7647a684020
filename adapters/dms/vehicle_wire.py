"""Vehicle BODs: master data, warranties, and repair orders as visits."""

from __future__ import annotations

from adapters.dms.dms_wire import bilingual, day, maybe_day, maybe_moment, maybe_whole, meaning, moment, read_ref, yuan
from adapters.dms.service_wire import ORDER_STATUS
from adapters.transport.soap import Node, Unreadable
from bff.domain.service import BookingStatus
from bff.domain.vehicle import ServiceVisit, Vehicle, Warranty, WarrantyKind

_WARRANTIES = {
    "10": WarrantyKind.BASIC,
    "20": WarrantyKind.POWERTRAIN,
    "30": WarrantyKind.BATTERY,
    "40": WarrantyKind.CORROSION,
    "50": WarrantyKind.EXTENDED,
    "60": WarrantyKind.ROADSIDE,
}


def read_vehicle(area: Node) -> Vehicle:
    node = area.child("Vehicle")
    if node is None:
        raise Unreadable("ShowVehicle without a Vehicle")
    return Vehicle(
        ref=read_ref(node),
        licence_plate=node.text("LicensePlate"),
        trim_code=node.text("TrimCode"),
        colour_code=node.text("ExteriorColorCode"),
        odometer_km=maybe_whole(node.text("InDistanceMeasure")),
        built_on=maybe_day(node.text("ProductionDate")),
        delivered_on=maybe_day(node.text("DeliveryDate")),
        home_centre=node.text("ServicingDealerNumberID"),
        option_codes=node.column("OptionCode"),
    )


def read_warranties(area: Node) -> list[Warranty]:
    """Parallel columns; an empty `LimitDistance` entry is no limit."""
    columns = ("WarrantyTypeCode", "StartDate", "EndDate", "LimitDistance")
    return [
        Warranty(
            kind=meaning(_WARRANTIES, code, "warranty", WarrantyKind.UNKNOWN),
            raw_kind=code,
            starts_on=day(start),
            ends_on=day(end),
            limit_km=maybe_whole(limit),
        )
        for code, start, end, limit in area.rows(*columns)
    ]


def read_visits(area: Node) -> list[ServiceVisit]:
    """Newest first."""
    visits = [_visit(node) for node in area.all("RepairOrder")]
    visits.sort(key=lambda visit: (visit.opened_at, visit.number), reverse=True)
    return visits


def _visit(node: Node) -> ServiceVisit:
    total = node.text("TotalAmount")
    status = meaning(ORDER_STATUS, node.required("OrderStatus"), "repair order state", BookingStatus.UNKNOWN)
    return ServiceVisit(
        vin=node.required("VehicleID"),
        number=node.required("DocumentID"),
        centre=node.required("DealerNumberID"),
        opened_at=moment(node.required("OpenDateTime")),
        closed_at=maybe_moment(node.text("ClosedDateTime")),
        odometer_km=maybe_whole(node.text("InDistanceMeasure")),
        status=status.value,
        works=[bilingual(job.required("JobDescription"), job.text("JobDescriptionEN")) for job in node.all("Job")],
        total=None if total is None else yuan(total),
    )
