"""The community adapter: what it sends, reads, refuses, and makes of broken answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from adapters.community import client as adapter
from adapters.community.client import CommunityAdapter
from adapters.transport.upstream import Audience
from bff.domain.base import PageArgs, PartialList, Refusal, Text
from bff.domain.community import Author, Post, PostState, Topic
from bff.errors import (
    BffError,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    UpstreamBusy,
    UpstreamContractBroken,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from resolvers.community import CommunityErrorCode
from tests.support import entered_context, mocked_upstream

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parent / "fixtures"
FIRST = PageArgs(first=2)

Ask = Callable[[CommunityAdapter], Awaitable[Any]]


def publish(community: CommunityAdapter) -> Awaitable[Any]:
    return community.publish(
        "C0001", title="提车啦", body="等了四十四天。", topic_ids=["TP05"], model_code="A5", idempotency_key="key-1"
    )


def feed(community: CommunityAdapter) -> Awaitable[Any]:
    return community.feed(topic_id=None, viewer=None, page=FIRST)


BULK: list[tuple[str, Ask]] = [
    ("posts", lambda c: c.posts(["PS00093"], viewer=None)),
    ("comments", lambda c: c.comments(["PS00093"], limit=3)),
]
READS: list[tuple[str, Ask]] = [*BULK, ("feed", feed), ("topics", lambda c: c.topics())]
WRITES: list[tuple[str, Ask]] = [
    ("publish", publish),
    ("comment", lambda c: c.comment("C0001", "PS00093", "好看", idempotency_key="key-1")),
    ("like", lambda c: c.set_like("C0001", "PS00093", liked=True)),
    ("unlike", lambda c: c.set_like("C0001", "PS00093", liked=False)),
]
each_read = pytest.mark.parametrize(("name", "ask"), READS, ids=[read[0] for read in READS])
each_write = pytest.mark.parametrize(("name", "ask"), WRITES, ids=[write[0] for write in WRITES])


def answered(reply: httpx.Response | Exception) -> tuple[CommunityAdapter, respx.Route]:
    router = respx.Router()
    route = router.route()
    if isinstance(reply, Exception):
        route.mock(side_effect=reply)
    else:
        route.mock(return_value=reply)
    return CommunityAdapter(mocked_upstream(router, "community")), route


def items(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FIXTURES / f"{name}.json").read_bytes())["items"]
    return found


def listed(records: list[Any]) -> httpx.Response:
    return httpx.Response(200, json={"items": records})


def paged(records: list[Any]) -> httpx.Response:
    edges = [{"cursor": f"c{index}", "node": node} for index, node in enumerate(records)]
    return httpx.Response(200, json={"items": edges, "hasNext": True, "hasPrevious": False, "total": 81})


def problem(code: str, status: int, **extra: object) -> httpx.Response:
    body = {"code": code, "status": status, "detail": "said by the upstream", **extra}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


async def failure(asked: Awaitable[Any]) -> BffError:
    """The error of a read, thrown or under its key."""
    try:
        found = await asked
    except BffError as thrown:
        return thrown
    (error,) = found.values()
    assert isinstance(error, BffError)
    return error


# Requests


@pytest.mark.parametrize(
    ("ask", "target"),
    [
        (feed, "/feed?limit=2"),
        (
            lambda c: c.feed(topic_id="TP01", viewer="C0001", page=PageArgs(first=2, after="c1")),
            "/feed?topic=TP01&viewer=C0001&limit=2&after=c1",
        ),
        (
            lambda c: c.feed(topic_id=None, viewer=None, page=PageArgs(last=2, before="c9")),
            "/feed?limit=2&before=c9&direction=backward",
        ),
        (lambda c: c.posts(["a", "b", "a"], viewer=None), "/posts?id=a&id=b"),
        (lambda c: c.posts(["a&b"], viewer="C0001"), "/posts?id=a%26b&viewer=C0001"),
        (lambda c: c.topics(), "/topics"),
        (lambda c: c.comments(["a", "b"], limit=3), "/comments?postId=a&postId=b&limit=3"),
    ],
)
async def test_read_is_one_call_in_one_round(ask: Ask, target: str) -> None:
    community, route = answered(httpx.Response(200, json={"items": [], "hasNext": False, "hasPrevious": False}))
    context = entered_context()
    await ask(community)
    assert (len(context.calls.records), context.calls.rounds) == (1, 1)
    request = route.calls.last.request
    assert (request.method, request.url.raw_path.decode()) == ("GET", target)


async def test_no_comments_wanted_is_nothing_called() -> None:
    community, route = answered(httpx.Response(500))
    assert await community.comments(["a", "b"], limit=0) == {"a": [], "b": []}
    assert not route.called


def test_what_a_viewer_is_shown_is_nobody_elses() -> None:
    assert {adapter.FEED.audience, adapter.POSTS.audience, adapter.TOPICS.audience} == {Audience.PUBLIC}
    assert {adapter.FEED_OF_VIEWER.audience, adapter.POSTS_OF_VIEWER.audience} == {Audience.PERSONAL}


async def test_post_is_handed_in_under_its_key() -> None:
    community, route = answered(httpx.Response(201, json=items("posts")[1]))
    outcome = await publish(community)
    request = route.calls.last.request
    assert (request.method, request.url.path) == ("POST", "/posts")
    assert request.headers["idempotency-key"] == "key-1"
    assert json.loads(request.content) == {
        "customerId": "C0001",
        "title": "提车啦",
        "body": "等了四十四天。",
        "topicIds": ["TP05"],
        "modelCode": "A5",
    }
    assert outcome.entity.state is PostState.PENDING_REVIEW


async def test_comment_names_its_post_and_its_author() -> None:
    community, route = answered(httpx.Response(201, json=items("comments")[0]["comments"][0]))
    outcome = await community.comment("C0001", "PS/1", "好看", idempotency_key="key-2")
    request = route.calls.last.request
    assert (request.method, request.url.raw_path) == ("POST", b"/posts/PS%2F1/comments")
    assert request.headers["idempotency-key"] == "key-2"
    assert json.loads(request.content) == {"customerId": "C0001", "body": "好看"}
    assert outcome.entity is not None
    assert outcome.entity.id == "CM2"


@pytest.mark.parametrize(("liked", "method"), [(True, "PUT"), (False, "DELETE")])
async def test_like_is_put_and_taken_away(liked: bool, method: str) -> None:
    community, route = answered(httpx.Response(200, json=items("posts")[0]))
    outcome = await community.set_like("C0001", "PS00093", liked=liked)
    request = route.calls.last.request
    assert (request.method, request.url.path, request.content) == (method, "/posts/PS00093/likes/C0001", b"")
    assert isinstance(outcome.entity, Post)


# Replies


async def test_posts_are_read() -> None:
    found = await answered(listed(items("posts")))[0].posts(["PS00093", "PS00100", "PS99999"], viewer="C0001")
    official, own = found["PS00093"], found["PS00100"]
    assert isinstance(official, Post)
    assert isinstance(own, Post)
    assert official.author == Author(name="星曜", brand="ASTER")
    assert official.published_at == datetime(2026, 3, 1, 11, 44, tzinfo=UTC)
    assert (official.like_count, official.comment_count, official.liked, official.pinned) == (9, 5, True, True)
    assert (official.topic_ids, official.image_paths) == (["TP08"], ["images/posts/00093-1.png"])
    assert (own.state, own.published_at, own.model_code) == (PostState.PENDING_REVIEW, None, "A5")
    assert "PS99999" not in found


async def test_feed_is_read_in_its_order() -> None:
    page = await feed(answered(paged(items("posts")))[0])
    assert [post.id for post in page.items] == ["PS00093", "PS00100"]
    assert (page.cursors, page.has_next, page.has_previous, page.total) == (["c0", "c1"], True, False, 81)


async def test_comments_are_read_by_post() -> None:
    found = await answered(listed(items("comments")))[0].comments(["PS00093", "PS00100", "X"], limit=2)
    newest = found["PS00093"]
    assert isinstance(newest, list)
    assert [comment.id for comment in newest] == ["CM2", "CM1"]
    assert newest[0].created_at == datetime(2026, 3, 1, 23, 27, tzinfo=UTC)
    assert found["PS00100"] == []
    assert "X" not in found


async def test_topics_are_read() -> None:
    wire = {"id": "TP01", "name": {"zh": "用车日记", "en": "Everyday"}, "description": {"zh": "记录。", "en": "Notes."}}
    assert await answered(listed([wire]))[0].topics() == [
        Topic(id="TP01", name=Text(zh="用车日记", en="Everyday"), description=Text(zh="记录。", en="Notes."))
    ]


# Business errors


@pytest.mark.parametrize(
    ("ask", "code", "status", "field"),
    [
        (publish, "TOPIC_UNKNOWN", 422, ["topicIds"]),
        (publish, "MODEL_UNKNOWN", 422, ["modelCode"]),
        (publish, "TEXT_REFUSED", 422, None),
        (WRITES[1][1], "TEXT_REFUSED", 422, ["body"]),
        (WRITES[1][1], "POST_UNKNOWN", 404, ["postId"]),
        (WRITES[2][1], "POST_UNKNOWN", 404, ["postId"]),
        (WRITES[3][1], "POST_UNKNOWN", 404, ["postId"]),
    ],
)
async def test_business_error_is_a_refusal(ask: Ask, code: str, status: int, field: list[str] | None) -> None:
    outcome = await ask(answered(problem(code, status))[0])
    assert outcome.entity is None
    (refusal,) = outcome.refusals
    assert (refusal.code, refusal.field) == (code, field)
    assert code in CommunityErrorCode.__members__, "clients would read OTHER"
    assert "said by" not in refusal.message


async def test_too_many_posts_are_refused_with_the_limit() -> None:
    outcome = await publish(answered(problem("RATE_LIMITED", 409, most=20))[0])
    assert outcome.refusals == [Refusal(code="RATE_LIMITED", message="At most 20 an hour: try again later.")]


@each_write
@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("NOT_FOUND", 404, NotFound),
        ("BAD_REQUEST", 400, UpstreamRejected),
        ("SOMETHING_NEW", 409, UpstreamRejected),
        ("IDEMPOTENCY_KEY_REUSED", 422, InvalidInput),
        ("", 429, UpstreamBusy),
    ],
)
async def test_refused_write_is_told_without_the_words_of_the_upstream(
    name: str, ask: Ask, code: str, status: int, kind: type[BffError]
) -> None:
    with pytest.raises(kind) as caught:
        await ask(answered(problem(code, status))[0])
    assert "said by" not in caught.value.message


async def test_foreign_cursor_is_bad_input() -> None:
    with pytest.raises(InvalidInput) as caught:
        await answered(problem("BAD_CURSOR", 400))[0].feed(
            topic_id=None, viewer=None, page=PageArgs(first=2, after="x")
        )
    assert caught.value.field == "after"


# Broken replies


@each_read
@pytest.mark.parametrize("body", [b"", b"<html>maintenance</html>", b"[]", b'{"items": {}}', b'{"items": [{"id": "PS'])
async def test_answer_that_is_none_is_a_broken_contract(name: str, ask: Ask, body: bytes) -> None:
    assert isinstance(await failure(ask(answered(httpx.Response(200, content=body))[0])), UpstreamContractBroken)


@each_read
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (httpx.Response(500, text="Traceback"), UpstreamUnavailable),
        (httpx.ReadTimeout("slow"), UpstreamTimeout),
        (httpx.ConnectError("refused"), UpstreamUnavailable),
        (problem("BAD_REQUEST", 400), UpstreamRejected),
    ],
)
async def test_failed_read_is_the_error_of_what_was_asked(
    name: str, ask: Ask, reply: httpx.Response | Exception, kind: type[BffError]
) -> None:
    assert isinstance(await failure(ask(answered(reply)[0])), kind)


@each_write
async def test_write_without_a_readable_answer_has_an_unknown_outcome(name: str, ask: Ask) -> None:
    for reply in (httpx.ReadTimeout("slow"), httpx.Response(502), httpx.Response(200, text="<html>")):
        with pytest.raises(OutcomeUnknown):
            await ask(answered(reply)[0])


@pytest.mark.parametrize(
    ("member", "wrong"), [("likeCount", "9"), ("author", None), ("createdAt", "2026-03-01T11:27:00")]
)
async def test_post_that_cannot_be_read_leaves_the_others(member: str, wrong: Any) -> None:
    broken, good = items("posts")
    records = [broken | {member: wrong}, good]
    found = await answered(listed(records))[0].posts(["PS00093", "PS00100"], viewer=None)
    assert isinstance(found["PS00093"], UpstreamContractBroken)
    assert isinstance(found["PS00100"], Post)
    page = await feed(answered(paged(records))[0])
    assert ([post.id for post in page.items], page.cursors) == (["PS00100"], ["c1"])


async def test_comment_that_cannot_be_read_leaves_the_others() -> None:
    records = items("comments")
    records[0]["comments"][0]["author"] = "周诗琪"
    newest = (await answered(listed(records))[0].comments(["PS00093"], limit=2))["PS00093"]
    assert isinstance(newest, PartialList)
    assert [comment.id for comment in newest] == ["CM1"]


async def test_unknown_state_is_unknown_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    post = items("posts")[0] | {"state": "SHADOW_BANNED"}
    community, _ = answered(listed([post]))
    for _ in range(2):
        shown = (await community.posts(["PS00093"], viewer=None))["PS00093"]
        assert isinstance(shown, Post)
        assert shown.state is PostState.UNKNOWN
    assert [message for message in caplog.messages if "SHADOW_BANNED" in message] == [
        "community sent an unknown PostState: 'SHADOW_BANNED'"
    ]
