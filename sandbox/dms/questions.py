"""The Get BODs: one car, one document or one centre a call. None stands for `RetCode 0` with an empty body."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from xml.etree.ElementTree import Element

from sandbox.dms import records
from sandbox.dms.framing import Fault, Message, Refused, fields, tag, text_of
from sandbox.world import World
from sandbox.world.entities import Vehicle

HEAD_OFFICE = "HQ0000"
MOST_DAYS = 31

Answer = Sequence[Element] | None


class Questions:
    def __init__(self, world: World) -> None:
        self.world = world
        self.known: dict[str, Callable[[Message, Element], Answer]] = {
            "GetVehicle": self._vehicle,
            "GetWarranty": self._warranty,
            "GetRepairOrder": self._repair_orders,
            "GetServiceAppointment": self._appointments,
            "GetAppointmentAvailability": self._availability,
        }

    def ask(self, message: Message) -> Answer:
        fields(message.data, ("Criteria",))
        criteria = message.data.find(tag("Criteria"))
        assert criteria is not None
        return self.known[message.name](message, criteria)

    def _vehicle(self, _message: Message, criteria: Element) -> Answer:
        fields(criteria, ("VehicleID",))
        car = self._car(criteria)
        return None if car is None else [records.vehicle(self.world, car)]

    def _warranty(self, _message: Message, criteria: Element) -> Answer:
        fields(criteria, ("VehicleID",))
        car = self._car(criteria)
        return None if car is None else records.warranty_columns(car)

    def _repair_orders(self, message: Message, criteria: Element) -> Answer:
        name, value = _one_of(criteria, ("VehicleID", "DocumentID", "AppointmentID"))
        orders = self.world.repair_orders
        if name == "VehicleID":
            if self._car(criteria) is None:
                return None
            return [records.repair_order(order) for order in self.world.repair_orders_of(value)]
        if name == "DocumentID":
            found = orders.get(value)
            if found is None or found.dealer != message.dealer:
                raise Refused("E1003", f"单据不存在：{value}")
            return [records.repair_order(found)]
        of_visit = [order for order in orders.values() if order.appointment == value and order.dealer == message.dealer]
        return [records.repair_order(order) for order in of_visit] or None

    def _appointments(self, message: Message, criteria: Element) -> Answer:
        name, value = _one_of(criteria, ("VehicleID", "DocumentID", "RequestBODID"))
        known = self.world.appointments
        if name == "VehicleID":
            if self._car(criteria) is None:
                return None
            return [records.appointment(self.world, found) for found in known.values() if found.vin == value]
        if name == "DocumentID":
            found = known.get(value)
            if found is None or found.dealer != message.dealer:
                raise Refused("E1003", f"单据不存在：{value}")
            return [records.appointment(self.world, found)]
        asked = [a for a in known.values() if a.request_id == value and a.dealer == message.dealer]
        return [records.appointment(self.world, found) for found in asked] or None

    def _availability(self, message: Message, criteria: Element) -> Answer:
        fields(criteria, ("DealerNumberID", "FromDate", "ToDate"), ("MakeCode",))
        centre = self.world.centres.get(text_of(criteria, "DealerNumberID"))
        if centre is None or centre.id != message.dealer:
            raise Refused("E3006", "经销商不存在")
        first, last = _day(text_of(criteria, "FromDate")), _day(text_of(criteria, "ToDate"))
        if not first <= last <= first + timedelta(days=MOST_DAYS):
            raise Fault(f"a question covers 1 to {MOST_DAYS} days")
        make = text_of(criteria, "MakeCode")
        if make and make not in centre.brands:
            return records.slot_columns([])
        slots = self.world.slots_of(centre.id)
        return records.slot_columns(s for s in slots if first <= s.starts_at.astimezone(records.LOCAL).date() <= last)

    def _car(self, criteria: Element) -> Vehicle | None:
        vin = text_of(criteria, "VehicleID")
        if not re.fullmatch("[0-9A-HJ-NPR-Z]{17}", vin):
            raise Fault("VehicleID is a VIN")
        return self.world.vehicles.get(vin)


def _one_of(criteria: Element, names: tuple[str, ...]) -> tuple[str, str]:
    """The single criterion of a question."""
    fields(criteria, (), names)
    if len(criteria) != 1:
        raise Fault(f"one criterion, of {', '.join(names)}")
    return criteria[0].tag.rpartition("}")[2], (criteria[0].text or "").strip()


def _day(text: str) -> date:
    try:
        if len(text) != 8:
            raise ValueError(text)
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError as error:
        raise Fault("a date is yyyyMMdd") from error
