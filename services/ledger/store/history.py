"""What stood in the books earlier: turnovers up to an entry and a value date, and statements.

Entries are only ever added, so what is read up to a sequence never changes and needs no snapshot.
Sums over long stretches are stored once (`rollups`, `daily_turnovers`); a look at an account reads
those, and the transfers since the last of them.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.ledger.domain import (
    AccountKind,
    AccountName,
    Cause,
    CauseKind,
    StatementLine,
    TransferName,
)
from services.ledger.journal.standing import Turnover
from services.ledger.store.fragments import VALUE_DATE
from services.runtime.database import transaction


class HistoryStore:
    """Every method raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def sequence_at(self, time: datetime) -> int | None:
        """The last entry that was written at this time or before; 0 if there is none.

        None if the time has not come, by the database's clock and by the last entry. A group that
        is being written has taken its own already, and may be dated before this one: it is waited
        for, or has to take another, so that the answer stays what it is.
        """
        # Each statement is a transaction of its own: one that froze between two would hold up all
        # that is to be written.
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            is_to_come, may_still_come = (await connection.execute(_LOOK, {"time": time})).one()
            if is_to_come:
                return None
            if may_still_come:
                await connection.execute(_ASK, {"time": time})
            return await _sequence_at(connection, time)

    async def sequence_so_far(self, time: datetime) -> int:
        """The same as far as is known now, of a time that may be to come: nothing is put off."""
        async with self._engine.connect() as connection:
            return await _sequence_at(connection, time)

    async def account_id(self, name: AccountName) -> tuple[int, AccountKind] | None:
        """The account's id and kind; None if it is not open."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(_ACCOUNT, name._asdict())).one_or_none()
        return None if row is None else (row.id, AccountKind(row.kind))

    async def turnover(self, account_id: int, through: int, value_date: date) -> Turnover:
        """What went through an account by entries up to a sequence and a value date."""
        parameters = {"account_id": account_id, "through": through, "value_date": value_date}
        async with self._engine.connect() as connection:
            row = (await connection.execute(_TURNOVER, parameters)).one()
        return Turnover(int(row.debits), int(row.credits))

    async def held(self, account_id: int, through: int, value_date: date) -> tuple[int, int]:
        """What holds would have added to an account's debits and credits that were open by then.

        By the same entries as its turnover: a hold counts from its entry to the entry that ends it.
        """
        parameters = {"account_id": account_id, "through": through, "value_date": value_date}
        async with self._engine.connect() as connection:
            row = (await connection.execute(_HELD, parameters)).one()
        return int(row.debits), int(row.credits)

    async def lines(
        self, account_id: int, after: TransferName, through: int, limit: int
    ) -> list[StatementLine]:
        """An account's movements behind a transfer, up to an entry, in the order of the books."""
        parameters = {
            "account_id": account_id,
            "after_sequence": after.sequence,
            "after_position": after.position,
            "through": through,
            "limit": limit,
        }
        async with self._engine.connect() as connection:
            return [_line(row) for row in await connection.execute(_LINES, parameters)]

    async def rolled_up(self) -> int:
        """The last entry that is rolled up; 0 if none is."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(_ROLLED_UP)).scalar_one())

    async def roll_up(self, through: int) -> bool:
        """Sums the entries behind the last rollup up to one that stands in the books, for good.

        False, and nothing is done, if another has just done it.
        """
        async with transaction(self._engine) as connection:
            begun = (await connection.execute(_BEGIN_ROLLUP, {"last": through})).one_or_none()
            if begun is None:
                return False
            await connection.execute(_ROLL_UP, {"first": begun.first_sequence, "last": through})
        return True


async def _sequence_at(connection: AsyncConnection, time: datetime) -> int:
    return int((await connection.execute(_SEQUENCE_AT, {"time": time})).scalar_one())


def _line(row: Row[Any]) -> StatementLine:
    return StatementLine(
        name=TransferName(row.sequence, row.position),
        cause=Cause(CauseKind(row.cause_kind), row.cause_id),
        recorded_time=row.recorded_time,
        value_date=row.value_date,
        counterpart=row.counterpart,
        is_debit=row.is_debit,
        micros=row.amount_micros,
        campaign=row.campaign,
        project=row.project,
    )


# What has been written later rules out that anything is written before. A reader whose own clock is
# ahead must not put off what is written elsewhere; clocks that are kept differ by far less.
_LOOK = text("""
    SELECT CAST(:time AS timestamptz)
               > greatest(clock_timestamp(), recorded_time) + interval '1 minute',
           coalesce(recorded_time <= :time, true)
    FROM head
