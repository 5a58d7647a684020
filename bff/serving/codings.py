"""Content codings both ways (RFC 9110 section 8.4): gzip always, br and zstd where their packages are installed.

Decompression stops as soon as it has made more than it may: a bomb costs no more than an honest body.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

from bff.serving.negotiation import ranges_of
from bff.serving.refusals import HttpRefusal


def _optional(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


brotli: Any = _optional("brotli")
zstandard: Any = _optional("zstandard")

LONGEST_READ = 500
GZIP_WINDOW = 31
GZIP_LEVEL, BROTLI_QUALITY, ZSTD_LEVEL = 5, 4, 3
ZSTD_WINDOW_LOG = 23  # 8 MiB, what RFC 8878 section 3.1.1.1.2 asks decoders to bear at least


class TooLarge(Exception):
    """The decompressed body is longer than it may be."""


def _gunzip(body: bytes, most: int) -> bytes:
    decoder = zlib.decompressobj(GZIP_WINDOW)
    plain = decoder.decompress(body, most + 1)
    if len(plain) <= most and (not decoder.eof or decoder.unused_data):
        raise ValueError("truncated, or followed by something else")
    return plain


def _unbrotli(body: bytes, most: int) -> bytes:
    decoder = brotli.Decompressor()
    plain: bytes = decoder.process(body, output_buffer_limit=most + 1)
    while len(plain) <= most and not decoder.can_accept_more_data():
        plain += decoder.process(b"", output_buffer_limit=most + 1 - len(plain))
    if len(plain) <= most and not decoder.is_finished():
        raise ValueError("truncated")
    return plain


def _unzstd(body: bytes, most: int) -> bytes:
    decoder = zstandard.ZstdDecompressor(max_window_size=1 << ZSTD_WINDOW_LOG)
    with decoder.stream_reader(body, read_across_frames=False) as reader:
        plain: bytes = reader.read(most + 1)
        if len(plain) <= most and len(body) > 0 and not _complete_zstd(body):
            raise ValueError("truncated")
    return plain


def _complete_zstd(body: bytes) -> bool:
    """Whether the frame ends where the body does; it is small enough by now to be decompressed once more."""
    decoder = zstandard.ZstdDecompressor(max_window_size=1 << ZSTD_WINDOW_LOG).decompressobj()
    decoder.decompress(body)
    return bool(decoder.eof)


def _errors() -> tuple[type[Exception], ...]:
    theirs: list[Any] = [zlib.error, ValueError]
    theirs += [brotli.error] if brotli is not None else []
    theirs += [zstandard.ZstdError] if zstandard is not None else []
    return tuple(theirs)


_BROKEN = _errors()
_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {"gzip": _gunzip, "x-gzip": _gunzip}
_ENCODERS: dict[str, Callable[[bytes], bytes]] = {}
if zstandard is not None:
    _DECODERS["zstd"] = _unzstd
    _ENCODERS["zstd"] = lambda body: zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(body)
if brotli is not None:
    _DECODERS["br"] = _unbrotli
    _ENCODERS["br"] = lambda body: brotli.compress(body, quality=BROTLI_QUALITY)
_ENCODERS["gzip"] = lambda body: zlib.compress(body, GZIP_LEVEL, GZIP_WINDOW)

ACCEPTED = ", ".join(_ENCODERS)


def decompress(body: bytes, coding: str, most: int) -> bytes:
    """The body as it was before `Content-Encoding`. Raises HttpRefusal 415, 400 or 413."""
    decode = _DECODERS.get(coding.strip().lower())
    if decode is None:
        accept = ((b"accept-encoding", ACCEPTED.encode()),)
        raise HttpRefusal(415, "UNSUPPORTED_MEDIA_TYPE", f"Bodies may be compressed as {ACCEPTED}.", accept)
    try:
        plain = decode(body, most)
    except _BROKEN as error:
        raise HttpRefusal(
            400, "BAD_REQUEST", f"The body is not {coding.strip().lower()} as its header says."
        ) from error
    if len(plain) > most:
        raise HttpRefusal(413, "PAYLOAD_TOO_LARGE", f"A request has at most {most} bytes when decompressed.")
    return plain


@lru_cache(maxsize=256)
def preferred(accept_encoding: str) -> str | None:
    """The coding to answer with, None for none: the client's best liked, ours first among equals."""
    liked = {each.name: each.quality for each in ranges_of(accept_encoding[:LONGEST_READ])}
    best, chosen = 0.0, None
    for coding in _ENCODERS:
        quality = liked.get(coding, liked.get("*", 0.0))
        if quality > best:
            best, chosen = quality, coding
    return chosen if best >= liked.get("identity", 0.0) else None


def compress(body: bytes, coding: str) -> bytes:
    return _ENCODERS[coding](body)
