"""From what a request names to the text that is run: trusted documents, then persisted queries, then its own text.

Two ways to name a document: `documentId` (GraphQL over HTTP, appendix A) and Apollo's
`extensions.persistedQuery {version: 1, sha256Hash}`. In development a text that came with its hash is kept, and found
by it later (automatic persisted queries).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from bff.operations.documents import TrustedDocuments
from bff.operations.manifests import digest
from bff.operations.refusals import hash_mismatch, not_found, not_supported, not_trusted, refusal
from bff.profiles import Profile

KEPT_TEXTS = 1_000
"""Texts of automatic persisted queries in a process, the most recently used ones: at most 32 kB each."""
_HASH = re.compile(r"[0-9a-f]{64}")
_CUSTOM = re.compile(r"[A-Za-z0-9._~-]{1,200}|x-[A-Za-z0-9._~-]{1,50}:[A-Za-z0-9._~-]{1,200}")


class Named(NamedTuple):
    """A document that was found. `keep_as`: the hash to remember it by once it is known to be good."""

    text: str
    document_id: str | None
    is_trusted: bool
    keep_as: str | None = None


class PersistedQueries:
    """A bounded memory from hash to text."""

    def __init__(self, most: int = KEPT_TEXTS) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._most = most

    def get(self, key: str) -> str | None:
        text = self._texts.get(key)
        if text is not None:
            self._texts.move_to_end(key)
        return text

    def keep(self, key: str, text: str) -> None:
        self._texts[key] = text
        if len(self._texts) > self._most:
            self._texts.popitem(last=False)


class Finder:
    """Finds documents by the rules of one profile."""

    def __init__(self, profile: Profile, documents: TrustedDocuments | None) -> None:
        self._profile = profile
        self.documents = documents
        self.kept = PersistedQueries() if profile.apq else None

    def find(
        self,
        query: str | None,
        document_id: str | None,
        extensions: Mapping[str, Any] | None,
        client: tuple[str, str],
        *,
        may_choose: bool,
    ) -> Named | None:
        """None: the request names nothing. `may_choose`: this caller may send documents of its own in any profile.

        Raises InvalidOperation with PERSISTED_QUERY_NOT_FOUND, PERSISTED_QUERY_NOT_SUPPORTED,
        PERSISTED_QUERY_HASH_MISMATCH, DOCUMENT_NOT_TRUSTED or BAD_REQUEST.
        """
        is_free = may_choose or not self._profile.documents_only
        key = document_id and self._key(document_id, query)
        if key is None and extensions and (persisted := extensions.get("persistedQuery")) is not None:
            key = _sha256_of(persisted)
            if query is not None and digest(query) != key:
                raise hash_mismatch()
        if query is None:
            return self._by_key(key, client, is_free=is_free) if key else None
        if self.documents is not None and (document := self.documents.by_text(query, client)) is not None:
            return Named(document.text, key, True)
        if not is_free:
            raise not_trusted()
        return Named(query, key, False, key if self.kept is not None else None)

    def _key(self, document_id: str, query: str | None) -> str:
        if query is not None:
            raise refusal("BAD_REQUEST", "Send `documentId` or `query`, not both.")
        prefix, _, payload = document_id.partition(":")
        if prefix == "sha256" and _HASH.fullmatch(payload):
            return payload
        if _CUSTOM.fullmatch(document_id):
            return document_id
        raise refusal("BAD_REQUEST", "`documentId` is `sha256:` and 64 hexadecimal digits, or an id of the manifest.")

    def _by_key(self, key: str, client: tuple[str, str], *, is_free: bool) -> Named:
        if self.documents is not None and (document := self.documents.by_id(key, client)) is not None:
            return Named(document.text, key, True)
        if self.kept is None and self.documents is None:
            raise not_supported()
        text = self.kept.get(key) if self.kept is not None and is_free else None
        if text is None:
            raise not_found()
        return Named(text, key, False)

    def keep(self, named: Named) -> None:
        """Remember a text by its hash: it was run, so it is worth the room."""
        if self.kept is not None and named.keep_as is not None:
            self.kept.keep(named.keep_as, named.text)


def _sha256_of(persisted: Any) -> str:
    if not isinstance(persisted, dict) or persisted.get("version") != 1:
        raise refusal("BAD_REQUEST", "`extensions.persistedQuery` is an object with `version: 1` and `sha256Hash`.")
    said = persisted.get("sha256Hash")
    if not isinstance(said, str) or not _HASH.fullmatch(said.lower()):
        raise refusal("BAD_REQUEST", "`sha256Hash` is 64 hexadecimal digits.")
    return said.lower()
