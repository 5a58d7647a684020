"""The community's JSON and what it means (docs/contracts/community.openapi.json). Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from adapters.transport.records import Codes, Moment, Records, Refusals, utc, utc_or_none
from bff.domain.base import Int, Text
from bff.domain.community import Author, Comment, Post, PostState, Topic

NAME = "community"

_state = Codes(NAME, PostState)


class Wire(msgspec.Struct, frozen=True, rename="camel"):
    pass


class WirePost(Wire, frozen=True):
    id: str
    author: Author
    title: str
    body: str
    language: str
    topic_ids: list[str]
    image_paths: list[str]
    state: str
    published_at: Moment | None
    created_at: Moment
    like_count: Int
    comment_count: Int
    liked: bool
    pinned: bool
    model_code: str | None


class WireTopic(Wire, frozen=True):
    id: str
    name: Text
    description: Text


class WireComment(Wire, frozen=True):
    id: str
    author: Author
    body: str
    created_at: Moment


class WireComments(Wire, frozen=True):
    post_id: str
    comments: list[msgspec.Raw]


def read_post(wire: WirePost) -> Post:
    return Post(
        id=wire.id,
        author=wire.author,
        title=wire.title,
        body=wire.body,
        language=wire.language,
        topic_ids=wire.topic_ids,
        image_paths=wire.image_paths,
        state=_state(wire.state),
        published_at=utc_or_none(wire.published_at),
        created_at=utc(wire.created_at),
        like_count=wire.like_count,
        comment_count=wire.comment_count,
        liked=wire.liked,
        pinned=wire.pinned,
        model_code=wire.model_code,
    )


def read_topic(wire: WireTopic) -> Topic:
    return Topic(id=wire.id, name=wire.name, description=wire.description)


def read_comment(wire: WireComment) -> Comment:
    return Comment(id=wire.id, author=wire.author, body=wire.body, created_at=utc(wire.created_at))


def read_comments(wire: WireComments) -> tuple[str, list[Comment]]:
    """The post's id and its newest comments; a `PartialList` where one could not be read."""
    return wire.post_id, COMMENT.several(NAME, wire.comments)


POSTS = Records(WirePost, read_post, key="id")
TOPICS = Records(WireTopic, read_topic, key="id")
COMMENT = Records(WireComment, read_comment, key="id")
COMMENTS = Records(WireComments, read_comments, key="postId")

_POST_UNKNOWN = ("There is no such post any more.", ["postId"])
_RATE_LIMITED = ("At most {most} an hour: try again later.", None)
_RULES = "The text breaks the rules of the house."

PUBLISH_REFUSALS = Refusals(
    {
        "TOPIC_UNKNOWN": ("One of the topics does not exist.", ["topicIds"]),
        "MODEL_UNKNOWN": ("There is no such model.", ["modelCode"]),
        "TEXT_REFUSED": (_RULES, None),
        "RATE_LIMITED": _RATE_LIMITED,
    }
)
COMMENT_REFUSALS = Refusals(
    {"POST_UNKNOWN": _POST_UNKNOWN, "TEXT_REFUSED": (_RULES, ["body"]), "RATE_LIMITED": _RATE_LIMITED}
)
LIKE_REFUSALS = Refusals({"POST_UNKNOWN": _POST_UNKNOWN})


def post_body(
    customer_id: str, title: str, body: str, topic_ids: Sequence[str], model_code: str | None
) -> dict[str, Any]:
    return {
        "customerId": customer_id,
        "title": title,
        "body": body,
        "topicIds": topic_ids,
        "modelCode": model_code,
    }


def comment_body(customer_id: str, body: str) -> dict[str, Any]:
    return {"customerId": customer_id, "body": body}
