"""The service's JSON, as types: bodies are strict, answers name authors but never tell who they are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from sandbox.world import World, entities
from sandbox.world.entities.community import PostState

Word = Annotated[str, msgspec.Meta(min_length=1)]


class Shape(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    pass


class Text(Shape):
    zh: str
    en: str

    @classmethod
    def of(cls, text: entities.Text) -> Text:
        return cls(zh=text.zh, en=text.en)


class Topic(Shape):
    id: str
    name: Text
    description: Text

    @classmethod
    def of(cls, topic: entities.Topic) -> Topic:
        return cls(id=topic.id, name=Text.of(topic.name), description=Text.of(topic.description))


class Author(Shape):
    """A customer by display name as it is now, or a brand."""

    name: str
    brand: str | None

    @classmethod
    def of(cls, world: World, name: str, author_id: str | None, brand: str | None = None) -> Author:
        customer = world.customer(author_id) if author_id is not None else None
        return cls(name=customer.display_name if customer else name, brand=brand)


class Post(Shape):
    """`liked` is about the viewer who was named in the request; false where none was."""

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

    @classmethod
    def of(cls, world: World, post: entities.Post, viewer: str | None, comment_count: int) -> Post:
        return cls(
            id=post.id,
            author=Author.of(world, post.author_name, post.author_id, post.author_brand),
            title=post.title,
            body=post.body,
            language=post.language,
            topic_ids=list(post.topic_ids),
            image_paths=list(post.images),
            state=post.state,
            published_at=post.published_at,
            created_at=post.created_at,
            like_count=len(post.liked_by),
            comment_count=comment_count,
            liked=viewer in post.liked_by,
            pinned=post.pinned,
            model_code=post.model_id,
        )


class Comment(Shape):
    id: str
    author: Author
    body: str
    created_at: datetime

    @classmethod
    def of(cls, world: World, comment: entities.Comment) -> Comment:
        author = Author.of(world, comment.author_name, comment.author_id)
        return cls(id=comment.id, author=author, body=comment.body, created_at=comment.created_at)


class Comments(Shape):
    """The newest comments of a post, newest first."""

    post_id: str
    comments: list[Comment]


class NewPost(Shape):
    customer_id: Word
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    body: Annotated[str, msgspec.Meta(min_length=1, max_length=5000)]
    topic_ids: Annotated[list[Word], msgspec.Meta(max_length=3)]
    model_code: str | None


class NewComment(Shape):
    customer_id: Word
    body: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
