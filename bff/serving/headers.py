"""From request headers to a request context: channel, language, brand, budget, whom an adviser acts for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from bff.context import Caller, CallerKind, Channel, RequestContext
from bff.errors import InvalidInput, NotAllowed
from bff.serving.refusals import HttpRefusal
from bff.settings import BUDGETS

if TYPE_CHECKING:
    from bff.ports import Ports

LEAST_BUDGET = 0.05
LONGEST_LANGUAGES = 500
_SINGLE = frozenset({"authorization", "content-type", "content-length", "content-encoding", "host", "bff-act-for"})
_LISTS = frozenset({"accept", "accept-encoding", "accept-language", "x-forwarded-for"})
_OURS = frozenset({
    "accept-language", "apollographql-client-name", "apollographql-client-version", "bff-act-for", "bff-brand",
    "bff-channel", "bff-country", "bff-timeout", "graphql-client-name", "graphql-client-version",
})  # fmt: skip
"""All that a context is made from besides the caller."""
_CHANNEL_OF = {CallerKind.ADVISER: Channel.STORE, CallerKind.DEVICE: Channel.IN_CAR}


def headers_of(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Lower-case names; a repeated list is joined (RFC 9110 section 5.3), of other repeated headers the last stands.

    Raises HttpRefusal 400 for a second header of a kind where two readers might believe different ones.
    """
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        if key in headers:
            if key in _SINGLE:
                raise HttpRefusal(400, "BAD_REQUEST", f"The header {key} is given twice.")
            if key in _LISTS:
                text = f"{headers[key]}, {text}"
        headers[key] = text
    return headers


def context_of(headers: Mapping[str, str], caller: Caller, ports: Ports) -> RequestContext:
    """Raises InvalidInput for a header that cannot be right."""
    if _OURS.isdisjoint(headers):
        channel = _CHANNEL_OF.get(caller.kind, Channel.APP)
        return RequestContext(ports=ports, caller=caller, channel=channel, budget_seconds=BUDGETS[channel])
    caller = _acting_for(caller, headers.get("bff-act-for"))
    channel = _channel(headers.get("bff-channel"), caller)
    name = headers.get("graphql-client-name") or headers.get("apollographql-client-name") or "unknown"
    version = headers.get("graphql-client-version") or headers.get("apollographql-client-version") or "0"
    return RequestContext(
        ports=ports,
        caller=caller,
        channel=channel,
        country=headers.get("bff-country", "CN").upper(),
        language=language_of(headers.get("accept-language", "")),
        brand=headers.get("bff-brand"),
        client=(name[:64], version[:64]),
        budget_seconds=_budget(headers.get("bff-timeout"), channel),
    )


def _acting_for(caller: Caller, customer_id: str | None) -> Caller:
    if customer_id is None:
        return caller
    if caller.kind is not CallerKind.ADVISER:
        raise NotAllowed("Only advisers act for a customer: leave out the header BFF-Act-For.")
    if not (customer_id.isascii() and customer_id.isalnum() and len(customer_id) <= 32):
        raise InvalidInput("BFF-Act-For is a customer's number, for example C0001.", field="BFF-Act-For")
    return msgspec.structs.replace(caller, customer_id=customer_id)


def _channel(said: str | None, caller: Caller) -> Channel:
    if said is None:
        return _CHANNEL_OF.get(caller.kind, Channel.APP)
    try:
        return Channel(said.upper())
    except ValueError as error:
        names = ", ".join(Channel)
        raise InvalidInput(f"BFF-Channel is one of {names}.", field="BFF-Channel") from error


def _budget(said: str | None, channel: Channel) -> float:
    """Seconds for the whole request; `BFF-Timeout` gives milliseconds and can only shorten it."""
    most = BUDGETS[channel]
    if said is None:
        return most
    if not (said.isascii() and said.isdigit() and len(said) <= 6):
        raise InvalidInput("BFF-Timeout is a number of milliseconds.", field="BFF-Timeout")
    return min(most, max(LEAST_BUDGET, int(said) / 1000))


@lru_cache(maxsize=256)
def language_of(accept: str) -> str:
    """The better liked of Chinese and English (RFC 9110 section 12.5.4); Chinese unless English is preferred."""
    liked = {"zh": 0.0, "en": 0.0}
    for part in accept[:LONGEST_LANGUAGES].lower().split(","):
        tag, _, parameters = part.strip().partition(";")
        quality = 1.0
        if parameters.strip().startswith("q="):
            try:
                quality = float(parameters.strip()[2:])
            except ValueError:
                quality = 0.0
        main = tag.split("-", 1)[0]
        if main in liked:
            liked[main] = max(liked[main], quality)
    return "en" if liked["en"] > liked["zh"] else "zh-CN"
