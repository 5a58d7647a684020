"""Models, trims and what they offer, as the service shows them."""

from __future__ import annotations

from sandbox.world import World, entities

from .contract import Group, Model, Money, Named, Offer, Option, Package, Text, Trim
from .engine import availability_of


def show_model(model: entities.VehicleModel) -> Model:
    return Model(
        code=model.id,
        brand=model.brand,
        name=Text.of(model.name),
        description=Text.of(model.description),
        body=model.body,
        model_year=model.model_year,
        image_path=model.image,
        trim_codes=list(model.trim_ids),
    )


def show_trim(trim: entities.Trim) -> Trim:
    return Trim(
        code=trim.id,
        model_code=trim.model_id,
        name=Text.of(trim.name),
        description=Text.of(trim.description),
        price=Money(amount_minor=trim.price_fen),
        availability=availability_of(trim),
        range_km=trim.range_km,
        power_kw=trim.power_kw,
        default_options=list(trim.default_options),
    )


def show_offer(world: World, trim: entities.Trim) -> Offer:
    """Without options whose sale has ended, and without packages that hold one."""
    on_sale = [code for code in world.options if code in trim.options and _on_sale(world, code)]
    groups: dict[str, list[Option]] = {}
    for code in on_sale:
        groups.setdefault(world.options[code].group, []).append(_option(world, trim.options[code]))
    shown = sorted((world.option_groups[code] for code in groups), key=lambda group: group.sort)
    packages = [world.packages[code] for code in trim.package_codes]
    return Offer(
        trim_code=trim.id,
        groups=[
            Group(code=g.code, name=Text.of(g.name), cardinality=g.cardinality, options=groups[g.code]) for g in shown
        ],
        packages=[_package(package) for package in packages if set(package.includes) <= set(on_sale)],
    )


def show_name(world: World, code: str) -> Named | None:
    thing = world.options.get(code) or world.packages.get(code)
    return Named(code=code, name=Text.of(thing.name)) if thing else None


def _on_sale(world: World, code: str) -> bool:
    ended = world.options[code].withdrawn_on
    return ended is None or ended > world.today


def _option(world: World, offered: entities.TrimOption) -> Option:
    option = world.options[offered.code]
    return Option(
        code=option.code,
        group_code=option.group,
        name=Text.of(option.name),
        description=Text.of(option.description),
        price=Money(amount_minor=offered.price_fen),
        standard=offered.standard,
        fixed=offered.fixed,
        image_path=option.image,
    )


def _package(package: entities.Package) -> Package:
    return Package(
        code=package.code,
        name=Text.of(package.name),
        description=Text.of(package.description),
        includes=list(package.includes),
        price=Money(amount_minor=package.price_fen),
    )
