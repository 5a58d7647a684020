"""The ERP's entities as sales orders, and changes as batch parts. Contract: docs/contracts/erp.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

from adapters.transport.codes import report_unknown
from adapters.transport.odata import EntityMetadata, Results
from adapters.transport.odata_batch import ChangeSet, Part
from adapters.transport.odata_values import count, entity, equals, minor_units, options, read_date, write_date
from bff.domain.base import Money, Refusal
from bff.domain.vehicle_order import (
    PriceCondition,
    RejectionReason,
    SalesOrder,
    SalesOrderDraft,
    SalesOrderItem,
    SalesOrderStatus,
)

EXPANDED = "to_Item,to_PricingElement"
ORDER_TYPE, SALES_ORGANISATION, CHANNEL, DIVISION = "ZVEH", "CN01", "10", "00"
DUPLICATE_REFERENCE = "ZSD/021"

STATUSES: Mapping[str, SalesOrderStatus] = {
    "A": SalesOrderStatus.OPEN,
    "B": SalesOrderStatus.IN_PROCESS,
    "C": SalesOrderStatus.COMPLETED,
}
REJECTION_REASONS: Mapping[RejectionReason, str] = {
    RejectionReason.CUSTOMER_CANCELLED: "Z1",
    RejectionReason.NOT_DELIVERABLE: "Z2",
}
REFUSALS: Mapping[str, Refusal] = {
    "V1/382": Refusal(code="MATERIAL_UNKNOWN", message="An item of the order cannot be sold."),
    "VP/199": Refusal(code="CUSTOMER_UNKNOWN", message="The customer has no account that orders can be booked on."),
    "ZSD/010": Refusal(code="NOT_AVAILABLE", message="The ordered quantity is not available."),
    "ZSD/030": Refusal(code="NOT_CHANGEABLE", message="The order is completed and can no longer be changed."),
}
CHANGED_MEANWHILE = Refusal(code="CHANGED_MEANWHILE", message="The order was changed meanwhile. Read it again.")


class WireItem(msgspec.Struct, frozen=True, rename="pascal"):
    sales_order_item: str
    material: str
    sales_order_item_text: str
    requested_quantity: str
    net_amount: str
    transaction_currency: str
    sales_document_rjcn_reason: str = ""


class WirePricingElement(msgspec.Struct, frozen=True, rename="pascal"):
    condition_type: str
    condition_amount: str
    transaction_currency: str


class WireSalesOrder(msgspec.Struct, frozen=True, rename="pascal"):
    sales_order: str
    purchase_order_by_customer: str
    creation_date: str
    total_net_amount: str
    transaction_currency: str
    overall_sd_process_status: str = msgspec.field(name="OverallSDProcessStatus")
    overall_sd_document_rejection_sts: str = msgspec.field(name="OverallSDDocumentRejectionSts")
    to_item: Results[WireItem] = msgspec.field(name="to_Item")
    to_pricing_element: Results[WirePricingElement] = msgspec.field(name="to_PricingElement")
    requested_delivery_date: str | None = None
    metadata: EntityMetadata = msgspec.field(name="__metadata", default=EntityMetadata())


class WireAvailability(msgspec.Struct, frozen=True, rename="pascal"):
    material: str
    plant: str
    available_quantity: str


def sales_order_part(number: str) -> Part:
    return Part("GET", entity("A_SalesOrder", number) + options(expand=EXPANDED))


def by_reference(reference: str) -> str:
    """Path of the orders of a customer reference; as a rule there is one at most."""
    wanted = equals("PurchaseOrderByCustomer", reference)
    return "A_SalesOrder" + options(filter=wanted, expand=EXPANDED, top=2)


def availability_part(material: str) -> Part:
    return Part("GET", "ZC_AvailableToPromise" + options(filter=equals("Material", material)))


def create_entries(draft: SalesOrderDraft) -> list[Part | ChangeSet]:
    """The order with its items in one insert, then the order as the ERP has priced it."""
    body = {
        "SalesOrderType": ORDER_TYPE,
        "SalesOrganization": SALES_ORGANISATION,
        "DistributionChannel": CHANNEL,
        "OrganizationDivision": DIVISION,
        "SoldToParty": draft.sold_to,
        "PurchaseOrderByCustomer": draft.reference,
        "RequestedDeliveryDate": write_date(draft.requested_delivery_on),
        "to_Item": {
            "results": [{"Material": line.material, "RequestedQuantity": str(line.quantity)} for line in draft.lines]
        },
    }
    insert = Part("POST", "A_SalesOrder", body=msgspec.json.encode(body))
    return [ChangeSet([insert]), Part("GET", by_reference(draft.reference))]


def reschedule_entries(order: SalesOrder, requested_delivery_on: date) -> list[Part | ChangeSet]:
    body = {"RequestedDeliveryDate": write_date(requested_delivery_on)}
    return _change(order, [(entity("A_SalesOrder", order.number), body)])


def cancel_entries(order: SalesOrder, reason: RejectionReason) -> list[Part | ChangeSet]:
    body = {"SalesDocumentRjcnReason": REJECTION_REASONS[reason]}
    keys = [{"SalesOrder": order.number, "SalesOrderItem": item.number} for item in order.items if not item.rejected]
    return _change(order, [(entity("A_SalesOrderItem", key), body) for key in keys])


def _change(order: SalesOrder, merges: Sequence[tuple[str, object]]) -> list[Part | ChangeSet]:
    """All changes in one changeset, then the order as it now is."""
    headers = {"If-Match": order.etag}
    parts = [Part("PATCH", path, headers, msgspec.json.encode(body)) for path, body in merges]
    return [ChangeSet(parts), sales_order_part(order.number)]


def read_order(wire: WireSalesOrder) -> SalesOrder:
    """Raises ValueError for amounts, quantities and dates that are none."""
    status = STATUSES.get(wire.overall_sd_process_status, SalesOrderStatus.UNKNOWN)
    if status is SalesOrderStatus.UNKNOWN:
        report_unknown("erp", "sales order status", wire.overall_sd_process_status)
    requested = wire.requested_delivery_date
    return SalesOrder(
        number=wire.sales_order,
        status=status,
        raw_status=wire.overall_sd_process_status,
        net_total=_money(wire.total_net_amount, wire.transaction_currency),
        created_on=read_date(wire.creation_date),
        items=[_item(item) for item in wire.to_item.results],
        conditions=[
            PriceCondition(code=c.condition_type, amount=_money(c.condition_amount, c.transaction_currency))
            for c in wire.to_pricing_element.results
        ],
        etag=wire.metadata.etag,
        reference=wire.purchase_order_by_customer,
        rejected=wire.overall_sd_document_rejection_sts == "C",
        requested_delivery_on=read_date(requested) if requested else None,
    )


def read_availability(material: str, rows: Sequence[WireAvailability]) -> int | None:
    """Whole units over all plants; None where no plant keeps the material."""
    if any(row.material != material for row in rows):
        raise ValueError(f"asked for {material}, answered {rows}")
    return sum(count(row.available_quantity) for row in rows) if rows else None


def _item(wire: WireItem) -> SalesOrderItem:
    return SalesOrderItem(
        number=wire.sales_order_item,
        material=wire.material,
        text=wire.sales_order_item_text,
        quantity=count(wire.requested_quantity),
        net=_money(wire.net_amount, wire.transaction_currency),
        rejected=bool(wire.sales_document_rjcn_reason),
    )


def _money(text: str, currency: str) -> Money:
    return Money(amount_minor=minor_units(text, currency), currency=currency)
