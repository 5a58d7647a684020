"""Models, trims, options and checks from the configurator service."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from adapters.configurator import configurator_wire as wire
from adapters.transport.records import Records, by_chunks
from adapters.transport.rest import Items, ProblemReply, RestClient, query
from adapters.transport.upstream import Audience, CachePolicy, Effect, Operation, Upstream
from bff.domain.base import Found, Outcome, PartialList, Text
from bff.domain.configurator import (
    Check,
    LoadedConfiguration,
    SavedConfiguration,
    Selection,
    Trim,
    TrimOffer,
    VehicleModel,
)
from bff.errors import BffError, InvalidInput, NotFound, UpstreamContractBroken

T = TypeVar("T")

# Prices are checked again when an order is placed: an old offer is shown, never sold.
_OFFERED = CachePolicy(fresh=300, stale_while_revalidate=300, stale_if_error=86_400, tags=("configurator",))

LIST_MODELS = Operation(name="ListModels", audience=Audience.PUBLIC, cache=_OFFERED)
GET_MODELS = Operation(name="GetModels", audience=Audience.PUBLIC, cache=_OFFERED)
GET_TRIMS = Operation(name="GetTrims", audience=Audience.PUBLIC, cache=_OFFERED)
GET_OFFERS = Operation(name="GetOffers", audience=Audience.PUBLIC, cache=_OFFERED)
GET_OPTIONS = Operation(name="GetOptions", audience=Audience.PUBLIC, cache=_OFFERED)
CHECK_SELECTIONS = Operation(name="CheckSelections", audience=Audience.PUBLIC)
LOAD_CONFIGURATIONS = Operation(name="LoadConfigurations", audience=Audience.PUBLIC)
SAVE_CONFIGURATION = Operation(name="SaveConfiguration", effect=Effect.WRITE)

MOST_CODES = 200
MOST_SELECTIONS = 100

logger = logging.getLogger(__name__)


class ConfiguratorClient:
    """Implements `ConfiguratorPort`: each read is one call for up to 200 codes or 100 selections."""

    def __init__(self, upstream: Upstream) -> None:
        self._rest = RestClient(upstream)
        self._name = upstream.name

    async def models(self, brand: str | None = None) -> list[VehicleModel]:
        """A model that cannot be read is left out, and the list says so (`PartialList`)."""
        answer = await self._read(LIST_MODELS, "GET", "/models" + query([("brand", brand)]), [brand] if brand else [])
        models: list[VehicleModel] = []
        missing: BffError | None = None
        for raw in answer.items:
            try:
                models.append(wire.MODELS.one(self._name, raw))
            except UpstreamContractBroken as error:
                logger.error("%s sent an unreadable model: %s", self._name, error.detail)
                missing = error
        return models if missing is None else PartialList(models, missing)

    async def models_by_code(self, codes: Sequence[str]) -> Found[str, VehicleModel]:
        async def ask(some: list[str]) -> Found[str, VehicleModel]:
            answer = await self._by_key(GET_MODELS, "/models/by-code", "code", some)
            return wire.MODELS.found(self._name, answer, some, lambda model: model.code)

        return await by_chunks(codes, MOST_CODES, ask)

    async def trims(self, codes: Sequence[str]) -> Found[str, Trim]:
        async def ask(some: list[str]) -> Found[str, Trim]:
            answer = await self._by_key(GET_TRIMS, "/trims", "code", some)
            return wire.TRIMS.found(self._name, answer, some, lambda trim: trim.code)

        return await by_chunks(codes, MOST_CODES, ask)

    async def offers(self, trim_codes: Sequence[str]) -> Found[str, TrimOffer]:
        return await self._pairs(GET_OFFERS, "/offers", "trim", trim_codes, wire.OFFERS)

    async def option_names(self, codes: Sequence[str]) -> Found[str, Text]:
        """Of options and packages, also of those that are no longer sold."""
        return await self._pairs(GET_OPTIONS, "/options", "code", codes, wire.NAMES)

    async def check(self, selections: Sequence[Selection]) -> Found[Selection, Check]:
        asked = {str(number): selection for number, selection in enumerate(dict.fromkeys(selections))}

        async def ask(some: list[str]) -> Found[str, wire.WireAnsweredCheck]:
            named = {ref: asked[ref] for ref in some}
            trims = list(dict.fromkeys(selection.trim_code for selection in named.values()))
            answer = await self._read(CHECK_SELECTIONS, "POST", "/checks", trims, wire.checks_body(named))
            return wire.CHECKS.found(self._name, answer, some, lambda one: one.ref)

        answered = await by_chunks(list(asked), MOST_SELECTIONS, ask)
        return {
            asked[ref]: one if isinstance(one, BffError) else wire.read_check(one.check, asked[ref])
            for ref, one in answered.items()
            if ref in asked
        }

    async def save(self, selection: Selection, idempotency_key: str) -> Outcome[SavedConfiguration]:
        try:
            saved = await self._rest.fetch(
                SAVE_CONFIGURATION,
                "POST",
                "/configurations",
                wire.WireSaved,
                keys=[selection.trim_code],
                body=selection,
                headers={"idempotency-key": idempotency_key},
            )
        except ProblemReply as reply:
            if (mistake := wire.MISTAKES.get(reply.problem.code)) is not None:
                raise InvalidInput(mistake[0], field=mistake[1], detail=reply.problem.detail) from reply
            return Outcome(refusals=[wire.SAVING.of(reply)])
        if saved is None:
            raise NotFound("There is no such trim.")
        return Outcome(entity=wire.read_saved(saved))

    async def load(self, share_codes: Sequence[str]) -> Found[str, LoadedConfiguration]:
        """Codes as people type them; what cannot be a share code is absent without asking."""
        canonical = {typed: code for typed in share_codes if (code := wire.share_code(typed)) is not None}

        async def ask(some: list[str]) -> Found[str, LoadedConfiguration]:
            answer = await self._by_key(LOAD_CONFIGURATIONS, "/configurations", "code", some)
            return wire.LOADED.found(self._name, answer, some, lambda loaded: loaded.saved.share_code)

        found = await by_chunks(list(canonical.values()), MOST_CODES, ask)
        return {typed: found[code] for typed, code in canonical.items() if code in found}

    async def _pairs(
        self, operation: Operation, path: str, name: str, codes: Sequence[str], records: Records[Any, tuple[str, T]]
    ) -> Found[str, T]:
        """Records that are read as code and value."""

        async def ask(some: list[str]) -> Found[str, tuple[str, T]]:
            answer = await self._by_key(operation, path, name, some)
            return records.found(self._name, answer, some, lambda pair: pair[0])

        found = await by_chunks(codes, MOST_CODES, ask)
        return {code: pair if isinstance(pair, BffError) else pair[1] for code, pair in found.items()}

    async def _by_key(self, operation: Operation, path: str, name: str, codes: list[str]) -> Items[msgspec.Raw]:
        return await self._read(operation, "GET", path + query((name, code) for code in codes), codes)

    async def _read(
        self, operation: Operation, method: str, path: str, keys: Sequence[str], body: Any = None
    ) -> Items[msgspec.Raw]:
        try:
            answer = await self._rest.fetch(operation, method, path, Items[msgspec.Raw], keys=keys, body=body)
        except ProblemReply as reply:
            raise reply.rejected() from reply
        if answer is None:  # a list is never a 404: the address is wrong
            raise UpstreamContractBroken(self._name, detail=f"{method} {path} is not there")
        return answer
