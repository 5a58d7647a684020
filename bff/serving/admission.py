"""Which operations get through, as stages of an exchange: documents found, variables and cost bounded, rates charged.

The cost is told where it is asked for (`BFF-Cost: 1`) or explained, not always: it would make every answer longer for
the few who look, and differ between two answers that a cache could hold as one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil

from graphql import ExecutionResult

from bff.context import Caller, CallerKind
from bff.operations.cost import Amount
from bff.operations.documents import TrustedDocuments
from bff.operations.manifests import ManifestError
from bff.operations.persisted import Finder, Named
from bff.operations.rates import Charge, MemoryStore, RateStore, Standing, headers
from bff.operations.rates_redis import RedisStore
from bff.operations.registry import (
    AdmittedPlan,
    AdmittedPlans,
    check_cost,
    check_variables,
    chosen_operation,
    compile_ahead,
)
from bff.profiles import Network, OperationSettings, Rates
from bff.serving.addresses import address_of
from bff.serving.exchange import Exchange, Stages
from bff.serving.refusals import HttpRefusal
from bff.settings import Settings, SettingsError

NEW_DOCUMENT_UNITS = 200.0
"""What looking at a document costs that was not seen before, charged before it is parsed: up to 100 ms of one core."""


def open_admission(plans: AdmittedPlans, settings: Settings) -> Admission:
    """What the settings say, trusted documents compiled. Raises SettingsError for a manifest that cannot be used."""
    wanted = settings.operations
    documents = None
    if wanted.documents:
        try:
            documents = TrustedDocuments(wanted.documents)
        except ManifestError as error:
            raise SettingsError([f"BFF_DOCUMENTS: {error}"]) from error
        compile_ahead(plans, documents)
    store: RateStore | None = None
    if wanted.rate_store == "redis":
        assert settings.redis_url is not None
        store = RedisStore(settings.redis_url)
    elif wanted.rate_store == "memory":
        store = MemoryStore()
    return Admission(plans, Finder(wanted.profile, documents), store, wanted, explains=settings.development)


class Admission:
    """`explains`: development, where explain tells the cost too."""

    def __init__(
        self,
        plans: AdmittedPlans,
        finder: Finder,
        store: RateStore | None,
        settings: OperationSettings,
        *,
        explains: bool = False,
    ) -> None:
        self._plans = plans
        self._finder = finder
        self._store = store
        self._limits = settings.profile.limits
        self._rates = settings.profile.rates
        self._proxies = settings.trusted_proxies
        self._explains = explains

    def find(self, exchange: Exchange) -> Awaitable[None] | None:
        """Put the document's text into the request. Raises InvalidOperation, and HttpRefusal 429."""
        request, context = exchange.request, exchange.context
        named = self._finder.find(
            request.query,
            request.document_id,
            request.extensions,
            context.client,
            may_choose=context.caller.kind is CallerKind.SERVICE,
        )
        if named is None:
            return None
        if named.is_trusted and request.operation_name is not None:
            request.operation_name = chosen_operation(named.text, request.operation_name)
        request.query = named.text
        exchange.document_id = named.document_id
        exchange.state["document"] = named
        if self._plans.knows(named.text, request.operation_name):
            return None
        return self._look_at(named, exchange)

    async def _look_at(self, named: Named, exchange: Exchange) -> None:
        await self._charge(exchange, NEW_DOCUMENT_UNITS)
        if named.is_trusted:
            self._plans.trust(named.text, exchange.request.operation_name)

    async def admit(self, exchange: Exchange) -> None:
        """Raises InvalidOperation above a limit, HttpRefusal 429 above a rate."""
        plan, variables = exchange.plan, exchange.request.variables
        assert isinstance(plan, AdmittedPlan)
        check_variables(variables, self._limits)
        amount = plan.amount(variables)
        if not plan.price.is_constant:
            check_cost(amount, self._limits)
        named: Named = exchange.state["document"]
        if named.keep_as is not None:
            self._finder.keep(named)
        exchange.state["cost"] = amount
        exchange.response_headers += await self._charge(exchange, max(1.0, amount.total))

    def finish(self, exchange: Exchange, _result: ExecutionResult) -> None:
        asked = exchange.headers.get("bff-cost") == "1"
        if asked or (self._explains and exchange.headers.get("bff-explain") == "1"):
            amount: Amount = exchange.state["cost"]
            exchange.extensions["cost"] = {
                "requested": round(amount.total, 2),
                "limit": self._limits.cost,
                "fieldCost": round(amount.fields, 2),
                "typeCost": round(amount.types, 2),
            }

    def join(self, stages: Stages) -> None:
        stages.find.append(self.find)
        stages.admit.append(self.admit)
        stages.finish.append(self.finish)

    async def aclose(self) -> None:
        if self._store is not None:
            await self._store.aclose()

    async def _charge(self, exchange: Exchange, units: float) -> list[tuple[bytes, bytes]]:
        """The headers to tell. Raises HttpRefusal 429."""
        if self._store is None:
            return []
        charges = charges_of(exchange, units, self._rates, self._proxies)
        if not charges:
            return []
        standings = await self._store.take(charges)
        told = headers(standings)
        if any(each.wait > 0 for each in standings):
            raise _too_much(standings, told)
        return told


def charges_of(exchange: Exchange, units: float, rates: Rates, proxies: tuple[Network, ...]) -> list[Charge]:
    """Whose buckets a request draws on: its caller's, and its client's where that is bounded."""
    charges = []
    caller = exchange.context.caller
    if caller.kind is CallerKind.GUEST:
        if rates.anonymous is not None:
            charges.append(Charge("address", f"address:{address_of(exchange, proxies)}", rates.anonymous, units))
    elif rates.caller is not None and caller.kind is not CallerKind.SERVICE:
        charges.append(Charge("caller", f"caller:{_name(caller)}", rates.caller, units))
    if rates.client is not None:
        name, version = exchange.context.client
        charges.append(Charge("client", f"client:{name}:{version}", rates.client, units))
    return charges


def _name(caller: Caller) -> str:
    """Not the customer that an adviser acts for: the adviser it is who asks."""
    return f"{caller.kind}:{caller.subject}"


def _too_much(standings: Sequence[Standing], told: list[tuple[bytes, bytes]]) -> HttpRefusal:
    wait = ceil(max(each.wait for each in standings))
    return HttpRefusal(
        429,
        "RATE_LIMITED",
        f"Too much was asked in too short a time: ask again in {wait} s.",
        told,
        retryable=True,
        retryAfter=(datetime.now(UTC) + timedelta(seconds=wait)).isoformat(timespec="seconds"),
        policy=next(each.policy for each in standings if each.wait > 0),
    )
