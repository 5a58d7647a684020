"""Posts by owners and by the brands, with comments and likes."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from .community_table import BRAND_POSTS, COMMENTS, ENGLISH_POSTS, POSTS, TOPICS
from .entities import Comment, Post, PostState, Text, Topic
from .people import MERGED, OWNER
from .rng import ago, stream
from .table import rows
from .world import World

_STATES: tuple[PostState, ...] = (*("PUBLISHED",) * 10, "PENDING_REVIEW", "HIDDEN", "PUBLISHED", "REJECTED")
_CITIES = ("上海", "杭州", "广州", "深圳", "北京", "成都", "重庆", "西安", "厦门")


def add_community(world: World) -> None:
    random = stream(world, "community")
    for topic_id, zh, en, copy_zh, copy_en in rows(TOPICS):
        world.topics[topic_id] = Topic(topic_id, Text(zh, en), Text(copy_zh, copy_en))
    authors = [entry.customer_id for entry in world.garage.values() if entry.until is None and entry.role == "OWNER"]
    everyone = [c for c in world.customers if c not in MERGED]
    for turn in range(3):
        for index, (topic, title, body) in enumerate(rows(POSTS)):
            author = OWNER if (turn, index) in ((0, 0), (1, 7)) else random.choice(authors)
            _owner_post(world, random, author, topic, title, body)
    for topic, title, body in rows(ENGLISH_POSTS):
        _owner_post(world, random, random.choice(authors), topic, title, body, english=True)
    for brand, title, body in rows(BRAND_POSTS):
        post = _post(world, random, title, body, "TP08", "PUBLISHED")
        post.author_brand = "VELA" if brand == "VELA" else "ASTER"
        post.author_name = world.brands[post.author_brand].name.zh
        post.pinned = title.startswith("3.4.0")
    for post in world.posts.values():
        if post.state == "PUBLISHED":
            post.liked_by = set(random.sample(everyone, random.randint(0, 60)))
            _comment(world, random, post, everyone)


def _owner_post(
    world: World, random: Random, author_id: str, topic: str, title: str, body: str, english: bool = False
) -> None:
    author = world.customers[author_id]
    cars = world.vehicles_of(author_id)
    model = world.models[cars[0].model_id] if cars else next(iter(world.models.values()))
    words = {
        "model": model.name.zh.split()[-1],
        "city": random.choice(_CITIES),
        "km": str(random.randint(2, 38) * 1000),
        "month": str(random.randint(1, 12)),
    }
    state = "PUBLISHED" if author_id == OWNER else _STATES[len(world.posts) % len(_STATES)]
    post = _post(world, random, title.format(**words), body.format(**words), topic, state)
    post.author_id, post.author_name, post.model_id = author_id, author.display_name, model.id
    post.language = "en" if english else "zh-CN"


def _post(world: World, random: Random, title: str, body: str, topic: str, state: PostState) -> Post:
    number = len(world.posts) + 1
    created = ago(world, hours=random.randint(2, 24 * 90), minutes=number)
    shown = state in ("PUBLISHED", "HIDDEN")
    post = Post(
        id=f"PS{number:05d}",
        author_id=None,
        author_brand=None,
        author_name="",
        title=title,
        body=body,
        language="zh-CN",
        topic_ids=(topic,),
        images=tuple(f"images/posts/{number:05d}-{i}.png" for i in range(1, random.randint(1, 4))),
        state=state,
        created_at=created,
        published_at=created + timedelta(minutes=random.randint(5, 90)) if shown else None,
    )
    world.posts[post.id] = post
    return post


def _comment(world: World, random: Random, post: Post, everyone: list[str]) -> None:
    said = COMMENTS.strip().splitlines()
    for body in random.sample(said, random.randint(0, 5)):
        author = world.customers[random.choice(everyone)]
        comment_id = f"CM{len(world.comments) + 1:05d}"
        written = min(world.now, post.created_at + timedelta(hours=2 + random.randint(0, 40)))
        state: PostState = "HIDDEN" if len(world.comments) % 23 == 22 else "PUBLISHED"
        comment = Comment(comment_id, post.id, author.id, author.display_name, body, state, written)
        world.comments[comment_id] = comment
