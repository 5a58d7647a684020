"""OData v2 `$batch`: requests as MIME parts, replies read back in their order (OData 2.0 batch processing).

Reads stand beside each other and fail by themselves. Writes stand in one changeset, which happens as a whole or not at
all: a failed changeset is answered by one error instead of a multipart of replies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from adapters.transport.http import HttpReply


class Part(msgspec.Struct, frozen=True):
    """`path` is relative to the service root and already percent-encoded."""

    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class ChangeSet(msgspec.Struct, frozen=True):
    parts: Sequence[Part]


Replies = HttpReply | list[HttpReply]
"""A reply to a part, or the replies to a changeset that happened."""


def build_batch(entries: Sequence[Part | ChangeSet], boundary: str) -> bytes:
    """The body; send it as `multipart/mixed; boundary=<boundary>`."""
    chunks: list[bytes] = []
    for number, entry in enumerate(entries):
        if isinstance(entry, Part):
            chunks.append(_part(boundary, entry, content_id=None))
            continue
        inner = f"changeset_{number}_{boundary}"  # a boundary must not begin like the one around it
        chunks.append(f"--{boundary}\r\nContent-Type: multipart/mixed; boundary={inner}\r\n\r\n".encode())
        chunks += [_part(inner, part, content_id) for content_id, part in enumerate(entry.parts, 1)]
        chunks.append(f"--{inner}--\r\n\r\n".encode())
    chunks.append(f"--{boundary}--\r\n".encode())
    return b"".join(chunks)


def _part(boundary: str, part: Part, content_id: int | None) -> bytes:
    head = [f"--{boundary}", "Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id is not None:
        head.append(f"Content-ID: {content_id}")
    head += ["", f"{part.method} {part.path} HTTP/1.1", "Accept: application/json"]
    head += [f"{name}: {value}" for name, value in part.headers.items()]
    if part.body:
        head += ["Content-Type: application/json", f"Content-Length: {len(part.body)}"]
    return "\r\n".join([*head, "", ""]).encode() + part.body + b"\r\n"


def read_batch(content_type: str, body: bytes) -> list[Replies]:
    """Raises ValueError for what is not a complete multipart of HTTP replies."""
    replies: list[Replies] = []
    for headers, content in _parts(content_type, body):
        if headers.get("content-type", "").startswith("multipart/mixed"):
            replies.append([_reply(inner) for _, inner in _parts(headers["content-type"], content)])
        else:
            replies.append(_reply(content))
    return replies


def _parts(content_type: str, body: bytes) -> list[tuple[dict[str, str], bytes]]:
    delimiter = b"--" + _boundary(content_type)
    # RFC 2046 section 5.1.1: a delimiter begins a line, and the line break before it belongs to it.
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise ValueError("the multipart does not end with its boundary")
    return [_headers(piece.partition(b"\r\n")[2]) for piece in pieces[1:-1]]


def _boundary(content_type: str) -> bytes:
    kind, _, parameters = content_type.partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "boundary" and value:
            return value.strip('"').encode()
    raise ValueError(f"not a multipart with a boundary: {kind!r}")


def _reply(message: bytes) -> HttpReply:
    status_line, _, rest = message.lstrip(b"\r\n").partition(b"\r\n")
    words = status_line.decode("latin-1").split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdecimal():
        raise ValueError(f"not an HTTP reply: {status_line[:80]!r}")
    headers, body = _headers(rest)
    return HttpReply(status=int(words[1]), headers=headers, body=body)


def _headers(message: bytes) -> tuple[dict[str, str], bytes]:
    """Header fields by lower-case name, and what follows the blank line."""
    if message.startswith(b"\r\n"):
        return {}, message[2:]
    head, _, body = message.partition(b"\r\n\r\n")
    fields = (line.partition(":") for line in head.decode("latin-1").split("\r\n") if line)
    return {name.strip().lower(): value.strip() for name, _, value in fields}, body
