"""Trusted documents: which texts a client may have run, by id, read from manifests and again when these change.

An entry is `[client[@version]=]path`: a manifest, a pattern, or a directory, in which `*.json` is for everybody,
`<client>/*.json` for one client and `<client>/<version>/*.json` for one version of it. A client finds the documents of
its version, of its name, and of everybody. Client names are what clients say of themselves: they keep manifests apart
and let an old one be withdrawn; they prove nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from bff.operations.manifests import ManifestError, TrustedDocument, read_manifest

log = logging.getLogger("bff.operations")

LOOK_AGAIN_SECONDS = 2.0
"""How soon a changed manifest is noticed; a look costs one `stat` a file."""


class ClientKey(NamedTuple):
    """Whose documents; None: everybody's, or every version's."""

    name: str | None
    version: str | None


class _File(NamedTuple):
    path: Path
    client: ClientKey
    modified: int
    size: int


EVERYBODY = ClientKey(None, None)


class _Shelf:
    """The documents of one client key, by id, and their texts."""

    __slots__ = ("by_id", "texts")

    def __init__(self) -> None:
        self.by_id: dict[str, TrustedDocument] = {}
        self.texts: dict[str, TrustedDocument] = {}

    def put(self, documents: Mapping[str, TrustedDocument], source: str) -> None:
        for name, document in documents.items():
            known = self.by_id.get(name)
            if known is not None and known.text != document.text:
                raise ManifestError(f"{source}: the id {name} names another document in another manifest.")
            self.by_id[name] = document
            self.texts.setdefault(document.text, document)


class TrustedDocuments:
    """Raises ManifestError where it is made from a manifest that cannot be used. Later, what was good stands."""

    def __init__(self, entries: Sequence[str], *, clock: Callable[[], float] = monotonic) -> None:
        self._entries = [_entry(text) for text in entries]
        self._clock = clock
        self._files: list[_File] = []
        self._shelves: dict[ClientKey, _Shelf] = {}
        self._look_again = 0.0
        self._load(self._list())
        if not self._files:
            raise ManifestError(f"No manifest is found at {', '.join(entries)}.")

    def by_id(self, document_id: str, client: tuple[str, str]) -> TrustedDocument | None:
        self._refresh()
        for shelf in self._of(client):
            if (document := shelf.by_id.get(document_id)) is not None:
                return document
        return None

    def by_text(self, text: str, client: tuple[str, str]) -> TrustedDocument | None:
        self._refresh()
        for shelf in self._of(client):
            if (document := shelf.texts.get(text)) is not None:
                return document
        return None

    def __iter__(self) -> Iterator[TrustedDocument]:
        """Every document once, whoever's it is."""
        seen: dict[str, TrustedDocument] = {}
        for shelf in self._shelves.values():
            seen |= shelf.texts
        return iter(seen.values())

    def _of(self, client: tuple[str, str]) -> Iterator[_Shelf]:
        name, version = client
        for key in (ClientKey(name, version), ClientKey(name, None), EVERYBODY):
            if (shelf := self._shelves.get(key)) is not None:
                yield shelf

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._look_again:
            return
        self._look_again = now + LOOK_AGAIN_SECONDS
        try:
            files = self._list()
            if files and files != self._files:
                self._load(files)
        except (ManifestError, OSError) as error:
            log.error("Trusted documents stay as they were: %s", error)

    def _list(self) -> list[_File]:
        return sorted({found for entry in self._entries for found in _files(*entry)})

    def _load(self, files: list[_File]) -> None:
        """Requests see the old shelves or the new ones, never a part of them."""
        shelves: dict[ClientKey, _Shelf] = {}
        for file in files:
            try:
                body = file.path.read_bytes()
            except OSError as error:
                raise ManifestError(f"{file.path}: {error.strerror}") from error
            shelves.setdefault(file.client, _Shelf()).put(read_manifest(body, str(file.path)), str(file.path))
        if self._files:
            log.info("Trusted documents are read again: %d manifests", len(files))
        self._files, self._shelves = files, shelves


def _entry(text: str) -> tuple[ClientKey, str]:
    client, separator, path = text.partition("=")
    if not separator or "/" in client:
        return EVERYBODY, text
    name, _, version = client.partition("@")
    return ClientKey(name.strip() or None, version.strip() or None), path.strip()


def _files(client: ClientKey, path: str) -> Iterator[_File]:
    root = Path(path)
    if root.is_dir():
        for found in (*root.glob("*.json"), *root.glob("*/*.json"), *root.glob("*/*/*.json")):
            yield _file(found, _key_in(root, found) if client == EVERYBODY else client)
    elif root.is_file():
        yield _file(root, client)
    else:
        for found in Path(root.anchor or ".").glob(str(root.relative_to(root.anchor))):
            yield _file(found, client)


def _key_in(root: Path, found: Path) -> ClientKey:
    name, version, *_ = (*found.relative_to(root).parts[:-1], None, None)
    return ClientKey(name, version)


def _file(path: Path, client: ClientKey) -> _File:
    stat = path.stat()
    return _File(path, client, stat.st_mtime_ns, stat.st_size)
