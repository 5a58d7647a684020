"""Who may order now: a gate in front of each mutation that orders. What holds and why: docs/surge.md.

A number is taken once and shown with every further try as a signed token; a try that comes too early costs a look at
what this process knows of the gate, which is at most a tenth of a second old, and no transaction.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

import msgspec

from bff.admissions import AdmissionSettings
from bff.context import RequestContext
from bff.domain.admission import Asked, Wait, Waiting
from bff.domain.base import Outcome, Refusal
from bff.durability.database import Database
from bff.durability.gate import Gate
from bff.durability.gate_store import Pace, is_known
from bff.durability.tickets import Ticket, Tickets
from bff.errors import InvalidInput
from bff.orders.wares import Wanted, Wares

SHORTEST_POLL = 1.0

Find = Callable[[RequestContext, Mapping[str, Any]], Awaitable[Wanted | None]]

_random = Random()  # noqa: S311 - spreads those who ask again, decides nothing
_refusal = msgspec.json.Decoder(Refusal)


class Lane:
    """A gate, the refusal that means that something is sold out, and what an order there asks for."""

    def __init__(self, gate: Gate, sold_out: str, find: Find, *, hold_seconds: float) -> None:
        self.gate = gate
        self._sold_out = sold_out
        self._find = find
        self._hold_seconds = hold_seconds

    async def refusals(self, context: RequestContext, given: Mapping[str, Any]) -> list[Refusal]:
        """Why the order cannot be, as the order's system said of others a moment ago; empty where it may well be."""
        if not self.gate.shortages:
            return []
        wanted = await self._find(context, given) or {}
        short = self.gate.shortages
        return [
            _refusal.decode(short[item].refusal)
            for item, quantity in wanted.items()
            if item in short and quantity > short[item].available
        ]

    async def learn(self, context: RequestContext, given: Mapping[str, Any], refusals: Sequence[Refusal]) -> None:
        """A refusal names its item and how many are left; else it is the only item that was asked for."""
        for refusal in refusals:
            if refusal.code != self._sold_out:
                continue
            item, left = refusal.item, refusal.left
            if item is None or left is None:
                wanted = await self._find(context, given)
                if wanted is None or len(wanted) != 1:
                    continue
                item, left = next((item, quantity - 1) for item, quantity in wanted.items())
            self.gate.learn(item, left, msgspec.json.encode(refusal), self._hold_seconds)


class LanePassage:
    """See `bff.domain.admission.Passage`."""

    __slots__ = ("_context", "_given", "_lane", "_number", "answer", "is_waiting")

    def __init__(
        self,
        lane: Lane,
        context: RequestContext,
        given: Mapping[str, Any],
        *,
        answer: Outcome[Any] | None = None,
        number: int | None = None,
    ) -> None:
        self._lane, self._context, self._given, self._number = lane, context, given, number
        self.answer = answer
        self.is_waiting = isinstance(answer, Waiting)

    def forfeit(self) -> None:
        if self._number is not None:
            self._lane.gate.leave(self._number)

    async def learn(self, refusals: Sequence[Refusal]) -> None:
        await self._lane.learn(self._context, self._given, refusals)


class OrderAdmission:
    """`clock` gives seconds since 1970. `settings.per_second` is above 0: without a gate there is none of this."""

    def __init__(
        self, database: Database, settings: AdmissionSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._tickets = Tickets(settings.keys, seconds=settings.token_seconds)
        self._wares = Wares()
        self._lanes = {
            "placeMerchandiseOrder": self._lane("shop", "OUT_OF_STOCK", self._wares.of_cart),
            "placeVehicleOrder": self._lane("vehicle", "SOLD_OUT", self._wares.of_configuration),
        }

    def _lane(self, name: str, sold_out: str, find: Find) -> Lane:
        settings = self._settings
        gate = Gate(self._database, name, Pace(settings.per_second, settings.burst), clock=self._clock)
        return Lane(gate, sold_out, find, hold_seconds=settings.sold_out_seconds)

    @property
    def gates(self) -> list[Gate]:
        return [lane.gate for lane in self._lanes.values()]

    async def ask(self, context: RequestContext, asked: Asked) -> LanePassage | None:
        """See `bff.domain.admission.Admission`."""
        lane = self._lanes.get(asked.field)
        if lane is None:
            return None
        caller = context.caller.partition
        number = await self._number(lane.gate, asked, caller)
        refusals: list[Refusal] = []
        if number is None:
            # Where much is going on, those who cannot be served take no number.
            refusals = await lane.refusals(context, asked.given) if lane.gate.is_fresh else []
            number = 0 if refusals else await lane.gate.arrive(asked.scope) or 0
        elif number > lane.gate.admitted:
            await lane.gate.look()
        if refusals := refusals or await lane.refusals(context, asked.given):
            lane.gate.leave(number)
            return LanePassage(lane, context, asked.given, answer=Outcome(refusals=refusals))
        if number <= lane.gate.admitted:
            return LanePassage(lane, context, asked.given)
        ticket = Ticket(lane.gate.name, number, self._now())
        wait = Wait(
            poll_after=self._poll_after(number - lane.gate.admitted),
            admission_token=self._tickets.sign(ticket, caller=caller, key=asked.key),
            position=number - lane.gate.admitted,
        )
        return LanePassage(lane, context, asked.given, answer=Waiting.of(wait), number=number)

    async def _number(self, gate: Gate, asked: Asked, caller: str) -> int | None:
        """The number that the token shows; 0 where it does not matter any more; None without a token.

        Numbers begin with 1: 0 is always let through.
        """
        if asked.token is None:
            return None
        try:
            return self._tickets.read(asked.token, gate.name, caller=caller, key=asked.key, now=self._now()).number
        except InvalidInput:
            # A retry long after is answered as ever, whatever it still carries.
            if await self._database.run(partial(is_known, asked.scope, self._now()), write=False):
                return 0
            raise

    def _poll_after(self, position: int) -> float:
        """Seconds until the turn of this position, in bounds. Turns are apart from each other already; those who are
        told the longest time are spread over its last fifth, so that they do not come at once.
        """
        late = _random.random()
        until_turn = max(position / self._settings.per_second, SHORTEST_POLL)
        return round(min(until_turn + late / 2, self._settings.poll_seconds * (1 - late / 5)), 1)

    def _now(self) -> int:
        return round(self._clock() * 1000)

    async def aclose(self) -> None:
        for gate in self.gates:
            await gate.aclose()