""")

# Waits for a writer that took its time under this row's lock; one that comes to it with a time that
# it took before finds that it has to take another. Nobody waits for the disk meanwhile: a crash
# leaves nothing to come that took its time before it.
_ASK = text("""
    WITH fleeting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    UPDATE head SET asked_time = :time FROM fleeting
    WHERE asked_time IS NULL OR asked_time < :time
""")

# Recording times never run backwards along the chain, so they can be searched by halves; an index
# for that would cost every posting.
_SEQUENCE_AT = text("""
    WITH RECURSIVE search (low, high) AS (
        SELECT CAST(0 AS bigint), sequence FROM head
        UNION ALL
        SELECT CASE WHEN e.recorded_time <= :time THEN e.sequence ELSE s.low END,
               CASE WHEN e.recorded_time <= :time THEN s.high ELSE e.sequence - 1 END
        FROM search s JOIN entries e ON e.sequence = (s.low + s.high + 1) / 2
        WHERE s.low < s.high
    )
    SELECT low FROM search WHERE low = high
""")

_ACCOUNT = text("SELECT id, kind FROM accounts WHERE code = :code AND currency = :currency")

_LAST_ROLLUP = """
    SELECT coalesce(max(last_sequence), 0) AS last FROM rollups WHERE last_sequence <= :through"""


def _sides(where: str) -> str:
    """The movements since the last rollup, as debits and credits of their accounts."""
    return " UNION ALL ".join(
        f"""SELECT t.{side}_account_id AS account_id, {debits} AS debits, {credits_} AS credits
            FROM rolled CROSS JOIN transfers t JOIN entries e ON e.sequence = t.sequence
            WHERE t.sequence > rolled.last AND t.sequence <= :through
              AND e.sequence > rolled.last AND e.sequence <= :through
              AND {VALUE_DATE} <= :value_date {where.format(side=side)}"""  # noqa: S608  constants
        for side, debits, credits_ in (
            ("debit", "t.amount_micros", "0"),
            ("credit", "0", "t.amount_micros"),
        )
    )


_TURNOVER = text(f"""
    WITH rolled AS MATERIALIZED ({_LAST_ROLLUP})
    SELECT coalesce(sum(debits), 0) AS debits, coalesce(sum(credits), 0) AS credits FROM (
        SELECT d.debits, d.credits FROM rolled CROSS JOIN daily_turnovers d
        WHERE d.account_id = :account_id AND d.last_sequence <= rolled.last
          AND d.value_date <= :value_date
        UNION ALL
        SELECT debits, credits FROM ({_sides("AND t.{side}_account_id = :account_id")}) AS since
    ) AS parts
""")  # noqa: S608  made of constants

BALANCES = text(f"""
    WITH rolled AS MATERIALIZED ({_LAST_ROLLUP}), turnovers AS (
        SELECT account_id, sum(debits) AS debits, sum(credits) AS credits FROM (
            SELECT d.account_id, d.debits, d.credits FROM rolled CROSS JOIN daily_turnovers d
            WHERE d.last_sequence <= rolled.last AND d.value_date <= :value_date
            UNION ALL
            SELECT account_id, debits, credits FROM ({_sides("")}) AS since
        ) AS parts
        GROUP BY account_id
    )
    SELECT a.code, a.currency, a.kind, t.debits, t.credits
    FROM turnovers t JOIN accounts a ON a.id = t.account_id
    WHERE :currency IN ('', a.currency)
    ORDER BY a.code, a.currency
