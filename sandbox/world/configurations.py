"""Saved configurations, among them one whose paint has been withdrawn since."""

from __future__ import annotations

from .entities import SavedConfiguration
from .offering import WITHDRAWN_OPTION
from .pricing import configure, price_lines, total_of
from .rng import ago, crockford, stream
from .vehicles import pick_options
from .world import World

WITHDRAWN_SHARE_CODE = "A5KX9W7H"  # an A5 PLUS in a paint that is no longer offered
CURRENT_SHARE_CODE = "A7Q2FAM1"  # an A7 SEVEN that can still be built as saved


def add_saved_configurations(world: World) -> None:
    random = stream(world, "configurations")
    withdrawn = {WITHDRAWN_OPTION if code == "K2G" else code for code in world.trims["A5-PLUS"].default_options}
    withdrawn = withdrawn - {"W18"} | {"W19"}
    _save(world, WITHDRAWN_SHARE_CODE, "A5-PLUS", withdrawn, (), 64, "2025.08-R1", "2025.08-P1")
    _save(world, CURRENT_SHARE_CODE, "A7-SEVEN", world.trims["A7-SEVEN"].default_options, (), 3, "", "")
    for trim in world.trims.values():
        for _ in range(2):
            _save(
                world, crockford(random), trim.id, pick_options(world, random, trim), (), random.randint(1, 40), "", ""
            )


def _save(
    world: World,
    share_code: str,
    trim_id: str,
    options: set[str] | tuple[str, ...],
    packages: tuple[str, ...],
    days_ago: int,
    rule_set_version: str,
    price_version: str,
) -> None:
    configuration = configure(world.trims[trim_id], options, packages)
    world.saved_configurations[share_code] = SavedConfiguration(
        share_code=share_code,
        trim_id=trim_id,
        options=configuration.options,
        packages=configuration.packages,
        market="CN",
        price_fen=total_of(price_lines(world, configuration)),
        rule_set_version=rule_set_version or world.rule_set_version,
        price_version=price_version or world.price_version,
        saved_at=ago(world, days=days_ago, minutes=17),
        configuration_hash=configuration.hash,
    )
