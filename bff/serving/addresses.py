"""Where a request came from: by it the rates of guests are bounded, and H5 payments tell it to the provider, which
refuses to open its page elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

from graphql import OperationType

from bff.context import CLIENT_ADDRESS
from bff.operations.addresses import client_address
from bff.profiles import Network
from bff.serving.exchange import Exchange

LONGEST_FORWARDED = 1_000
"""Characters of X-Forwarded-For that are read, from the right: more than twenty hops."""


def address_of(exchange: Exchange, proxies: tuple[Network, ...]) -> str:
    """Where a request came from, as far as our own `proxies` say; see `client_address`."""
    forwarded = exchange.headers.get("x-forwarded-for", "")[-LONGEST_FORWARDED:] if proxies else None
    return client_address(exchange.network, forwarded, proxies)


def tell_address(proxies: tuple[Network, ...]) -> Callable[[Exchange], None]:
    """A `Stages.admit`, for mutations. `X-Forwarded-For` counts only as far as our own `proxies` wrote it."""

    def tell(exchange: Exchange) -> None:
        if exchange.plan is not None and exchange.plan.kind is OperationType.MUTATION:
            address = address_of(exchange, proxies)
            exchange.context.state[CLIENT_ADDRESS] = address.partition("/")[0]  # of IPv6 only the network is kept

    return tell
