"""A small binary delta between two versions of a file.

Layout, integers big-endian: ``BDL1``, u32 length of the result, then operations until the end. ``0x01``, u32 offset,
u32 length copies that range of the old file; ``0x02``, u32 length and as many bytes inserts them.
"""

from __future__ import annotations

import struct

MAGIC = b"BDL1"
_COPY, _INSERT = 1, 2


def make_delta(old: bytes, new: bytes) -> bytes:
    """Copies the common beginning and end, inserts what lies between."""
    limit = min(len(old), len(new))
    head = next((i for i in range(limit) if old[i] != new[i]), limit)
    room = limit - head
    tail = next((i for i in range(room) if old[-1 - i] != new[-1 - i]), room)
    middle = new[head : len(new) - tail]
    parts = [MAGIC, struct.pack(">I", len(new))]
    if head:
        parts.append(struct.pack(">BII", _COPY, 0, head))
    if middle:
        parts.append(struct.pack(">BI", _INSERT, len(middle)) + middle)
    if tail:
        parts.append(struct.pack(">BII", _COPY, len(old) - tail, tail))
    return b"".join(parts)


def apply_delta(old: bytes, delta: bytes) -> bytes:
    """The new file; raises ValueError for a delta that is malformed or does not fit the old file."""
    if delta[:4] != MAGIC or len(delta) < 8:
        raise ValueError("not a BDL1 delta")
    (length,) = struct.unpack_from(">I", delta, 4)
    made, position = bytearray(), 8
    while position < len(delta):
        try:
            if delta[position] == _COPY:
                offset, count = struct.unpack_from(">II", delta, position + 1)
                piece, position = old[offset : offset + count], position + 9
            elif delta[position] == _INSERT:
                (count,) = struct.unpack_from(">I", delta, position + 1)
                piece, position = delta[position + 5 : position + 5 + count], position + 5 + count
            else:
                raise ValueError("unknown delta operation")
        except struct.error as broken:
            raise ValueError("delta ends early") from broken
        if len(piece) != count:
            raise ValueError("delta reaches past the end")
        made += piece
    if len(made) != length:
        raise ValueError("delta makes a file of another length")
    return bytes(made)
