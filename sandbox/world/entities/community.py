"""Topics, posts, comments and likes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from .common import BrandCode, Language, Text

PostState = Literal["PENDING_REVIEW", "PUBLISHED", "REJECTED", "HIDDEN"]


@dataclass(frozen=True, slots=True)
class Topic:
    id: str
    name: Text
    description: Text


@dataclass(slots=True)
class Post:
    """``author_id`` is a customer, or None where the brand itself (``author_brand``) writes. ``liked_by`` holds
    customer ids.
    """

    id: str
    author_id: str | None
    author_brand: BrandCode | None
    author_name: str
    title: str
    body: str
    language: Language
    topic_ids: tuple[str, ...]
    images: tuple[str, ...]
    state: PostState
    created_at: datetime
    published_at: datetime | None
    liked_by: set[str] = field(default_factory=set)
    pinned: bool = False
    model_id: str | None = None


@dataclass(slots=True)
class Comment:
    id: str
    post_id: str
    author_id: str
    author_name: str
    body: str
    state: PostState
    created_at: datetime
