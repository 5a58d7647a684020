"""The Process BODs: making, moving and cancelling appointments, approving estimates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID
from xml.etree.ElementTree import Element

from sandbox.dms import records
from sandbox.dms.framing import Fault, Message, Refused, fields, tag, text_of
from sandbox.world import World
from sandbox.world.entities import Appointment, DmsCustomer, Slot
from sandbox.world.operations import job

Clock = Callable[[], datetime]


class Orders:
    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self.clock = clock

    def process(self, message: Message) -> Element:
        """The record as it now is. Raises Refused, having changed nothing."""
        noun = message.name.removeprefix("Process")
        fields(message.data, ("Process", noun))
        expression = message.data.find(f"{tag('Process')}/{tag('ActionExpression')}")
        action = expression.get("actionCode") if expression is not None else None
        record = message.data.find(tag(noun))
        assert record is not None
        if text_of(record, "DealerNumberID") != message.dealer:
            raise Fault("sender and record name different dealers")
        known: dict[tuple[str, str | None], Callable[[Message, Element], Element]] = {
            ("ServiceAppointment", "Add"): self._create,
            ("ServiceAppointment", "Change"): self._move,
            ("ServiceAppointment", "Cancel"): self._cancel,
            ("RepairOrder", "Change"): self._approve,
        }
        handler = known.get((noun, action))
        if handler is None:
            raise Fault(f"no action {action} on {noun}")
        return handler(message, record)

    def _create(self, message: Message, wanted: Element) -> Element:
        needed = ("DealerNumberID", "VehicleID", "ExternalPartyID", "AppointmentDateTime", "AppointmentStatus")
        optional = ("ContactName", "CustomerComments", "PickupIndicator", "OpCode")
        fields(wanted, (*needed, "AppointmentType"), optional)
        if text_of(wanted, "AppointmentStatus") != "10" or text_of(wanted, "AppointmentType") != "I":
            raise Fault("an appointment from outside is of type I and begins in status 10")
        vehicle = self.world.vehicles.get(text_of(wanted, "VehicleID"))
        if vehicle is None:
            raise Refused("E3007", "车辆不存在")
        centre = self.world.centres[message.dealer]
        codes = [(entry.text or "").strip() for entry in wanted.findall(f"{tag('OpCode')}/{tag('V')}")]
        if unknown := [code for code in codes if code not in self.world.operations]:
            raise Refused("E3009", f"工时代码不存在：{unknown[0]}")
        if vehicle.brand not in centre.brands:
            raise Refused("E3002", "该网点不受理此品牌")
        slot = self._free_slot(message.dealer, text_of(wanted, "AppointmentDateTime"))
        slot.taken += 1
        customer = text_of(wanted, "ExternalPartyID")
        self._register(customer, message.dealer)
        made = Appointment(
            number=f"AP{100001 + len(self.world.appointments)}",
            dealer=message.dealer,
            customer_id=customer,
            vin=vehicle.vin,
            starts_at=slot.starts_at,
            status="10",
            type="I",
            jobs=[job(self.world, code) for code in codes],
            created_at=self.clock(),
            confirmation_code=f"CF{UUID(message.bod_id).hex[:8].upper()}",
            customer_note=text_of(wanted, "CustomerComments"),
            internal_notes="",
            slot_id=slot.id,
            request_id=message.bod_id,
            contact_name=text_of(wanted, "ContactName"),
            pickup=text_of(wanted, "PickupIndicator") == "1",
        )
        self.world.appointments[made.number] = made
        return records.appointment(self.world, made)

    def _move(self, message: Message, wanted: Element) -> Element:
        fields(wanted, ("DocumentID", "DealerNumberID", "AppointmentDateTime"))
        found = self._open_appointment(message, wanted)
        slot = self._free_slot(message.dealer, text_of(wanted, "AppointmentDateTime"), found.slot_id)
        if slot.id != found.slot_id:
            slot.taken += 1
            self._give_back(found)
            found.slot_id, found.starts_at = slot.id, slot.starts_at
        return records.appointment(self.world, found)

    def _cancel(self, message: Message, wanted: Element) -> Element:
        fields(wanted, ("DocumentID", "DealerNumberID", "AppointmentStatus"), ("CancelReason",))
        if text_of(wanted, "AppointmentStatus") != "90":
            raise Fault("a cancelled appointment is in status 90")
        found = self._open_appointment(message, wanted)
        self._give_back(found)
        found.status, found.slot_id = "90", None
        if reason := text_of(wanted, "CancelReason"):
            found.internal_notes = f"{found.internal_notes} 取消原因：{reason}".strip()
        return records.appointment(self.world, found)

    def _approve(self, message: Message, wanted: Element) -> Element:
        fields(wanted, ("AppointmentID", "DealerNumberID", "EstimateApproval"))
        visit, version = (
            text_of(wanted, "AppointmentID"),
            wanted.findtext(f"{tag('EstimateApproval')}/{tag('Version')}"),
        )
        mine = (o for o in self.world.repair_orders.values() if o.appointment == visit and o.dealer == message.dealer)
        order = next(mine, None)
        if order is None:
            raise Refused("E1003", f"单据不存在：{visit}")
        if order.status == "I":
            raise Refused("E2001", "单据正在结算，已锁定")
        newest = order.estimates[-1] if order.estimates else None
        if newest is None or str(newest.version) != version:
            raise Refused("E3004", "估价单版本已更新")
        if newest.approved_at is not None:
            raise Refused("E3005", "估价单已确认")
        newest.approved_at = self.clock()
        if order.status == "A":
            order.status = "W"
        return records.repair_order(order)

    def _open_appointment(self, message: Message, wanted: Element) -> Appointment:
        number = text_of(wanted, "DocumentID")
        found = self.world.appointments.get(number)
        if found is None or found.dealer != message.dealer:
            raise Refused("E1003", f"单据不存在：{number}")
        if found.status not in ("10", "20"):
            raise Refused("E3003", f"单据状态不允许此操作：{found.status}")
        return found

    def _free_slot(self, dealer: str, start: str, own: str | None = None) -> Slot:
        """The slot that begins then, if there is room in it (for the appointment that is in it, there is)."""
        try:
            moment = datetime.strptime(start, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=records.LOCAL)
        except ValueError as error:
            raise Fault("AppointmentDateTime is a local time") from error
        slot = next((s for s in self.world.slots_of(dealer) if s.starts_at == moment), None)
        if slot is None or slot.starts_at <= self.clock():
            raise Refused("E3002", "无此时段")
        if slot.capacity_left <= 0 and slot.id != own:
            raise Refused("E3001", "该时段已约满")
        return slot

    def _give_back(self, found: Appointment) -> None:
        slot = self.world.slots.get(found.slot_id or "")
        if slot is not None and slot.taken > 0:
            slot.taken -= 1

    def _register(self, customer_id: str, dealer: str) -> None:
        """A dealer keeps a record of its own of everybody who comes."""
        customer = self.world.customer(customer_id)
        if customer is None or self.world.dms_customer_of(customer_id, dealer) is not None:
            return
        number = f"D{dealer[2:]}{len(self.world.dms_customers) + 1:05d}"
        where = customer.address
        self.world.dms_customers[number] = DmsCustomer(
            number=number,
            customer_id=customer_id,
            dealer=dealer,
            name=customer.name_zh,
            phone=customer.phone,
            language=customer.language,
            address=f"{where.province}{where.city}{where.district}{where.line}",
        )
