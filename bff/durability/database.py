"""The state database as the rest sees it: a script of statements that runs in one transaction.

A script is a generator that yields statements and is sent their rows. It never speaks to a driver, so the same script
runs on SQLite in a thread and on PostgreSQL over the event loop, and the same tests hold both.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Statement = tuple[str, tuple[Any, ...]]
"""SQL with `$1`, `$2`, … and its values: str, int, bytes or None."""

Rows = list[tuple[Any, ...]]

Script = Generator[Statement, Rows, T]

LOCK = " FOR UPDATE"
"""What a SELECT ends with whose row the script goes on to change; SQLite has locked the whole database already."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE bff_idempotency (scope TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, state TEXT NOT NULL,"
        " owner TEXT NOT NULL, lease_until BIGINT NOT NULL, expires_at BIGINT NOT NULL)",
        "CREATE INDEX bff_idempotency_expires_at ON bff_idempotency (expires_at)",
        "CREATE TABLE bff_idempotency_answer (scope TEXT NOT NULL REFERENCES bff_idempotency ON DELETE CASCADE,"
        " selection TEXT NOT NULL, answer {bytes} NOT NULL, PRIMARY KEY (scope, selection))",
    ),
    (
        "CREATE TABLE bff_flow (id TEXT PRIMARY KEY, kind TEXT NOT NULL, reference TEXT NOT NULL,"
        " state {bytes} NOT NULL, created_at BIGINT NOT NULL, changed_at BIGINT NOT NULL)",
        "CREATE INDEX bff_flow_reference ON bff_flow (reference, kind)",
        "CREATE INDEX bff_flow_changed_at ON bff_flow (kind, changed_at)",
        "CREATE TABLE bff_effect (flow TEXT NOT NULL REFERENCES bff_flow ON DELETE CASCADE, name TEXT NOT NULL,"
        " body {bytes} NOT NULL, created_at BIGINT NOT NULL, due_at BIGINT NOT NULL, owner TEXT NOT NULL,"
        " lease_until BIGINT NOT NULL, attempts BIGINT NOT NULL, error TEXT NOT NULL, PRIMARY KEY (flow, name))",
        "CREATE INDEX bff_effect_due_at ON bff_effect (due_at)",
        "CREATE TABLE bff_ledger (id TEXT PRIMARY KEY, order_number TEXT NOT NULL, payment TEXT NOT NULL,"
        " kind TEXT NOT NULL, amount_minor BIGINT NOT NULL, currency TEXT NOT NULL, movement TEXT NOT NULL,"
        " at BIGINT NOT NULL)",
        "CREATE INDEX bff_ledger_order_number ON bff_ledger (order_number)",
        "CREATE TABLE bff_outbox (position {serial}, id TEXT NOT NULL UNIQUE, subject TEXT NOT NULL,"
        " type TEXT NOT NULL, body {bytes} NOT NULL, at BIGINT NOT NULL)",
        "CREATE TABLE bff_notice (provider TEXT NOT NULL, id TEXT NOT NULL, at BIGINT NOT NULL,"
        " PRIMARY KEY (provider, id))",
        "CREATE INDEX bff_notice_at ON bff_notice (at)",
    ),
    (
        "CREATE TABLE bff_outbox_insight (position BIGINT PRIMARY KEY, id TEXT NOT NULL, subject TEXT NOT NULL,"
        " type TEXT NOT NULL, body {bytes} NOT NULL, at BIGINT NOT NULL)",
        "CREATE TABLE bff_outbox_parked (stream TEXT NOT NULL, subject TEXT NOT NULL, event TEXT NOT NULL,"
        " reason TEXT NOT NULL, attempts BIGINT NOT NULL, since BIGINT NOT NULL, again_at BIGINT NOT NULL,"
        " PRIMARY KEY (stream, subject))",
        "CREATE TABLE bff_lease (name TEXT PRIMARY KEY, owner TEXT NOT NULL, lease_until BIGINT NOT NULL)",
    ),
    (
        "CREATE TABLE bff_gate (name TEXT PRIMARY KEY, given BIGINT NOT NULL, admitted BIGINT NOT NULL,"
        " credit BIGINT NOT NULL, at BIGINT NOT NULL)",
        "CREATE TABLE bff_gate_left (gate TEXT NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (gate, number))",
        "CREATE TABLE bff_gate_shortage (gate TEXT NOT NULL, item TEXT NOT NULL, available BIGINT NOT NULL,"
        " until_at BIGINT NOT NULL, refusal {bytes} NOT NULL, PRIMARY KEY (gate, item))",
    ),
    ("CREATE INDEX bff_ledger_payment ON bff_ledger (payment)",),
)
"""Each entry is run once, in order, and never changed after a release.

`{bytes}` is the database's type for bytes, `{serial}` a key that counts up.
"""


class Database(Protocol):
    """Where state is kept. Opened at its first use; several processes may have the same one open."""

    async def run(self, script: Callable[[], Script[T]], *, write: bool = True) -> T:
        """Run a script in one transaction, from its beginning again if the connection broke.

        A script may therefore find its own work done. Raises StateUnavailable.
        """

    async def aclose(self) -> None: ...


def migrate(bytes_type: str, serial_type: str) -> Script[None]:
    """Bring the tables up to date. The caller sees to it that no other process does so at the same time."""
    yield "CREATE TABLE IF NOT EXISTS bff_migration (number BIGINT PRIMARY KEY)", ()
    done = {row[0] for row in (yield "SELECT number FROM bff_migration", ())}
    for number, statements in enumerate(MIGRATIONS, start=1):
        if number in done:
            continue
        for statement in statements:
            yield statement.replace("{bytes}", bytes_type).replace("{serial}", serial_type), ()
        yield "INSERT INTO bff_migration (number) VALUES ($1)", (number,)
