"""Whether customers agree to be counted, asked for each batch at the moment of sending.

Nothing is remembered from batch to batch: what was withdrawn a second ago holds for the next event. A batch is one
question to the customers' system, so even a surge asks little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from bff.domain.customer import ConsentPurpose, CustomerPort
from bff.errors import BffError

AWAY = "consent could not be asked for: "
ASK_SECONDS = 10.0


class AnalyticsConsent:
    """`ambient` gives the request context that the question runs in."""

    def __init__(self, customers: CustomerPort, ambient: Callable[[], AbstractContextManager[object]]) -> None:
        self._customers = customers
        self._ambient = ambient

    async def ask(self, customer_ids: Iterable[str]) -> dict[str, bool | str]:
        """By customer: whether they agree, or why that could not be asked. Who does not exist does not agree."""
        asked = sorted(set(customer_ids))
        known = [id for id in asked if id]
        if not known:
            return dict.fromkeys(asked, False)
        try:
            with self._ambient():
                async with asyncio.timeout(ASK_SECONDS):
                    found = await self._customers.customers(known)
        except (BffError, TimeoutError) as error:
            why = AWAY + (error.code if isinstance(error, BffError) else "it took too long")
            return {id: why if id else False for id in asked}
        said: dict[str, bool | str] = {}
        for id in asked:
            customer = found.get(id)
            if isinstance(customer, BffError):
                said[id] = AWAY + customer.code
            else:
                said[id] = customer is not None and any(
                    consent.purpose is ConsentPurpose.ANALYTICS and consent.granted for consent in customer.consents
                )
        return said
