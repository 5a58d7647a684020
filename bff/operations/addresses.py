"""Where a request without a login comes from, as far as our own proxies can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from bff.profiles import Network

MOST_HOPS = 32


@lru_cache(maxsize=4096)
def client_address(peer: str | None, forwarded_for: str | None, trusted: tuple[Network, ...]) -> str:
    """The first address, read from our end, that is not a proxy of ours; an IPv6 network of 64 bits counts as one.

    `forwarded_for` is X-Forwarded-For, each hop having added who spoke to it on the right. What stands left of the
    first untrusted address was written by that stranger.
    """
    address = _parsed(peer)
    if address is None:
        return peer or "unknown"
    if forwarded_for is not None and _is_ours(address, trusted):
        for text in reversed(forwarded_for.split(",")[-MOST_HOPS:]):
            hop = _parsed(text.strip())
            if hop is None:
                break
            address = hop
            if not _is_ours(hop, trusted):
                break
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return str(address)


def _is_ours(address: IPv4Address | IPv6Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def _parsed(text: str | None) -> IPv4Address | IPv6Address | None:
    """Also `192.0.2.1:4711` and `[2001:db8::1]:4711`; an IPv4 address in IPv6 clothes is an IPv4 address."""
    if not text:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
