"""The community as a port: every method is one call, bulk reads one for each hundred ids, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from adapters.community import community_wire as wire
from adapters.transport.records import RecordClient
from adapters.transport.rest import segment
from adapters.transport.upstream import Audience, CachePolicy, Effect, Operation, Upstream
from bff.domain.base import Found, Outcome, Page, PageArgs
from bff.domain.community import Comment, Post, Topic
from bff.errors import BffError

# With a viewer an answer says what that customer likes, and shows posts that await review: it is nobody else's.
FEED = Operation(name="GetFeed", audience=Audience.PUBLIC)
FEED_OF_VIEWER = Operation(name="GetFeed")
POSTS = Operation(name="GetPosts", audience=Audience.PUBLIC)
POSTS_OF_VIEWER = Operation(name="GetPosts")
TOPICS = Operation(
    name="GetTopics",
    audience=Audience.PUBLIC,
    cache=CachePolicy(fresh=60, stale_while_revalidate=600, stale_if_error=86_400, tags=("topics",)),
)
COMMENTS = Operation(name="GetComments", audience=Audience.PUBLIC)
PUBLISH = Operation(name="PublishPost", effect=Effect.WRITE)
COMMENT = Operation(name="Comment", effect=Effect.WRITE)
LIKE = Operation(name="Like", effect=Effect.WRITE)
UNLIKE = Operation(name="Unlike", effect=Effect.WRITE)

_NO_CUSTOMER = "There is no such customer."


class CommunityAdapter:
    """Implements `CommunityPort`."""

    def __init__(self, upstream: Upstream) -> None:
        self._client = RecordClient(upstream)

    async def feed(self, *, topic_id: str | None, viewer: str | None, page: PageArgs) -> Page[Post]:
        operation = FEED if viewer is None else FEED_OF_VIEWER
        asked = [("topic", topic_id), ("viewer", viewer)]
        keys = [topic_id] if topic_id is not None else []
        return await self._client.page(operation, "/feed", page, wire.POSTS, parameters=asked, keys=keys)

    async def posts(self, ids: Sequence[str], *, viewer: str | None) -> Found[str, Post]:
        operation = POSTS if viewer is None else POSTS_OF_VIEWER
        return await self._client.found(
            operation, "/posts", "id", ids, wire.POSTS, lambda post: post.id, parameters=[("viewer", viewer)]
        )

    async def topics(self) -> list[Topic]:
        return await self._client.listed(TOPICS, "/topics", wire.TOPICS)

    async def comments(self, post_ids: Sequence[str], *, limit: int) -> Found[str, list[Comment]]:
        if limit < 1:
            return {post_id: [] for post_id in post_ids}
        answered = await self._client.found(
            COMMENTS,
            "/comments",
            "postId",
            post_ids,
            wire.COMMENTS,
            lambda pair: pair[0],
            parameters=[("limit", limit)],
        )
        return {key: pair if isinstance(pair, BffError) else pair[1] for key, pair in answered.items()}

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
        return await self._client.write(
            PUBLISH,
            "POST",
            "/posts",
            wire.post_body(customer_id, title, body, topic_ids, model_code),
            wire.POSTS,
            wire.PUBLISH_REFUSALS,
            idempotency_key=idempotency_key,
            missing=_NO_CUSTOMER,
            keys=[customer_id],
        )

    async def comment(self, customer_id: str, post_id: str, body: str, *, idempotency_key: str) -> Outcome[Comment]:
        return await self._client.write(
            COMMENT,
            "POST",
            f"/posts/{segment(post_id)}/comments",
            wire.comment_body(customer_id, body),
            wire.COMMENT,
            wire.COMMENT_REFUSALS,
            idempotency_key=idempotency_key,
            missing=_NO_CUSTOMER,
            keys=[post_id],
        )

    async def set_like(self, customer_id: str, post_id: str, *, liked: bool) -> Outcome[Post]:
        return await self._client.write(
            LIKE if liked else UNLIKE,
            "PUT" if liked else "DELETE",
            f"/posts/{segment(post_id)}/likes/{segment(customer_id)}",
            None,
            wire.POSTS,
            wire.LIKE_REFUSALS,
            idempotency_key=str(uuid4()),
            missing=_NO_CUSTOMER,
            keys=[post_id],
        )
