"""The community: a feed of posts, comments, likes."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry

from bff.context import RequestContext
from bff.domain import community as domain
from bff.domain.base import Outcome
from bff.errors import InvalidInput
from resolvers import loads
from resolvers.common import LONGEST_KEY, Request, customer_id_of, enum, field, localised, mutation, prop, text_of
from resolvers.configurator import VehicleModel
from resolvers.fields import batch_field, load_one
from resolvers.payloads import IDEMPOTENCY_KEY, UserError, entity, idempotency, payload, refusal_code
from resolvers.privacy import FREE_TEXT
from resolvers.relay import Connection, ConnectionValue, Node, connection, decode_id, global_id, node_of, page_args
from resolvers.rights import scopes

enum(domain.PostState, "Where a post stands.", {"PENDING_REVIEW": "Only its author sees it until it is reviewed."})


@strawberry.type(description="What posts are about.")
class Topic:
    id: strawberry.ID = prop("The topic's code; `communityFeed` takes it.")
    name: str = localised("Name.", "name")
    description: str = localised("A sentence about it.", "description")


@strawberry.type(description="Who wrote it.")
class Author:
    name: str = prop("Display name.")
    brand: str | None = prop("The brand, where it is the brand itself that writes.")


@strawberry.type(description="A comment on a post.")
class Comment:
    id: strawberry.ID = prop("The comment's number.")
    author: Author = prop("Who wrote it.")
    body: str = prop("Plain text.")
    created_at: datetime = prop("When.")


async def _post_by_key(context: RequestContext, key: str) -> domain.Post | None:
    return await load_one(context, loads.posts, key)


@strawberry.type(description="A post of the community.")
@node_of(domain.Post, _post_by_key)
class Post(Node):
    id: strawberry.ID = global_id("Post", lambda post: post.id)
    author: Author = prop("Who wrote it.")
    title: str = prop("Title.")
    body: str = prop("Plain text.")
    language: str = prop("Language it is written in, a BCP 47 tag.")
    topic_ids: list[strawberry.ID] = prop("Topics.")
    image_paths: list[str] = prop("Pictures, as paths on the content host.")
    state: domain.PostState = prop("Where it stands.")
    published_at: datetime | None = prop("When it was published; null before review.")
    like_count: int = prop("How many like it.")
    comment_count: int = prop("How many comments it has.")
    liked: bool = prop("Whether the caller likes it.")
    pinned: bool = prop("Whether it is kept on top.")
    model: VehicleModel | None = batch_field(loads.models, key="model_code", description="The model it is about.")
    comments: list[Comment] | None = batch_field(
        loads.comments, key="id", description="The newest comments; `limit` of them, 50 at most."
    )


@strawberry.type
class CommunityQuery:
    @field(
        "Published posts, pinned ones first, then the newest; of one topic if it is given. 20 by default.",
        returns=Connection[Post] | None,
    )
    @staticmethod
    async def community_feed(
        info: Request,
        topic_id: strawberry.ID | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> ConnectionValue:
        page = page_args(first, after, last, before)
        viewer = info.context.caller.customer_id
        return connection(await info.context.ports.community.feed(topic_id=topic_id, viewer=viewer, page=page))

    @field("What posts are about, in the order to show.", returns=list[Topic] | None)
    @staticmethod
    async def community_topics(info: Request) -> list[domain.Topic]:
        return await info.context.ports.community.topics()


class CommunityErrorCode(Enum):
    POST_UNKNOWN = "POST_UNKNOWN"
    TOPIC_UNKNOWN = "TOPIC_UNKNOWN"
    MODEL_UNKNOWN = "MODEL_UNKNOWN"
    TEXT_REFUSED = "TEXT_REFUSED"
    RATE_LIMITED = "RATE_LIMITED"
    OTHER = "OTHER"


enum(
    CommunityErrorCode,
    "Why the community did not take it.",
    {
        "MODEL_UNKNOWN": "There is no model of this code: read `vehicleModels` again.",
        "TEXT_REFUSED": "The text breaks the rules of the house.",
        "OTHER": "Read the message.",
    },
)


@strawberry.type(description="Why the community did not take it.")
class CommunityUserError(UserError):
    code: CommunityErrorCode = refusal_code(CommunityErrorCode)


@payload("What became of a post.", errors=CommunityUserError)
class PostPayload:
    entity: Post | None = entity("The post as it is now.")


@payload("What became of a comment.", errors=CommunityUserError)
class CommentPayload:
    entity: Comment | None = entity("The comment.")


@strawberry.input(description="A post to publish.")
class PublishPostInput:
    title: str = strawberry.field(description="1 to 60 characters.", directives=[FREE_TEXT])
    body: str = strawberry.field(description="Plain text, at most 5000 characters.", directives=[FREE_TEXT])
    topic_ids: list[strawberry.ID] = strawberry.field(description="At most three topics.", default_factory=list)
    model_code: str | None = strawberry.field(description="The model it is about.", default=None)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A comment to add.")
class CommentOnPostInput:
    post_id: strawberry.ID = strawberry.field(description="`id` of a Post.")
    body: str = strawberry.field(description="Plain text, at most 500 characters.", directives=[FREE_TEXT])
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A like, given or taken back.")
class LikePostInput:
    post_id: strawberry.ID = strawberry.field(description="`id` of a Post.")
    liked: bool = strawberry.field(description="True to like it, false to take it back.", default=True)


@strawberry.type
class CommunityMutation:
    @mutation(
        "Publish a post. It is reviewed first.",
        returns=PostPayload,
        directives=[scopes("community:write")],
    )
    @staticmethod
    async def publish_post(info: Request, input: PublishPostInput) -> Outcome[domain.Post]:
        if len(input.topic_ids) > 3:
            raise InvalidInput("At most three topics.", field="input.topicIds")
        return await info.context.ports.community.publish(
            customer_id_of(info),
            title=text_of(input.title, "input.title", most=60),
            body=text_of(input.body, "input.body", most=5000),
            topic_ids=[text_of(topic, "input.topicIds", most=LONGEST_KEY) for topic in input.topic_ids],
            model_code=input.model_code,
            idempotency_key=idempotency(info, input.idempotency_key),
        )

    @mutation(
        "Comment on a post.",
        returns=CommentPayload,
        directives=[scopes("community:write")],
    )
    @staticmethod
    async def comment_on_post(info: Request, input: CommentOnPostInput) -> Outcome[domain.Comment]:
        return await info.context.ports.community.comment(
            customer_id_of(info),
            decode_id(input.post_id, "Post", "input.postId"),
            text_of(input.body, "input.body", most=500),
            idempotency_key=idempotency(info, input.idempotency_key),
        )

    @mutation(
        "Like a post, or take the like back.",
        returns=PostPayload,
        directives=[scopes("community:write")],
    )
    @staticmethod
    async def like_post(info: Request, input: LikePostInput) -> Outcome[domain.Post]:
        return await info.context.ports.community.set_like(
            customer_id_of(info), decode_id(input.post_id, "Post", "input.postId"), liked=input.liked
        )
