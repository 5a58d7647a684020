"""The price of a configuration, line by line, and its fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from .entities import Configuration, PriceLine, Text, Trim
from .world import World

VAT_PERCENT = 13


def net_of(gross_fen: int) -> int:
    """The amount without VAT, rounded half up to a fen (also for negative amounts)."""
    sign = -1 if gross_fen < 0 else 1
    return sign * ((abs(gross_fen) * 200 + 100 + VAT_PERCENT) // (2 * (100 + VAT_PERCENT)))


def fingerprint(trim_id: str, options: Iterable[str], packages: Iterable[str]) -> str:
    """SHA-256 (hex) of ``{"options":[…],"packages":[…],"trim":…}``, lists sorted, no spaces."""
    content = {"options": sorted(options), "packages": sorted(packages), "trim": trim_id}
    return hashlib.sha256(json.dumps(content, separators=(",", ":"), sort_keys=True).encode()).hexdigest()


def configure(trim: Trim, options: Iterable[str], packages: Iterable[str] = ()) -> Configuration:
    chosen, bundled = tuple(sorted(options)), tuple(sorted(packages))
    return Configuration(trim.id, chosen, bundled, fingerprint(trim.id, chosen, bundled))


def price_lines(world: World, configuration: Configuration, discount_fen: int = 0) -> list[PriceLine]:
    """BASE, one line per package and per priced option outside a package, DISCOUNT if any, then TAX (contained in
    them).
    """
    trim = world.trims[configuration.trim_id]
    model = world.models[trim.model_id]
    name = Text(f"{model.name.zh} {trim.name.zh}", f"{model.name.en} {trim.name.en}")
    lines = [PriceLine("BASE", trim.id, name, trim.price_fen)]
    covered: set[str] = set()
    for code in configuration.packages:
        package = world.packages[code]
        covered.update(package.includes)
        lines.append(PriceLine("PACKAGE", code, package.name, package.price_fen))
    for code in configuration.options:
        offered = trim.options[code]
        if offered.price_fen and code not in covered:
            lines.append(PriceLine("OPTION", code, world.options[code].name, offered.price_fen))
    if discount_fen:
        lines.append(PriceLine("DISCOUNT", "LAUNCH", Text("上市礼遇", "Launch offer"), -discount_fen))
    tax = sum(line.amount_fen - net_of(line.amount_fen) for line in lines)
    lines.append(PriceLine("TAX", "VAT13", Text("其中增值税 13%", "of which VAT 13 %"), tax))
    return lines


def total_of(lines: Iterable[PriceLine]) -> int:
    """What the customer pays; the TAX line is contained in the others."""
    return sum(line.amount_fen for line in lines if line.kind != "TAX")
