"""The journal's own rules, step by step, and the databases' bad days."""

from __future__ import annotations

import asyncio
from functools import partial
from socket import SHUT_WR
from typing import Any

import pytest

from bff.durability import idempotency as journal
from bff.durability.database import Database, Script
from bff.durability.idempotency import Claim, Decision, Verdict
from bff.durability.open import open_database
from bff.durability.postgres import PostgresDatabase
from bff.errors import StateUnavailable

pytestmark = pytest.mark.anyio

DAY = 86_400_000


def _claim(owner: str, now: int = 0, selection: str = "s", fingerprint: str = "f") -> Any:
    return partial(journal.claim, Claim("scope", fingerprint, selection, owner, now, now + 100, now + DAY))


async def test_who_lost_the_lease_can_neither_store_nor_give_back(database: Database) -> None:
    assert await database.run(_claim("a")) == Decision(Verdict.MINE, is_first=True)
    assert (await database.run(_claim("b", now=99))).verdict is Verdict.RUNNING
    assert await database.run(_claim("b", now=100)) == Decision(Verdict.MINE)
    assert await database.run(partial(journal.complete, "scope", "a", "s", b"late")) is False
    await database.run(partial(journal.leave, "scope", "a"))
    await database.run(partial(journal.forget, "scope", "a"))
    assert (await database.run(_claim("c", now=150))).verdict is Verdict.RUNNING
    assert await database.run(partial(journal.complete, "scope", "b", "s", b"told")) is True
    assert await database.run(_claim("c", now=150)) == Decision(Verdict.ANSWERED, b"told")


async def test_claim_that_is_run_twice_decides_the_same(database: Database) -> None:
    """A connection that breaks at the commit does not say whether it was committed."""
    await database.run(_claim("a"))
    assert (await database.run(_claim("a"))).verdict is Verdict.MINE


async def test_answer_of_one_selection_is_given_while_another_runs(database: Database) -> None:
    await database.run(_claim("a"))
    await database.run(partial(journal.complete, "scope", "a", "s", b"told"))
    assert (await database.run(_claim("b", selection="t"))).verdict is Verdict.MINE
    assert await database.run(_claim("c")) == Decision(Verdict.ANSWERED, b"told")
    assert await _state(database) == "RUNNING"
    await database.run(partial(journal.leave, "scope", "b"))
    assert await _state(database) == "DONE"


async def test_uncertain_outcome_is_visible_as_such(database: Database) -> None:
    await database.run(_claim("a"))
    await database.run(partial(journal.leave, "scope", "a"))
    assert await _state(database) == "UNKNOWN"


async def test_running_key_outlives_its_day(database: Database) -> None:
    await database.run(_claim("a", now=0))
    await database.run(_claim("b", now=DAY - 50))  # runs past the end of the day
    assert await database.run(partial(journal.purge, DAY + 10, 10)) == 0
    assert (await database.run(_claim("c", now=DAY + 10, fingerprint="other"))).verdict is Verdict.REUSED


async def test_one_of_many_claims_at_once_is_first(database: Database) -> None:
    decisions = await asyncio.gather(*[database.run(_claim(f"owner-{number}")) for number in range(20)])
    assert [decision.verdict for decision in decisions].count(Verdict.MINE) == 1
    assert [decision.verdict for decision in decisions].count(Verdict.RUNNING) == 19


async def test_script_that_fails_leaves_nothing_behind(database: Database) -> None:
    def broken() -> Script[None]:
        yield from journal.claim(Claim("scope", "f", "s", "a", 0, 100, DAY))
        raise ValueError("a fault of ours")

    with pytest.raises(ValueError, match="ours"):
        await database.run(broken)
    assert await database.run(_claim("b")) == Decision(Verdict.MINE, is_first=True)


async def test_database_that_is_closed_says_so(database: Database) -> None:
    await database.run(_claim("a"))
    await database.aclose()
    with pytest.raises(StateUnavailable):
        await database.run(_claim("a"))


async def test_processes_that_start_together_make_the_tables_once(state_url: str) -> None:
    databases = [open_database(state_url) for _ in range(4)]
    decisions = await asyncio.gather(*[each.run(_claim(f"owner-{n}")) for n, each in enumerate(databases)])
    assert [decision.verdict for decision in decisions].count(Verdict.MINE) == 1
    for each in databases:
        await each.aclose()


@pytest.mark.real
@pytest.mark.parametrize("pause", [0.0, 0.2], ids=["at-once", "later"])
async def test_connections_that_broke_are_made_anew(postgres_address: str, pause: float) -> None:
    import asyncpg  # type: ignore[import-untyped, import-not-found, unused-ignore]  # an extra without types

    url = postgres_address.format(name="postgres")
    database = open_database(url)
    await asyncio.gather(*[database.run(_claim("a")) for _ in range(8)])
    other = await asyncpg.connect(url)
    await other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    await other.close()
    await asyncio.sleep(pause)
    assert (await database.run(_claim("b"))).verdict is Verdict.RUNNING
    await database.aclose()


@pytest.mark.real
async def test_connection_that_breaks_while_it_is_closed_is_no_error(postgres_address: str) -> None:
    """The pool closes what it has replaced in the background, where an error would be nobody's."""
    database = open_database(postgres_address.format(name="postgres"))
    assert isinstance(database, PostgresDatabase)
    await database.run(_claim("a"))
    pool: Any = database._pool
    async with pool.acquire() as borrowed:
        connection = borrowed._con
        transport = connection._transport
        transport.get_extra_info("socket").shutdown(SHUT_WR)  # the next write is one too many
        await connection.close(timeout=1)
        assert connection.is_closed()
    assert (await database.run(_claim("b"))).verdict is Verdict.RUNNING
    await database.aclose()


@pytest.mark.real
async def test_postgresql_that_is_not_there_is_state_unavailable() -> None:
    pytest.importorskip("asyncpg", reason="PostgreSQL needs asyncpg")
    database = open_database("postgresql://bff@127.0.0.1:1/bff")
    with pytest.raises(StateUnavailable):
        await database.run(_claim("a"))
    await database.aclose()


async def _state(database: Database) -> str:
    def look() -> Script[str]:
        rows = yield "SELECT state FROM bff_idempotency WHERE scope = $1", ("scope",)
        state: str = rows[0][0]
        return state

    return await database.run(look, write=False)
