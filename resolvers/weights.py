"""How dear the estate is to ask and how long its lists are: the facts behind the directives of `resolvers.cost`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resolvers import loads
from resolvers.cost import ListSize, about, sized_by
from resolvers.fields import BatchLoad

OLD_WEIGHT = 5.0
"""A value of the ERP, in bulk but slow, or of what may be the dealer management system, by pilot."""
EACH_WEIGHT = 10.0
"""A value that takes a call by itself, under a cap of ten connections or fewer: dealer management system and plant."""
LOAD_WEIGHTS: Mapping[BatchLoad[Any, Any], float] = {
    loads.vehicle_records: EACH_WEIGHT,
    loads.warranties: EACH_WEIGHT,
    loads.service_visits: EACH_WEIGHT,
    loads.productions: EACH_WEIGHT,
    loads.sales_orders: OLD_WEIGHT,
    loads.slots: OLD_WEIGHT,
    loads.bookings: OLD_WEIGHT,
    loads.bookings_of_vehicles: OLD_WEIGHT,
    loads.estimates: OLD_WEIGHT,
}
"""What one value of a load costs its system; `resolvers.cost.BULK_WEIGHT` for all others."""

SIZES: Mapping[str, ListSize] = {
    "Query.nodes": sized_by("ids", assumed=50),
    "Query.serviceCentres": about(50),
    "Query.testDriveSlots": about(50),
    "Query.storeLeads": sized_by("limit", assumed=20),
    "Query.vehicleModels": about(10),
    "Post.comments": sized_by("limit", assumed=3),
    "ServiceCentre.slots": about(50),
    "ServiceBookingList.items": about(10),
    "ConfigurationCheck.options": about(40),
    "TrimOffer.groups": about(10),
    "OptionGroup.options": about(10),
    "ContentBundle.assets": about(10),
    "DeliveryProgress.events": about(10),
    "Production.segments": about(10),
}
"""Lists that are longer than `bff.operations.sizes.SHORT_LIST`, as they are in the estate."""
