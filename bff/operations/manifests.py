"""Manifests of trusted documents, as the clients' tools write them.

Apollo's (`generate-persisted-query-manifest`) is an object with `format`, `version` and `operations`, each with `id`,
`name`, `type` and `body`; Relay's compiler writes an object from id to text. Both are read, Apollo's is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

FORMAT = "apollo-persisted-query-manifest"


class ManifestError(Exception):
    """A manifest cannot be used; the message names the file and says why."""


class ManifestOperation(msgspec.Struct, frozen=True):
    id: str
    name: str
    type: Literal["query", "mutation", "subscription"]
    body: str


class Manifest(msgspec.Struct, frozen=True):
    """Apollo's form, version 1."""

    format: str
    version: int
    operations: list[ManifestOperation]


class TrustedDocument(msgspec.Struct, frozen=True):
    """`name` is that of its one operation, where the manifest says so."""

    text: str
    name: str | None = None


def digest(text: str) -> str:
    """The id of a document: SHA-256 of its text in UTF-8, in lower-case hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_manifest(body: bytes, source: str) -> dict[str, TrustedDocument]:
    """Documents by the ids that the manifest gives them, and by their digests. Raises ManifestError."""
    try:
        found: Any = msgspec.json.decode(body)
        if isinstance(found, dict) and "format" in found:
            documents = _of_apollo(msgspec.convert(found, Manifest), source)
        else:
            texts = msgspec.convert(found, dict[str, str])
            documents = {name: TrustedDocument(text) for name, text in texts.items()}
    except msgspec.DecodeError as error:
        raise ManifestError(
            f"{source}: neither an Apollo manifest nor an object from id to document text: {error}"
        ) from error
    return {digest(document.text): document for document in documents.values()} | documents


def _of_apollo(manifest: Manifest, source: str) -> dict[str, TrustedDocument]:
    if manifest.format != FORMAT or manifest.version != 1:
        raise ManifestError(f"{source}: format {manifest.format!r} version {manifest.version} is not known here.")
    documents: dict[str, TrustedDocument] = {}
    for each in manifest.operations:
        if each.id in documents:
            raise ManifestError(f"{source}: the id {each.id} is given twice.")
        documents[each.id] = TrustedDocument(each.body, each.name)
    return documents


def write_manifest(operations: Iterable[ManifestOperation]) -> bytes:
    """In order of name, so that a manifest in version control changes where its operations do."""
    ordered = sorted(operations, key=lambda each: (each.name, each.id))
    return msgspec.json.format(msgspec.json.encode(Manifest(FORMAT, 1, ordered)), indent=2) + b"\n"
