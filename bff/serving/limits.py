"""What one client may use of a process. Bytes and seconds that no honest client comes near."""

from __future__ import annotations

import msgspec


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`body_bytes` counts after decompression as well as before; `nesting` and `values` bound a request's JSON.

    `batch` is how many operations one body may hold; 0 refuses arrays. Streams are subscriptions and deferred answers.
    """

    body_bytes: int = 1_000_000
    body_seconds: float = 15.0
    discarded_bytes: int = 64_000_000
    header_count: int = 100
    header_bytes: int = 32_768
    header_seconds: float = 10.0
    url_bytes: int = 16_384
    nesting: int = 32
    values: int = 20_000
    batch: int = 0
    compress_bytes: int = 1_024
    streams_per_caller: int = 20
    streams: int = 5_000
    sockets: int = 5_000
    message_bytes: int = 100_000
    init_seconds: float = 5.0
    reserved_seconds: float = 60.0
    heartbeat_seconds: float = 12.0
    stalled_seconds: float = 20.0
