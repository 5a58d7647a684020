"""The community over REST (docs/contracts/community.openapi.json): feed, posts, topics, comments, likes."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.community import shapes
from sandbox.community.board import Board
from sandbox.kit.clock import Clock, running_from
from sandbox.kit.openapi import (
    PAGING,
    Endpoint,
    Items,
    Page,
    Parameter,
    body_as,
    document,
    key_required,
    keys,
    keys_of,
    routes,
    word,
)
from sandbox.kit.rest import HANDLERS, Handler, Idempotency, PageQuery, Refused, page, reply
from sandbox.kit.server import System
from sandbox.world import World
from sandbox.world.entities import Post

NAME = "community"
MOST_COMMENTS = 50
_WRITING = ("NOT_FOUND", "TEXT_REFUSED", "RATE_LIMITED", "IDEMPOTENCY_KEY_REUSED")


def create(world: World, clock: Clock | None = None) -> System:
    """The system over `world`; without a clock, time begins at the world's `now`."""
    app = Starlette(routes=[*routes(endpoints(world, clock)), Route("/_ping", _ping)], exception_handlers=HANDLERS)
    return System(NAME, app)


def openapi(world: World) -> dict[str, Any]:
    """The service's contract, as it is kept in docs/contracts/community.openapi.json."""
    described = "Posts of owners and brands, comments and likes. Authors are named, never identified. Times are UTC."
    return document("Community", described, endpoints(world))


def endpoints(world: World, clock: Clock | None = None) -> list[Endpoint]:
    return _Api(world, clock or running_from(world.now)).endpoints()


class _Api:
    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self.board = Board(world, clock)
        self._once = Idempotency()

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(method="GET", path="/feed", id="GetFeed", handler=self.feed, answer=Page[shapes.Post],
                     parameters=(*PAGING, word("topic"), word("viewer")), refusals=("BAD_CURSOR",),
                     summary="Published posts, pinned ones first, then the newest; of one topic if it is given."),
            Endpoint(method="GET", path="/posts", id="GetPosts", handler=self.posts, answer=Items[shapes.Post],
                     parameters=(keys("id"), word("viewer")),
                     summary="Posts by id. One that is not published exists for its author only, as the viewer."),
            Endpoint(method="GET", path="/topics", id="GetTopics", handler=self.topics, answer=Items[shapes.Topic],
                     summary="All topics, in the order to show."),
            Endpoint(method="GET", path="/comments", id="GetComments", handler=self.comments,
                     parameters=(keys("postId"), _limit()), answer=Items[shapes.Comments],
                     summary="The newest comments of each post that exists."),
            Endpoint(method="POST", path="/posts", id="PublishPost", handler=self._keyed(self.publish),
                     body=shapes.NewPost, answer=shapes.Post, status=201, idempotent=True,
                     refusals=(*_WRITING, "TOPIC_UNKNOWN", "MODEL_UNKNOWN"),
                     summary="Hand in a post; it awaits review. RATE_LIMITED (409) is about this customer."),
            Endpoint(method="POST", path="/posts/{id}/comments", id="Comment", handler=self._keyed(self.comment),
                     body=shapes.NewComment, answer=shapes.Comment, status=201, idempotent=True,
                     refusals=(*_WRITING, "POST_UNKNOWN"), summary="Comment on a published post; it shows at once."),
            Endpoint(method="PUT", path="/posts/{id}/likes/{customer}", id="Like", handler=self.like,
                     answer=shapes.Post, refusals=("NOT_FOUND", "POST_UNKNOWN"),
                     summary="Like a published post; liking it again changes nothing."),
            Endpoint(method="DELETE", path="/posts/{id}/likes/{customer}", id="Unlike", handler=self.like,
                     answer=shapes.Post, refusals=("NOT_FOUND", "POST_UNKNOWN"),
                     summary="Take a like back; one that is not there changes nothing."),
        ]  # fmt: skip

    # Reads

    async def feed(self, request: Request) -> Response:
        viewer, counts = self._viewer(request), self.board.counts()

        def show(post: Post) -> Any:
            return msgspec.to_builtins(shapes.Post.of(self.world, post, viewer, counts.get(post.id, 0)))

        return page(self.board.feed(request.query_params.get("topic")), PageQuery.of(request), show)

    async def posts(self, request: Request) -> Response:
        viewer, counts = self._viewer(request), self.board.counts()
        found = (self.board.seen(key, viewer) for key in keys_of(request, "id"))
        shown = [shapes.Post.of(self.world, post, viewer, counts.get(post.id, 0)) for post in found if post is not None]
        return _show(Items(shown))

    async def topics(self, _request: Request) -> Response:
        return _show(Items([shapes.Topic.of(topic) for topic in self.world.topics.values()]))

    async def comments(self, request: Request) -> Response:
        raw = request.query_params.get("limit", "3")
        if not raw.isdecimal() or not 1 <= int(raw) <= MOST_COMMENTS:
            raise Refused("BAD_REQUEST", f"limit is 1 to {MOST_COMMENTS}", 400)
        found = (self.world.posts.get(key) for key in keys_of(request, "postId"))
        lists = [(post.id, self.board.comments(post)[: int(raw)]) for post in found if post is not None]
        return _show(
            Items(
                [
                    shapes.Comments(post_id=post, comments=[shapes.Comment.of(self.world, one) for one in newest])
                    for post, newest in lists
                ]
            )
        )

    # Writes

    async def publish(self, request: Request) -> Response:
        made = self.board.publish(await body_as(request, shapes.NewPost))
        return _show(shapes.Post.of(self.world, made, made.author_id, 0), 201)

    async def comment(self, request: Request) -> Response:
        made = self.board.comment(request.path_params["id"], await body_as(request, shapes.NewComment))
        return _show(shapes.Comment.of(self.world, made), 201)

    async def like(self, request: Request) -> Response:
        given = request.path_params
        viewer = self.board.customer(given["customer"]).id
        post = self.board.like(given["id"], viewer, request.method == "PUT")
        return _show(shapes.Post.of(self.world, post, viewer, self.board.counts().get(post.id, 0)))

    def _keyed(self, handler: Handler) -> Handler:
        once = self._once(handler)

        async def checked(request: Request) -> Response:
            key_required(request)
            return await once(request)

        return checked

    def _viewer(self, request: Request) -> str | None:
        """The account of the viewer, after merges."""
        customer = self.world.customer(request.query_params.get("viewer", ""))
        return customer.id if customer is not None else None


def _limit() -> Parameter:
    return Parameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST_COMMENTS, "default": 3})


async def _ping(_request: Request) -> Response:
    return reply({"system": NAME, "simulated": True})


def _show(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