""")  # noqa: S608  made of constants


_HELD = text(f"""
    SELECT coalesce(sum(r.amount_micros) FILTER (WHERE r.debit_account_id = :account_id), 0)
               AS debits,
           coalesce(sum(r.amount_micros) FILTER (WHERE r.credit_account_id = :account_id), 0)
               AS credits
    FROM reserved r
    JOIN steps s ON (s.sequence, s.position) = (r.sequence, r.position) AND s.kind = 1
    JOIN entries e ON e.sequence = r.sequence
    WHERE (r.debit_account_id = :account_id OR r.credit_account_id = :account_id)
      AND r.sequence <= :through AND {VALUE_DATE} <= :value_date
      AND NOT EXISTS (
          SELECT FROM steps x JOIN entries e ON e.sequence = x.sequence
          WHERE (x.of_sequence, x.of_position) = (r.sequence, r.position)
            AND x.kind IN (2, 3, 4) AND x.sequence <= :through AND {VALUE_DATE} <= :value_date
      )
""")  # noqa: S608  made of constants


def _moved(side: str, other: str) -> str:
    return f"""
        (SELECT t.sequence, t.position, t.{other}_account_id AS other_id, t.amount_micros,
                t.campaign, t.project, {"true" if side == "debit" else "false"} AS is_debit
         FROM transfers t
         WHERE t.{side}_account_id = :account_id AND t.sequence <= :through
           AND t.sequence >= :after_sequence
           AND (t.sequence, t.position) > (:after_sequence, :after_position)
         ORDER BY t.sequence, t.position LIMIT :limit)"""  # noqa: S608  made of constants


# The second condition on the sequence is what the index is searched by.
_LINES = text(f"""
    SELECT m.*, a.code AS counterpart, e.cause_kind, e.cause_id, e.recorded_time,
           {VALUE_DATE} AS value_date
    FROM ({_moved("debit", "credit")} UNION ALL {_moved("credit", "debit")}
          ORDER BY sequence, position LIMIT :limit) AS m
    JOIN entries e ON e.sequence = m.sequence
    JOIN accounts a ON a.id = m.other_id
    ORDER BY m.sequence, m.position
""")  # noqa: S608  made of constants

_ROLLED_UP = text("SELECT coalesce(max(last_sequence), 0) FROM rollups")

_BEGIN_ROLLUP = text("""
    INSERT INTO rollups (last_sequence, first_sequence)
    SELECT CAST(:last AS bigint), before.last + 1
    FROM (SELECT coalesce(max(last_sequence), 0) AS last FROM rollups) AS before
    WHERE before.last < :last
    ON CONFLICT DO NOTHING
    RETURNING first_sequence
""")

# The bounds are told of both tables: of one alone, all entries there are would be looked through.
# Each movement is read once: those of a day between the same two accounts are one for both sides.
_ROLL_UP = text(f"""
    WITH moved AS (
        SELECT t.debit_account_id, t.credit_account_id, {VALUE_DATE} AS value_date,
               sum(t.amount_micros) AS micros
        FROM transfers t JOIN entries e ON e.sequence = t.sequence
        WHERE t.sequence BETWEEN :first AND :last AND e.sequence BETWEEN :first AND :last
        GROUP BY 1, 2, 3
    )
    INSERT INTO daily_turnovers (account_id, last_sequence, value_date, debits, credits)
    SELECT account_id, CAST(:last AS bigint), value_date, sum(debits), sum(credits) FROM (
        SELECT debit_account_id AS account_id, value_date, micros AS debits, 0 AS credits
        FROM moved
        UNION ALL
        SELECT credit_account_id, value_date, 0, micros FROM moved
    ) AS sides
    GROUP BY account_id, value_date
""")  # noqa: S608  made of constants
