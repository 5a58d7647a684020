"""What a deployment lets through: one table for development and production, each number with its source.

The two differ in what a stranger may try, not in how an operation is run. Settings overwrite single entries
(docs/operations.md); this module reads nothing but what it is given.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Positive = Annotated[int, msgspec.Meta(gt=0)]
T = TypeVar("T")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """The most that one document may hold. Trusted documents are measured when their manifest is built, not again.

    The reference for "enough" are the operations in `examples/operations`: the largest has 1,500 bytes, 230 tokens, 70
    fields, depth 9 and 2 fragments. The reference for "too much" is time: graphql-core parses about 90 tokens and
    validates about 10 fields in a millisecond on one core.
    """

    document_bytes: int = 32_768
    """Twenty times the largest screen; one string of this length, all escapes, takes graphql-core 25 ms."""
    tokens: int = 2_000
    """Lexical tokens: nine times the largest screen, 20 ms of parsing."""
    nesting: int = 60
    """Open brackets of any kind: four for each level of `depth`. Python's parser fails at about 190."""
    depth: int = 15
    """Fields within fields: what the standard introspection query needs (nine `ofType`); a screen has nine at most."""
    selections: int = 1_000
    """Fields and fragments after every spread is written out, over all operations: 100 ms of validation."""
    overlaps: int = 1_000
    """Pairs of fields that share a response key: each is compared by graphql-core at about 20 µs."""
    aliases: int = 50
    """Clients alias to ask one field twice with other arguments: a screen does so a handful of times."""
    root_fields: int = 20
    """Fields at the root, spreads written out: a screen has one to six."""
    directives: int = 100
    """Over the whole document, spreads written out."""
    directives_per_field: int = 5
    """On one place: `@include`, `@skip`, `@defer` and two to spare."""
    operations: int = 20
    """Definitions in one document: each is validated against all fragments it reaches."""
    fragments: int = 100
    """Definitions: graphql-core compares them in pairs."""
    spreads: int = 200
    """`...Name`, as written."""
    variables: int = 50
    """Variable definitions of one document."""
    variable_values: int = 2_000
    """JSON values in `variables`, members and items of all depths: each is coerced at about 2 µs."""
    list_size: int = 1_000
    """The most that a slicing argument may ask for. Connections bound themselves lower, at their own path."""
    cost: int = 5_000
    """Cost units (docs/operations.md): the dearest screen, a whole model range to configure, costs 1,800."""


class Quota(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`units` of cost in `seconds`, refilled evenly; all of them may be spent at once."""

    units: Positive
    seconds: Positive = 60


class Rates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may spend how much; None: without bound."""

    caller: Quota | None
    """A logged-in caller. A person taps a screen every few seconds at most: 40 of the dearest a minute."""
    anonymous: Quota | None
    """A client address without a login. An office or a carrier's NAT shares one."""
    client: Quota | None
    """All users of one client name and version together, against a release that runs wild."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """How operations are treated. `documents_only`: trusted documents alone, but for service callers."""

    limits: Limits
    introspection: bool
    suggestions: bool
    documents_only: bool
    apq: bool
    rates: Rates


PROFILES: dict[str, Profile] = {
    "development": Profile(
        limits=Limits(),
        introspection=True,
        suggestions=True,
        documents_only=False,
        apq=True,
        rates=Rates(caller=Quota(units=10_000_000), anonymous=Quota(units=10_000_000), client=None),
    ),
    "production": Profile(
        limits=Limits(),
        introspection=False,
        suggestions=False,
        documents_only=True,
        apq=False,
        rates=Rates(caller=Quota(units=50_000), anonymous=Quota(units=100_000), client=None),
    ),
}


PLAN_FIELDS = 10_000
"""Some hundred and fifty screens; two and a half kilobytes each, field for field (docs/performance.md, "Memory")."""


class OperationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The profile in force with what the environment changed, and where things are.

    `documents`: entries of BFF_DOCUMENTS. `rate_store`: `memory` (each process counts for itself), `redis` (all count
    together, at BFF_REDIS_URL), or `off`. `plan_fields`: how many compiled fields a process keeps.
    """

    profile: Profile
    documents: tuple[str, ...]
    rate_store: str
    trusted_proxies: tuple[Network, ...]
    plan_fields: int = PLAN_FIELDS


def read_operation_settings(env: Mapping[str, str], mode: str, problems: list[str]) -> OperationSettings:
    """Adds to `problems` a sentence for each variable that is wrong."""
    base = PROFILES[mode]
    profile = Profile(
        limits=_overlaid(env, "BFF_LIMITS", base.limits, problems),
        introspection=_flag(env, "BFF_INTROSPECTION", base.introspection, problems),
        suggestions=_flag(env, "BFF_SUGGESTIONS", base.suggestions, problems),
        documents_only=_flag(env, "BFF_DOCUMENTS_ONLY", base.documents_only, problems),
        apq=_flag(env, "BFF_APQ", base.apq, problems),
        rates=_overlaid(env, "BFF_RATE_LIMITS", base.rates, problems),
    )
    documents = tuple(entry.strip() for entry in env.get("BFF_DOCUMENTS", "").split(",") if entry.strip())
    if profile.documents_only and not documents:
        problems.append(
            "BFF_DOCUMENTS is missing: only trusted documents are answered, and there are none. Name a manifest that "
            "`bff documents` wrote, or set BFF_DOCUMENTS_ONLY=0 to answer any document."
        )
    store = env.get("BFF_RATE_STORE", "memory")
    if store not in ("memory", "redis", "off"):
        problems.append(f"BFF_RATE_STORE is memory, redis or off, not {store!r}.")
    if store == "redis" and not env.get("BFF_REDIS_URL"):
        problems.append("BFF_REDIS_URL is missing: BFF_RATE_STORE=redis counts there.")
    return OperationSettings(
        profile=profile,
        documents=documents,
        rate_store=store,
        trusted_proxies=_networks(env, problems),
        plan_fields=_plan_fields(env, problems),
    )


def _plan_fields(env: Mapping[str, str], problems: list[str]) -> int:
    said = env.get("BFF_PLAN_FIELDS", str(PLAN_FIELDS))
    if not said.isascii() or not said.isdigit() or int(said) < 1:
        problems.append(f"BFF_PLAN_FIELDS is a whole number from 1 on, not {said!r}.")
        return PLAN_FIELDS
    return int(said)


def _flag(env: Mapping[str, str], name: str, default: bool, problems: list[str]) -> bool:
    said = env.get(name)
    if said is None:
        return default
    if said not in ("0", "1"):
        problems.append(f"{name} is 0 or 1, not {said!r}.")
    return said == "1"


def _overlaid(env: Mapping[str, str], name: str, base: T, problems: list[str]) -> T:
    """`base` with the members that a JSON object names."""
    said = env.get(name)
    if said is None:
        return base
    try:
        changes: dict[str, Any] = msgspec.json.decode(said, type=dict[str, Any])
        return msgspec.convert(msgspec.to_builtins(base) | changes, type(base))
    except msgspec.DecodeError as error:
        problems.append(f"{name} is a JSON object as docs/operations.md shows: {error}.")
        return base


def _networks(env: Mapping[str, str], problems: list[str]) -> tuple[Network, ...]:
    networks: list[Network] = []
    for said in env.get("BFF_TRUSTED_PROXIES", "").replace(",", " ").split():
        try:
            networks.append(ipaddress.ip_network(said))
        except ValueError:
            problems.append(f"BFF_TRUSTED_PROXIES lists addresses and networks (10.0.0.0/8), not {said!r}.")
    return tuple(networks)
