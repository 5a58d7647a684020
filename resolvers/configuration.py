"""What a customer builds of it: checking a selection, saving a configuration and sharing it."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum

import strawberry

from bff.context import RequestContext
from bff.domain import configurator as domain
from bff.domain.base import Money as MoneyValue
from bff.domain.base import Outcome
from bff.errors import InvalidInput
from resolvers import loads
from resolvers.common import Money, Request, enum, field, localised, mutation, prop
from resolvers.configurator import Trim
from resolvers.fields import batch_field, load_one
from resolvers.payloads import IDEMPOTENCY_KEY, UserError, entity, idempotency, payload, refusal_code
from resolvers.relay import Node, global_id, node_of
from resolvers.rights import scopes

MOST_CODES = 200

enum(
    domain.OptionState,
    "What can be done with an option, given what is selected.",
    {
        "SELECTED": "Chosen.",
        "AVAILABLE": "Can be chosen.",
        "FORCED": "Comes with what was chosen, or is built in; it cannot be taken off by itself.",
        "BLOCKED": "Cannot be chosen while the options in `blockedBy` are.",
    },
)
enum(
    domain.PriceLineKind,
    "What a line of a price is for.",
    {"TAX": "VAT contained in the other lines; it adds nothing.", "DISCOUNT": "Negative."},
)


@strawberry.type(description="Rules that cannot hold together for this selection.")
class ConfigurationConflict:
    message: str = localised("What is wrong, in words for the customer.", "message")
    rules: list[str] = prop("Ids of the rules, for support.")
    options: list[str] = prop("A smallest set of options in conflict: taking any one away resolves it.")


@strawberry.type(description="A smallest change that makes the selection buildable. The last pick is kept.")
class ConfigurationAlternative:
    add: list[str] = prop("Option codes to add.")
    remove: list[str] = prop("Option codes to take away.")
    price_delta: Money = prop("What it does to the price.")


@strawberry.type(description="What can be done with one option now.")
class OptionVerdict:
    code: str = prop("Option code.")
    state: domain.OptionState = prop("What can be done with it.")
    blocked_by: list[str] = prop("Selected options that stand in its way.")


@strawberry.type(description="A line of a price.")
class PriceLine:
    kind: domain.PriceLineKind = prop("What it is for.")
    code: str = prop("Code of the trim, option or package.")
    text: str = localised("What it is, in words.", "text")
    amount: Money = prop("Amount with VAT.")


@strawberry.type(description="When the car could be handed over, were it ordered now.")
class DeliveryEstimate:
    earliest: date = prop("Not before this day.")
    latest: date = prop("Probably not after this day.")
    as_of: datetime = prop("When the estimate was made.")


@strawberry.type(description="A selection of trim, options and packages.")
class ConfigurationSelection:
    trim_code: str = prop("Trim code.")
    options: list[str] = prop("Selected option codes.")
    packages: list[str] = prop("Selected package codes.")
    trim: Trim | None = batch_field(loads.trims, key="trim_code", description="The trim.")


@strawberry.type(description="What today's rules and prices say of a selection.")
class ConfigurationCheck:
    selection: ConfigurationSelection = prop("What was checked.")
    is_buildable: bool = prop("Whether no rule is broken.")
    is_complete: bool = prop("Whether every group that needs a choice has one.")
    availability: domain.Availability = prop("Whether the trim can be had.")
    conflicts: list[ConfigurationConflict] = prop("What is wrong; empty where it is buildable.")
    alternatives: list[ConfigurationAlternative] = prop("Ways out, the smallest first; at most five.")
    options: list[OptionVerdict] = prop("Every option of the trim and what can be done with it.")
    price_lines: list[PriceLine] = prop("The price in lines.")
    total: Money = prop("The price with VAT.")
    delivery: DeliveryEstimate | None = prop("When it could be delivered; null where it cannot be built.")
    configuration_hash: str = prop("Names exactly this configuration; locking an order repeats it.")
    rule_set_version: str = prop("Version of the rules.")
    price_version: str = prop("Version of the prices.")


@strawberry.type(description="What changed since a configuration was saved.")
class ConfigurationDrift:
    withdrawn: list[str] = prop("Options that are no longer sold.")
    price_delta: Money = prop("By how much the price changed.")
    rules_changed: bool = prop("Whether other rules are in force.")


async def _configuration_by_key(context: RequestContext, key: str) -> domain.LoadedConfiguration | None:
    return await load_one(context, loads.configurations, key)


@strawberry.type(
    description="A saved configuration, checked again by today's rules and prices. Anyone with the code sees it."
)
@node_of(domain.LoadedConfiguration, _configuration_by_key)
class SavedConfiguration(Node):
    id: strawberry.ID = global_id("SavedConfiguration", lambda loaded: loaded.saved.share_code)
    check: ConfigurationCheck = prop("What today's rules say of it.")
    drift: ConfigurationDrift = prop("What changed since it was saved.")

    @field("Eight characters to share it by; O and 0, I, L and 1 are taken as the same.")
    @staticmethod
    def share_code(root: strawberry.Parent[domain.LoadedConfiguration]) -> str:
        return root.saved.share_code

    @field("When it was saved.")
    @staticmethod
    def saved_at(root: strawberry.Parent[domain.LoadedConfiguration]) -> datetime:
        return root.saved.saved_at

    @field("The price when it was saved.", returns=Money)
    @staticmethod
    def saved_total(root: strawberry.Parent[domain.LoadedConfiguration]) -> MoneyValue:
        return root.saved.total


@strawberry.input(description="What the customer picked so far.")
class SelectionInput:
    trim_code: str = strawberry.field(description="Trim code.")
    options: list[str] = strawberry.field(description="Option codes, in any order.", default_factory=list)
    packages: list[str] = strawberry.field(description="Package codes.", default_factory=list)
    last_picked: str | None = strawberry.field(
        description="The option picked last: alternatives keep it.", default=None
    )

    def to_domain(self, market: str) -> domain.Selection:
        """Raises InvalidInput for a selection that is too long or names a code that cannot be one."""
        for name, codes in (("options", self.options), ("packages", self.packages)):
            if len(codes) > MOST_CODES:
                raise InvalidInput(f"At most {MOST_CODES} {name}.", field=f"selection.{name}")
            if bad := next(
                (code for code in codes if not (code.isascii() and code.isalnum() and len(code) <= 12)), None
            ):
                raise InvalidInput(f"{bad[:20]!r} is not an option code.", field=f"selection.{name}")
        return domain.Selection(
            trim_code=self.trim_code,
            options=tuple(dict.fromkeys(self.options)),
            packages=tuple(dict.fromkeys(self.packages)),
            last_picked=self.last_picked,
            market=market,
        )


_CROCKFORD = str.maketrans("OIL", "011", "- ")


def share_code_of(text: str, argument: str = "shareCode") -> str:
    """A share code as it is stored: capitals, with look-alikes mended (Crockford base32). Raises InvalidInput."""
    code = text.upper().translate(_CROCKFORD)
    if len(code) != 8 or not all(char in "0123456789ABCDEFGHJKMNPQRSTVWXYZ" for char in code):
        raise InvalidInput("A share code has eight letters and digits, for example 7K3M-9QXT.", field=argument)
    return code


@strawberry.type
class ConfigurationQuery:
    @field(
        "Check a selection: rules, price, delivery. Null where the trim is unknown.", returns=ConfigurationCheck | None
    )
    @staticmethod
    async def configuration_check(info: Request, selection: SelectionInput) -> domain.Check | None:
        return await load_one(info.context, loads.checks, selection.to_domain(info.context.country))

    @field(
        "A saved configuration by its share code, checked again. Null where no such code was given out.",
        returns=SavedConfiguration | None,
    )
    @staticmethod
    async def configuration(info: Request, share_code: str) -> domain.LoadedConfiguration | None:
        return await load_one(info.context, loads.configurations, share_code_of(share_code))


class ConfigurationErrorCode(Enum):
    NOT_BUILDABLE = "NOT_BUILDABLE"
    TRIM_UNKNOWN = "TRIM_UNKNOWN"
    OTHER = "OTHER"


enum(
    ConfigurationErrorCode,
    "Why a configuration was not saved.",
    {"NOT_BUILDABLE": "A rule is broken: ask `configurationCheck` what is wrong.", "OTHER": "Read the message."},
)


@strawberry.type(description="Why a configuration was not saved.")
class ConfigurationUserError(UserError):
    code: ConfigurationErrorCode = refusal_code(ConfigurationErrorCode)


@strawberry.type(description="A configuration just saved.")
class ConfigurationReceipt:
    share_code: str = prop("Eight characters to share it by.")
    total: Money = prop("The price when it was saved.")
    saved_at: datetime = prop("When it was saved.")
    configuration: SavedConfiguration | None = batch_field(
        loads.configurations, key="share_code", description="The configuration as anyone with the code sees it."
    )


@payload("What became of saving a configuration.", errors=ConfigurationUserError)
class ConfigurationPayload:
    entity: ConfigurationReceipt | None = entity("What was saved.")


@strawberry.input(description="A selection to keep and share.")
class SaveConfigurationInput:
    selection: SelectionInput = strawberry.field(description="What to save; it must be buildable.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type
class ConfigurationMutation:
    @mutation(
        "Save a configuration for good and get a share code for it.",
        returns=ConfigurationPayload,
        directives=[scopes("catalogue:read")],
    )
    @staticmethod
    async def save_configuration(info: Request, input: SaveConfigurationInput) -> Outcome[domain.SavedConfiguration]:
        key = idempotency(info, input.idempotency_key)
        return await info.context.ports.configurator.save(input.selection.to_domain(info.context.country), key)
