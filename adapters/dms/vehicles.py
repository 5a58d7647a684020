"""Cars as the dealer system keeps them. One call a car and question, all cars side by side: one round."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.dms.client import DmsClient
from adapters.dms.vehicle_wire import read_vehicle, read_visits, read_warranties
from adapters.transport.soap import Xml, element
from adapters.transport.upstream import Operation, Upstream
from bff.domain.base import Found
from bff.domain.vehicle import ServiceVisit, Vehicle, VehicleRef, Warranty

GET_VEHICLE = Operation(name="GetVehicle")
GET_WARRANTY = Operation(name="GetWarranty")
GET_REPAIR_ORDER = Operation(name="GetRepairOrder")


def of_vin(vin: str) -> Xml:
    return element("Criteria", element("VehicleID", vin))


class DmsVehicles:
    """`VehiclePort` on the dealer system."""

    def __init__(self, upstream: Upstream) -> None:
        self._dms = DmsClient(upstream)

    async def vehicles(self, refs: Sequence[VehicleRef]) -> Found[VehicleRef, Vehicle]:
        async def one(ref: VehicleRef) -> Vehicle | None:
            return await self._vehicle(ref.vin)

        return await self._dms.each(refs, one)

    async def locate(self, vins: Sequence[str]) -> Found[str, VehicleRef]:
        async def one(vin: str) -> VehicleRef | None:
            vehicle = await self._vehicle(vin)
            return None if vehicle is None else vehicle.ref

        return await self._dms.each(vins, one)

    async def warranties(self, refs: Sequence[VehicleRef]) -> Found[VehicleRef, list[Warranty]]:
        async def one(ref: VehicleRef) -> list[Warranty] | None:
            area = await self._dms.show(GET_WARRANTY, of_vin(ref.vin), ref.vin)
            return None if area is None else read_warranties(area)

        return await self._dms.each(refs, one)

    async def visits(self, refs: Sequence[VehicleRef]) -> Found[VehicleRef, list[ServiceVisit]]:
        async def one(ref: VehicleRef) -> list[ServiceVisit] | None:
            area = await self._dms.show(GET_REPAIR_ORDER, of_vin(ref.vin), ref.vin)
            return None if area is None else read_visits(area)

        return await self._dms.each(refs, one)

    async def _vehicle(self, vin: str) -> Vehicle | None:
        area = await self._dms.show(GET_VEHICLE, of_vin(vin), vin)
        return None if area is None else read_vehicle(area)
