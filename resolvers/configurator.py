"""What can be built: models, trims, options."""

from __future__ import annotations

import strawberry

from bff.context import RequestContext
from bff.domain import configurator as domain
from resolvers import loads
from resolvers.common import Money, Request, enum, field, localised, prop
from resolvers.fields import batch_field, load_one
from resolvers.relay import Node, global_id, node_of

enum(
    domain.Availability,
    "Whether a trim can be had.",
    {"BUILD": "Built to order.", "STOCK": "Built cars are at hand.", "SOLD_OUT": "Not for now."},
)
enum(domain.BodyStyle, "The shape of the car.")
enum(domain.Cardinality, "How many options of a group may be chosen.")


@strawberry.type(description="An option as this trim offers it.")
class Option:
    code: str = prop("The maker's option code, for example `K2G`.")
    name: str = localised("Name.", "name")
    description: str = localised("A sentence about it.", "description")
    price: Money = prop("Price with VAT; nothing where it is standard.")
    standard: bool = prop("Whether it is in the base price.")
    fixed: bool = prop("Whether it is built in and cannot be taken off.")
    image_path: str | None = prop("Picture, as a path on the content host.")


@strawberry.type(description="Options of one kind, such as paints.")
class OptionGroup:
    code: str = prop("The group's code.")
    name: str = localised("Name.", "name")
    cardinality: domain.Cardinality = prop("How many of them may be chosen.")
    options: list[Option] = prop("What can be chosen, in the order to show.")


@strawberry.type(description="Options that are sold together.")
class OptionPackage:
    code: str = prop("The package's code.")
    name: str = localised("Name.", "name")
    description: str = localised("A sentence about it.", "description")
    includes: list[str] = prop("Codes of the options in it.")
    price: Money = prop("Price with VAT, in place of the single prices.")


@strawberry.type(description="Everything that can be chosen on a trim.")
class TrimOffer:
    groups: list[OptionGroup] = prop("Option groups, in the order to show.")
    packages: list[OptionPackage] = prop("Packages.")


async def _trim_by_key(context: RequestContext, key: str) -> domain.Trim | None:
    return await load_one(context, loads.trims, key)


@strawberry.type(description="An equipment line of a model.")
@node_of(domain.Trim, _trim_by_key)
class Trim(Node):
    id: strawberry.ID = global_id("Trim", lambda trim: trim.code)
    code: str = prop("The trim's code; selections name it.")
    name: str = localised("Name.", "name")
    description: str = localised("A sentence about it.", "description")
    price: Money = prop("Price with VAT, with the default options.")
    availability: domain.Availability = prop("Whether it can be had.")
    range_km: int = prop("Range in km (CLTC).")
    power_kw: int = prop("Power in kW.")
    default_options: list[str] = prop("Option codes of a complete configuration to start from.")
    offer: TrimOffer | None = batch_field(
        loads.offers, key="code", description="Option groups and packages to choose from."
    )


async def _model_by_key(context: RequestContext, key: str) -> domain.VehicleModel | None:
    return await load_one(context, loads.models, key)


@strawberry.type(description="A model line.")
@node_of(domain.VehicleModel, _model_by_key)
class VehicleModel(Node):
    id: strawberry.ID = global_id("VehicleModel", lambda model: model.code)
    code: str = prop("The model's code in every system, for example `A5`.")
    brand: str = prop("Brand code.")
    name: str = localised("Name.", "name")
    description: str = localised("A sentence about it.", "description")
    body: domain.BodyStyle = prop("The shape of the car.")
    model_year: int = prop("Model year.")
    image_path: str | None = prop("Picture, as a path on the content host.")
    trims: list[Trim] | None = batch_field(
        loads.trims_of_models,
        key=lambda model: tuple(model.trim_codes),
        description="Equipment lines, the basic one first.",
    )


@strawberry.type
class ConfiguratorQuery:
    @field("Model lines on sale; of one brand where it is given.", returns=list[VehicleModel] | None)
    @staticmethod
    async def vehicle_models(info: Request, brand: str | None = None) -> list[domain.VehicleModel]:
        return await info.context.ports.configurator.models(brand or info.context.brand)

    @field("A model line by its code.", returns=VehicleModel | None)
    @staticmethod
    async def vehicle_model(info: Request, code: str) -> domain.VehicleModel | None:
        return await load_one(info.context, loads.models, code)

    @field("An equipment line by its code.", returns=Trim | None)
    @staticmethod
    async def trim(info: Request, code: str) -> domain.Trim | None:
        return await load_one(info.context, loads.trims, code)
