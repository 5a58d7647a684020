"""The adapter against the simulated community: order, visibility, review, limits."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from adapters.community.client import CommunityAdapter
from bff.domain.base import Outcome, PageArgs
from bff.domain.community import Post, PostState
from bff.errors import InvalidInput, NotFound
from sandbox.community import app
from sandbox.community.board import COMMENTS_AN_HOUR, POSTS_AN_HOUR
from sandbox.world import World
from tests.support import BASE, entered_context, sandbox_upstream

pytestmark = pytest.mark.anyio

CONTRACT = Path(__file__).parents[2] / "docs" / "contracts" / "community.openapi.json"
AUTHOR, READER = "C0001", "C0002"


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(world: World) -> Clock:
    return Clock(world.now)


@pytest.fixture
def community(world: World, clock: Clock) -> CommunityAdapter:
    return CommunityAdapter(sandbox_upstream(app.create(world, clock)))


def client(world: World) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app.create(world)), base_url=BASE)


async def publish(
    community: CommunityAdapter,
    key: str,
    *,
    body: str = "等了四十四天。",
    topics: tuple[str, ...] = ("TP05",),
    model: str | None = "A5",
    customer: str = AUTHOR,
) -> Outcome[Post]:
    return await community.publish(
        customer, title="提车啦", body=body, topic_ids=topics, model_code=model, idempotency_key=key
    )


async def whole_feed(community: CommunityAdapter, topic: str | None = None, viewer: str | None = None) -> list[Post]:
    return (await community.feed(topic_id=topic, viewer=viewer, page=PageArgs(first=100))).items


async def post(community: CommunityAdapter, post_id: str, viewer: str | None) -> Post | None:
    found = (await community.posts([post_id], viewer=viewer)).get(post_id)
    assert found is None or isinstance(found, Post)
    return found


# The feed


async def test_feed_is_what_is_published_pinned_first_then_newest(community: CommunityAdapter, world: World) -> None:
    shown = await whole_feed(community)
    assert {one.id for one in shown} == {one.id for one in world.posts.values() if one.state == "PUBLISHED"}
    assert {one.state for one in shown} == {PostState.PUBLISHED}
    pinned = [one.pinned for one in shown]
    assert pinned[0]
    assert pinned == sorted(pinned, reverse=True)
    rest = [one.published_at for one in shown if not one.pinned and one.published_at is not None]
    assert len(rest) == pinned.count(False)
    assert rest == sorted(rest, reverse=True)


async def test_feed_tells_counts_and_likes_as_the_world_has_them(community: CommunityAdapter, world: World) -> None:
    shown = await whole_feed(community, viewer=READER)
    assert {one.liked for one in shown} == {True, False}
    for one in shown:
        truth = world.posts[one.id]
        said = [comment for comment in world.comments_of(one.id) if comment.state == "PUBLISHED"]
        assert (one.like_count, one.comment_count) == (len(truth.liked_by), len(said))
        assert one.liked == (READER in truth.liked_by)
    assert not any(one.liked for one in await whole_feed(community))


async def test_feed_of_a_topic_has_that_topic_only(community: CommunityAdapter) -> None:
    shown = await whole_feed(community, topic="TP02")
    assert shown
    assert all("TP02" in one.topic_ids for one in shown)
    assert await whole_feed(community, topic="TP99") == []


async def test_pages_forward_and_backward_meet(community: CommunityAdapter) -> None:
    whole = [one.id for one in await whole_feed(community)]
    seen: list[str] = []
    after = None
    while True:
        page = await community.feed(topic_id=None, viewer=None, page=PageArgs(first=30, after=after))
        seen += [one.id for one in page.items]
        assert page.total == len(whole)
        if not page.has_next:
            break
        after = page.cursors[-1]
    assert seen == whole
    last = await community.feed(topic_id=None, viewer=None, page=PageArgs(last=4))
    before = await community.feed(topic_id=None, viewer=None, page=PageArgs(last=4, before=last.cursors[0]))
    assert [one.id for one in before.items + last.items] == whole[-8:]
    assert (last.has_next, last.has_previous, before.has_next) == (False, True, True)
    with pytest.raises(InvalidInput):
        await community.feed(topic_id=None, viewer=None, page=PageArgs(first=4, after="no cursor"))


async def test_topics_are_those_of_the_world(community: CommunityAdapter, world: World) -> None:
    assert [(topic.id, topic.name.zh) for topic in await community.topics()] == [
        (topic.id, topic.name.zh) for topic in world.topics.values()
    ]


async def test_authors_are_named_as_they_are_called_now(community: CommunityAdapter, world: World) -> None:
    own = next(one for one in world.posts.values() if one.author_id == AUTHOR)
    world.customers[AUTHOR].display_name = "小林"
    shown = await post(community, own.id, None)
    assert shown is not None
    assert (shown.author.name, shown.author.brand) == ("小林", None)
    brand = next(one for one in await whole_feed(community) if one.author.brand is not None)
    assert (brand.author.name, brand.author.brand) == (world.brands["ASTER"].name.zh, "ASTER")


# Who sees what


@pytest.mark.parametrize("state", ["PENDING_REVIEW", "REJECTED", "HIDDEN"])
async def test_what_is_not_published_is_for_its_author_only(
    community: CommunityAdapter, world: World, state: str
) -> None:
    truth = next(one for one in world.posts.values() if one.state == state and one.author_id is not None)
    assert await post(community, truth.id, None) is None
    assert await post(community, truth.id, "C0150" if truth.author_id != "C0150" else AUTHOR) is None
    own = await post(community, truth.id, truth.author_id)
    assert own is not None
    assert own.state.value == state
    assert truth.id not in {one.id for one in await whole_feed(community, viewer=truth.author_id)}


async def test_merged_viewer_sees_as_the_account_it_became(community: CommunityAdapter, world: World) -> None:
    truth = next(iter(world.posts.values()))
    truth.liked_by = {"C0012"}
    shown = await post(community, truth.id, "C0199")
    assert shown is not None
    assert shown.liked


async def test_comments_are_the_newest_published_of_every_post_in_one_call(
    community: CommunityAdapter, world: World
) -> None:
    context = entered_context()
    found = await community.comments([*world.posts, "PS99999"], limit=2)
    assert (len(context.calls.records), context.calls.rounds) == (1, 1)
    assert found.keys() == world.posts.keys()
    assert any(comment.state == "HIDDEN" for comment in world.comments.values())
    for post_id, newest in found.items():
        assert isinstance(newest, list)
        said = [comment for comment in world.comments_of(post_id) if comment.state == "PUBLISHED"]
        said.sort(key=lambda comment: (comment.created_at, comment.id), reverse=True)
        assert [comment.id for comment in newest] == [comment.id for comment in said[:2]]


async def test_comments_go_with_a_post_that_is_taken_down(community: CommunityAdapter, world: World) -> None:
    commented = next(one for one in await whole_feed(community) if one.comment_count)
    world.posts[commented.id].state = "HIDDEN"
    assert (await community.comments([commented.id], limit=3))[commented.id] == []


# Writing


async def test_post_awaits_review_and_shows_when_it_is_published(community: CommunityAdapter, world: World) -> None:
    made = (await publish(community, "k1")).entity
    assert made is not None
    assert (made.state, made.published_at, made.author.name) == (PostState.PENDING_REVIEW, None, "林晓")
    assert (made.topic_ids, made.model_code, made.language) == (["TP05"], "A5", "zh-CN")
    assert await post(community, made.id, READER) is None
    assert await post(community, made.id, AUTHOR) == made
    truth = world.posts[made.id]
    truth.state, truth.published_at = "PUBLISHED", world.now
    assert made.id in {one.id for one in await whole_feed(community, topic="TP05")}


async def test_same_key_makes_one_post(community: CommunityAdapter, world: World) -> None:
    before = len(world.posts)
    first = await publish(community, "k1")
    assert await publish(community, "k1") == first
    assert len(world.posts) == before + 1
    with pytest.raises(InvalidInput):
        await publish(community, "k1", body="Another text.")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"body": "要的加微信"}, "TEXT_REFUSED"),
        ({"body": "Best CASINO"}, "TEXT_REFUSED"),
        ({"body": "  "}, "TEXT_REFUSED"),
        ({"topics": ("TP05", "TP99")}, "TOPIC_UNKNOWN"),
        ({"model": "Z9"}, "MODEL_UNKNOWN"),
    ],
)
async def test_post_against_the_rules_is_refused(
    community: CommunityAdapter, world: World, changed: dict[str, Any], code: str
) -> None:
    before = len(world.posts)
    outcome = await publish(community, "k1", **changed)
    assert [refusal.code for refusal in outcome.refusals] == [code]
    assert len(world.posts) == before


async def test_posts_are_limited_by_the_hour_and_by_customer(community: CommunityAdapter, clock: Clock) -> None:
    made = [await publish(community, f"k{number}") for number in range(POSTS_AN_HOUR)]
    assert all(outcome.entity is not None for outcome in made)
    refused = await publish(community, "one more")
    assert [refusal.code for refusal in refused.refusals] == ["RATE_LIMITED"]
    assert str(POSTS_AN_HOUR) in refused.refusals[0].message
    assert await publish(community, "k0") == made[0]
    assert (await publish(community, "by another", customer=READER)).entity is not None
    clock.now += timedelta(hours=1)
    assert (await publish(community, "later")).entity is not None


async def test_comment_shows_at_once_and_counts(community: CommunityAdapter) -> None:
    target = (await whole_feed(community))[0]
    made = (await community.comment(AUTHOR, target.id, "好看", idempotency_key="k1")).entity
    assert made is not None
    assert made.author.name == "林晓"
    newest = (await community.comments([target.id], limit=1))[target.id]
    assert newest == [made]
    shown = await post(community, target.id, None)
    assert shown is not None
    assert shown.comment_count == target.comment_count + 1


async def test_comments_are_refused_where_there_is_nothing_to_say_them_to(community: CommunityAdapter) -> None:
    pending = (await publish(community, "k1")).entity
    assert pending is not None
    for post_id in (pending.id, "PS99999"):
        outcome = await community.comment(AUTHOR, post_id, "好看", idempotency_key=post_id)
        assert [refusal.code for refusal in outcome.refusals] == ["POST_UNKNOWN"]
    rude = await community.comment(AUTHOR, "PS00001", "代开发票", idempotency_key="k2")
    assert [(refusal.code, refusal.field) for refusal in rude.refusals] == [("TEXT_REFUSED", ["body"])]


async def test_comments_are_limited_by_the_hour(community: CommunityAdapter) -> None:
    said = [
        await community.comment(AUTHOR, "PS00001", "好看", idempotency_key=f"k{number}")
        for number in range(COMMENTS_AN_HOUR + 1)
    ]
    assert [bool(outcome.refusals) for outcome in said] == [False] * COMMENTS_AN_HOUR + [True]


async def test_like_is_counted_once_and_taken_back_once(community: CommunityAdapter, world: World) -> None:
    world.posts["PS00001"].liked_by = {"C0003"}
    counts = []
    for liked in (True, True, False, False):
        shown = (await community.set_like(AUTHOR, "PS00001", liked=liked)).entity
        assert shown is not None
        assert shown.liked is liked
        counts.append(shown.like_count)
    assert counts == [2, 2, 1, 1]
    outcome = await community.set_like(AUTHOR, "PS99999", liked=True)
    assert [refusal.code for refusal in outcome.refusals] == ["POST_UNKNOWN"]


async def test_nobody_can_write(community: CommunityAdapter) -> None:
    with pytest.raises(NotFound):
        await publish(community, "k1", customer="C9999")
    with pytest.raises(NotFound):
        await community.set_like("C9999", "PS00001", liked=True)


# What the service enforces


@pytest.mark.parametrize(
    ("method", "path", "body", "key"),
    [
        ("GET", "/posts", None, None),
        ("GET", "/comments?limit=2", None, None),
        ("GET", "/comments?postId=PS00001&limit=51", None, None),
        ("GET", "/feed?limit=101", None, None),
        ("GET", "/feed?after=x", None, None),
        ("POST", "/posts/PS00001/comments", {"customerId": AUTHOR, "body": "x"}, None),
        ("POST", "/posts/PS00001/comments", {"customerId": AUTHOR, "body": ""}, "k"),
        ("POST", "/posts/PS00001/comments", {"customerId": AUTHOR, "body": "x", "state": "PUBLISHED"}, "k"),
        ("POST", "/posts", {"customerId": AUTHOR, "title": "x", "body": "x", "topicIds": []}, "k"),
    ],
)
async def test_what_is_not_agreed_is_a_bad_request(
    world: World, method: str, path: str, body: Any, key: str | None
) -> None:
    headers = {"idempotency-key": key} if key is not None else {}
    async with client(world) as http:
        reply = await http.request(method, path, json=body, headers=headers)
    assert reply.status_code == 400
    assert reply.headers["content-type"] == "application/problem+json"


async def test_no_answer_tells_who_an_author_is(world: World) -> None:
    posts = "&".join(f"id={post_id}" for post_id in world.posts)
    async with client(world) as http:
        shown = await http.get(f"/posts?{posts}")
        comments = await http.get("/comments?postId=PS00001&limit=50")
    for reply in (shown, comments):
        assert reply.status_code == 200
        assert not any(customer in reply.text for customer in world.customers)


async def test_ping_says_what_it_is(world: World) -> None:
    async with client(world) as http:
        reply = await http.get("/_ping")
    assert reply.json() == {"system": "community", "simulated": True}


# The contract


def test_contract_is_the_one_that_is_published(world: World) -> None:
    assert json.loads(CONTRACT.read_text()) == json.loads(json.dumps(app.openapi(world)))


@pytest.mark.parametrize(
    ("endpoint_id", "path"),
    [
        ("GetFeed", "/feed?limit=3&viewer=C0001"),
        ("GetPosts", "/posts?id=PS00001&id=PS00002"),
        ("GetTopics", "/topics"),
        ("GetComments", "/comments?postId=PS00001"),
    ],
)
async def test_answers_are_of_the_published_type(world: World, endpoint_id: str, path: str) -> None:
    (endpoint,) = [endpoint for endpoint in app.endpoints(world) if endpoint.id == endpoint_id]
    async with client(world) as http:
        reply = await http.get(path)
    assert reply.status_code == endpoint.status
    msgspec.json.decode(reply.content, type=endpoint.answer)
