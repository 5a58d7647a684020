"""Where the customer's device is: H5 payments tell the provider, which refuses to open its page elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from graphql import OperationType

from bff.context import CLIENT_ADDRESS
from bff.operations.addresses import client_address
from bff.profiles import Network
from bff.serving.exchange import Exchange

LONGEST_FORWARDED = 1024


def tell_address(proxies: tuple[Network, ...]) -> Callable[[Exchange], None]:
    """A `Stages.admit`, for mutations. `X-Forwarded-For` counts only as far as our own `proxies` wrote it."""

    def tell(exchange: Exchange) -> None:
        if exchange.plan is not None and exchange.plan.kind is OperationType.MUTATION:
            forwarded = exchange.headers.get("x-forwarded-for", "")[-LONGEST_FORWARDED:] if proxies else None
            address = client_address(exchange.network, forwarded, proxies)
            exchange.context.state[CLIENT_ADDRESS] = address.partition("/")[0]  # of IPv6 only the network is kept

    return tell
