"""Posts, comments and likes of owners and of the brand. Source: community."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Protocol

from bff.domain.base import Found, Outcome, Page, PageArgs, Text, Value


class PostState(Enum):
    PENDING_REVIEW = "PENDING_REVIEW"
    PUBLISHED = "PUBLISHED"
    REJECTED = "REJECTED"
    HIDDEN = "HIDDEN"
    UNKNOWN = "UNKNOWN"


class Topic(Value, frozen=True, kw_only=True):
    id: str
    name: Text
    description: Text


class Author(Value, frozen=True, kw_only=True):
    """A customer by display name, or a brand."""

    name: str
    brand: str | None


class Post(Value, frozen=True, kw_only=True):
    """`liked` is about the caller."""

    id: str
    author: Author
    title: str
    body: str
    language: str
    topic_ids: list[str]
    image_paths: list[str]
    state: PostState
    published_at: datetime | None
    created_at: datetime
    like_count: int
    comment_count: int
    liked: bool
    pinned: bool
    model_code: str | None


class Comment(Value, frozen=True, kw_only=True):
    id: str
    author: Author
    body: str
    created_at: datetime


class CommunityPort(Protocol):
    """Refusal codes: POST_UNKNOWN, TOPIC_UNKNOWN, MODEL_UNKNOWN, TEXT_REFUSED, RATE_LIMITED."""

    async def feed(self, *, topic_id: str | None, viewer: str | None, page: PageArgs) -> Page[Post]:
        """Published posts, pinned first, then newest first. `viewer` is a customer id, for `liked`."""
        ...

    async def posts(self, ids: Sequence[str], *, viewer: str | None) -> Found[str, Post]: ...

    async def topics(self) -> list[Topic]: ...

    async def comments(self, post_ids: Sequence[str], *, limit: int) -> Found[str, list[Comment]]:
        """The newest `limit` of each post, in one call."""
        ...

    async def publish(
        self,
        customer_id: str,
        *,
        title: str,
        body: str,
        topic_ids: Sequence[str],
        model_code: str | None,
        idempotency_key: str,
    ) -> Outcome[Post]:
        """The post awaits review."""
        ...

    async def comment(self, customer_id: str, post_id: str, body: str, *, idempotency_key: str) -> Outcome[Comment]: ...

    async def set_like(self, customer_id: str, post_id: str, *, liked: bool) -> Outcome[Post]: ...
