"""The house rules: who sees which post, in which order, and what may be written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta

from sandbox.community.shapes import NewComment, NewPost
from sandbox.kit.clock import Clock
from sandbox.kit.rest import Refused
from sandbox.world import World
from sandbox.world.entities import Comment, Customer, Post

POSTS_AN_HOUR = 20
COMMENTS_AN_HOUR = 60
FORBIDDEN = ("加微信", "刷单", "代开发票", "赌博", "casino", "viagra")
_HAN = re.compile(r"[\u4e00-\u9fff]")


class Board:
    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self._now = clock

    # Reading

    def feed(self, topic_id: str | None) -> list[Post]:
        """Published posts, pinned ones first, then the newest."""
        shown = [
            post
            for post in self.world.posts.values()
            if post.state == "PUBLISHED" and (topic_id is None or topic_id in post.topic_ids)
        ]
        return sorted(
            shown, key=lambda post: (post.pinned, post.published_at or post.created_at, post.id), reverse=True
        )

    def seen(self, post_id: str, viewer: str | None) -> Post | None:
        """A post that is not published exists for its author only."""
        post = self.world.posts.get(post_id)
        own = post is not None and viewer is not None and post.author_id == viewer
        return post if post is not None and (own or post.state == "PUBLISHED") else None

    def comments(self, post: Post) -> list[Comment]:
        """Published comments, newest first; none under a post that is not published."""
        if post.state != "PUBLISHED":
            return []
        shown = [comment for comment in self.world.comments_of(post.id) if comment.state == "PUBLISHED"]
        return sorted(shown, key=lambda comment: (comment.created_at, comment.id), reverse=True)

    def counts(self) -> dict[str, int]:
        """Published comments by post."""
        counts: dict[str, int] = {}
        for comment in self.world.comments.values():
            if comment.state == "PUBLISHED":
                counts[comment.post_id] = counts.get(comment.post_id, 0) + 1
        return counts

    # Writing

    def publish(self, asked: NewPost) -> Post:
        author = self.customer(asked.customer_id)
        _refuse_forbidden(asked.title, asked.body)
        if any(topic not in self.world.topics for topic in asked.topic_ids):
            raise Refused("TOPIC_UNKNOWN", "one of the topics does not exist", 422)
        if asked.model_code is not None and asked.model_code not in self.world.models:
            raise Refused("MODEL_UNKNOWN", "no such model", 422)
        self._limit(self.world.posts.values(), author, POSTS_AN_HOUR)
        post = Post(
            id=f"PS{len(self.world.posts) + 1:05d}",
            author_id=author.id,
            author_brand=None,
            author_name=author.display_name,
            title=asked.title,
            body=asked.body,
            language="zh-CN" if _HAN.search(asked.title + asked.body) else "en",
            topic_ids=tuple(dict.fromkeys(asked.topic_ids)),
            images=(),
            state="PENDING_REVIEW",
            created_at=self._now(),
            published_at=None,
            model_id=asked.model_code,
        )
        self.world.posts[post.id] = post
        return post

    def comment(self, post_id: str, asked: NewComment) -> Comment:
        """A comment shows at once; a moderator may hide it later."""
        author, post = self.customer(asked.customer_id), self.published(post_id)
        _refuse_forbidden(asked.body)
        self._limit(self.world.comments.values(), author, COMMENTS_AN_HOUR)
        comment_id = f"CM{len(self.world.comments) + 1:05d}"
        made = Comment(comment_id, post.id, author.id, author.display_name, asked.body, "PUBLISHED", self._now())
        self.world.comments[made.id] = made
        return made

    def like(self, post_id: str, customer_id: str, liked: bool) -> Post:
        customer, post = self.customer(customer_id), self.published(post_id)
        if liked:
            post.liked_by.add(customer.id)
        else:
            post.liked_by.discard(customer.id)
        return post

    def customer(self, customer_id: str) -> Customer:
        found = self.world.customer(customer_id)
        if found is None:
            raise Refused("NOT_FOUND", "no such customer", 404)
        return found

    def published(self, post_id: str) -> Post:
        found = self.seen(post_id, None)
        if found is None:
            raise Refused("POST_UNKNOWN", "no such post is published", 404)
        return found

    def _limit(self, written: Iterable[Post | Comment], author: Customer, most: int) -> None:
        since = self._now() - timedelta(hours=1)
        if sum(one.author_id == author.id and one.created_at > since for one in written) >= most:
            raise Refused("RATE_LIMITED", f"at most {most} an hour", 409, most=most)


def _refuse_forbidden(*texts: str) -> None:
    said = "\n".join(texts).casefold()
    if not all(text.strip() for text in texts) or any(word in said for word in FORBIDDEN):
        raise Refused("TEXT_REFUSED", "the text breaks the rules of the house", 422)
