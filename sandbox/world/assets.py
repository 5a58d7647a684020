"""Bytes of generated assets: PNG pictures, WAV tones and JSON documents, the same on every machine."""

from __future__ import annotations

import array
import hashlib
import json
import math
import struct
import sys
import zlib
from collections.abc import Mapping
from functools import lru_cache

from .delta import make_delta
from .entities import Asset, Delta

_MIME = {"png": "image/png", "json": "application/json", "wav": "audio/wav"}
_SINE = [math.sin(2 * math.pi * step / 256) for step in range(256)]


def asset(path: str, data: bytes, delta: Delta | None = None) -> Asset:
    return Asset(path, hashlib.sha256(data).hexdigest(), len(data), _MIME[path.rsplit(".", 1)[1]], data, delta)


def delta_between(old: Asset, new: bytes) -> Delta:
    data = make_delta(old.data, new)
    return Delta(old.sha256, hashlib.sha256(data).hexdigest(), len(data), data)


def json_bytes(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True).encode()


@lru_cache(maxsize=64)
def png(width: int, height: int, top: tuple[int, int, int], bottom: tuple[int, int, int]) -> bytes:
    """A vertical gradient with a light line at a third, as an RGB PNG."""
    lines = bytearray()
    for y in range(height):
        share = y / max(1, height - 1)
        colour = bytes(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        if y == height // 3:
            colour = b"\xf4\xf4\xf0"
        lines += b"\x00" + colour * width
    # stored, not compressed: quick to make, and the same bytes whatever level a zlib build calls its own
    body = zlib.compress(bytes(lines), 0)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@lru_cache(maxsize=64)
def wav(frequencies: tuple[int, ...], milliseconds: int = 120, rate: int = 8000) -> bytes:
    """Tones one after another, fading out, as 16-bit mono PCM."""
    samples = array.array("h")
    count = rate * milliseconds // 1000
    for frequency in frequencies:
        for n in range(count):
            samples.append(int(9000 * _SINE[(n * frequency * 256 // rate) % 256] * (1 - n / count)))
    if sys.byteorder == "big":
        samples.byteswap()
    data = samples.tobytes()
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate,
        rate * 2,
        2,
        16,
        b"data",
        len(data),
    )
    return head + data
