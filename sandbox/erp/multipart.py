"""`$batch` bodies: requests out of MIME parts, answers into MIME parts (OData 2.0 batch processing)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import uuid4

from sandbox.erp.errors import Answer, bad_request

_REQUEST_LINE = re.compile(r"([A-Z]+) (\S+) HTTP/1\.[01]")


@dataclass(frozen=True, slots=True)
class BatchRequest:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def boundary_of(content_type: str) -> str:
    match = re.fullmatch(r'multipart/mixed\s*;\s*boundary="?([^";]{1,70})"?', content_type.strip(), re.IGNORECASE)
    if match is None:
        raise bad_request("The batch is multipart/mixed with a boundary")
    return match[1]


def read(content_type: str, body: bytes) -> list[BatchRequest | list[BatchRequest]]:
    """Single reads, and changesets as lists. A write outside of a changeset, or a read inside, is malformed."""
    entries: list[BatchRequest | list[BatchRequest]] = []
    for headers, content in _split(boundary_of(content_type), body):
        kind = headers.get("content-type", "")
        if kind.startswith("multipart/mixed"):
            changes = [_request(h, c) for h, c in _split(boundary_of(kind), content)]
            if any(change.method == "GET" for change in changes):
                raise bad_request("A changeset holds no retrieve request")
            entries.append(changes)
        else:
            single = _request(headers, content)
            if single.method != "GET":
                raise bad_request(f"{single.method} must stand in a changeset")
            entries.append(single)
    return entries


def _split(boundary: str, body: bytes) -> list[tuple[dict[str, str], bytes]]:
    delimiter = b"\r\n--" + boundary.encode()
    pieces = (b"\r\n" + body).split(delimiter)
    if len(pieces) < 2 or pieces[-1].strip() != b"--":
        raise bad_request("The multipart lacks its closing boundary")
    return [_fields(piece.removeprefix(b"\r\n")) for piece in pieces[1:-1]]


def _request(headers: dict[str, str], content: bytes) -> BatchRequest:
    if headers.get("content-type") != "application/http" or headers.get("content-transfer-encoding") != "binary":
        raise bad_request("A part is application/http with Content-Transfer-Encoding: binary")
    line, _, rest = content.partition(b"\r\n")
    match = _REQUEST_LINE.fullmatch(line.decode("ascii", "replace"))
    if match is None:
        raise bad_request(f"Not a request line: {line[:60]!r}")
    fields, body = _fields(rest)
    if "content-length" in fields:
        body = body[: int(fields["content-length"])]
    return BatchRequest(match[1], match[2], fields, body)


def _fields(message: bytes) -> tuple[dict[str, str], bytes]:
    if message.startswith(b"\r\n"):
        return {}, message[2:]
    head, separator, body = message.partition(b"\r\n\r\n")
    if not separator:
        raise bad_request("A part lacks the blank line after its header fields")
    pairs = (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}, body


def write(answers: Sequence[Answer | list[Answer]]) -> tuple[str, bytes]:
    """The content type and the body."""
    boundary = uuid4().hex.upper()
    chunks: list[bytes] = []
    for answer in answers:
        if isinstance(answer, Answer):
            chunks.append(_part(boundary, answer))
            continue
        inner = uuid4().hex.upper()
        parts = b"".join(_part(inner, one) for one in answer) + f"--{inner}--\r\n".encode()
        head = (
            f"--{boundary}\r\nContent-Type: multipart/mixed; boundary={inner}\r\nContent-Length: {len(parts)}\r\n\r\n"
        )
        chunks.append(head.encode() + parts + b"\r\n")
    chunks.append(f"--{boundary}--\r\n".encode())
    return f"multipart/mixed; boundary={boundary}", b"".join(chunks)


def _part(boundary: str, answer: Answer) -> bytes:
    fields = {**answer.headers, "Content-Length": str(len(answer.body)), "dataserviceversion": "2.0"}
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", *(f"{n}: {v}" for n, v in fields.items())]
    message = "\r\n".join([*lines, "", ""]).encode() + answer.body
    head = [
        f"--{boundary}",
        "Content-Type: application/http",
        f"Content-Length: {len(message)}",
        "content-transfer-encoding: binary",
    ]
    return "\r\n".join([*head, "", ""]).encode() + message + b"\r\n"
