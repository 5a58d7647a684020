"""All ports of the service in one place, as composition fills them and resolvers name them."""

from __future__ import annotations

from dataclasses import dataclass

from bff.domain.catalogue import CataloguePort
from bff.domain.commerce import CommercePort
from bff.domain.community import CommunityPort
from bff.domain.configurator import ConfiguratorPort
from bff.domain.content import ContentPort
from bff.domain.customer import CustomerPort
from bff.domain.events import BookingEvents, OrderEvents
from bff.domain.leads import LeadPort
from bff.domain.login import LoginPort
from bff.domain.payment import PaymentPort
from bff.domain.service import CentrePort, ServicePort
from bff.domain.vehicle import ConnectedVehiclePort, VehiclePort
from bff.domain.vehicle_order import DeliveryProgressPort, ProductionPort, SalesOrderPort, VehicleOrderPort


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What each port answers, and today by which system, is said in composition; nobody else knows."""

    customers: CustomerPort
    vehicles: VehiclePort
    connected: ConnectedVehiclePort
    configurator: ConfiguratorPort
    catalogue: CataloguePort
    commerce: CommercePort
    vehicle_orders: VehicleOrderPort
    sales_orders: SalesOrderPort
    production: ProductionPort
    progress: DeliveryProgressPort
    order_events: OrderEvents
    payments: PaymentPort
    service: ServicePort
    booking_events: BookingEvents
    centres: CentrePort
    content: ContentPort
    community: CommunityPort
    leads: LeadPort
    logins: LoginPort | None = None
