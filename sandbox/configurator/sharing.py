"""Saved configurations and their share codes: eight characters of Crockford base32, read tolerantly."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sandbox.kit.rest import Refused
from sandbox.world.entities import Market, SavedConfiguration

from .contract import Drift, Loaded, Money, Saved, Selection
from .engine import Configurator

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})
_MARKETS: dict[str, Market] = {"CN": "CN", "HK": "HK", "SG": "SG"}


def canonical(typed: str) -> str:
    """A code as people type it → as it is kept: lower case, hyphens, I, L and O are understood."""
    return typed.upper().translate(_READ_AS)


def save(configurator: Configurator, selection: Selection, now: datetime) -> Saved:
    """Refused as NOT_BUILDABLE when a rule is broken, as MARKET_UNKNOWN where nothing is sold, as NOT_FOUND
    when the trim does not exist."""
    world = configurator.world
    picked, check = configurator.picked(selection), configurator.check(selection)
    if picked is None or check is None:
        raise Refused("NOT_FOUND", "there is no such trim", 404)
    if not check.is_buildable:
        raise Refused("NOT_BUILDABLE", "the selection breaks rules", 422)
    market = _MARKETS.get(selection.market)
    if market is None:
        raise Refused("MARKET_UNKNOWN", f"market is one of {', '.join(_MARKETS)}", 422)
    configuration = picked.configuration
    saved = SavedConfiguration(
        share_code=_free_code(configurator, configuration.hash),
        trim_id=selection.trim_code,
        options=configuration.options,
        packages=configuration.packages,
        market=market,
        price_fen=check.total.amount_minor,
        rule_set_version=world.rule_set_version,
        price_version=world.price_version,
        saved_at=now,
        configuration_hash=configuration.hash,
    )
    world.saved_configurations[saved.share_code] = saved
    return _show(saved)


def load(configurator: Configurator, typed: str) -> Loaded | None:
    """Checked again by the rules and prices of today."""
    saved = configurator.world.saved_configurations.get(canonical(typed))
    if saved is None:
        return None
    shown = _show(saved)
    picked, check = configurator.picked(shown.selection), configurator.check(shown.selection)
    if picked is None or check is None:
        return None
    gone = picked.rules.codes_of(picked.picks & picked.rules.unsellable())
    return Loaded(
        share_code=saved.share_code,
        saved=shown,
        check=check,
        drift=Drift(
            withdrawn=[*gone, *picked.strangers],
            price_delta=Money(amount_minor=check.total.amount_minor - saved.price_fen),
            rules_changed=saved.rule_set_version != configurator.world.rule_set_version,
        ),
    )


def _show(saved: SavedConfiguration) -> Saved:
    return Saved(
        share_code=saved.share_code,
        selection=Selection(
            trim_code=saved.trim_id, options=list(saved.options), packages=list(saved.packages), market=saved.market
        ),
        total=Money(amount_minor=saved.price_fen),
        saved_at=saved.saved_at,
        configuration_hash=saved.configuration_hash,
        rule_set_version=saved.rule_set_version,
        price_version=saved.price_version,
    )


def _free_code(configurator: Configurator, configuration_hash: str) -> str:
    """Drawn from the hash and how many are kept, so that a world tells the same story every time."""
    kept = configurator.world.saved_configurations
    turn = len(kept)
    while True:
        digest = hashlib.sha256(f"{configuration_hash}:{turn}".encode()).digest()
        code = "".join(ALPHABET[byte & 31] for byte in digest[:8])
        if code not in kept:
            return code
        turn += 1
