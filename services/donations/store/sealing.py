"""Seals: what is recorded besides gifts can be proved not to have changed since.

Each transaction leaves one row in `seals` for each set of rows that it records: SHA-256 over these
rows in the order of their key, each as PostgreSQL's binary form of its columns (`record_send`). The
statement that inserts the rows makes their seal, so that nobody can forget it. A seal's id is its
transaction's, and that of the batch which the transaction made, if it did; the batch's digest,
which the ledger's entry states, is taken over its seals too (gifts/batch.py). The seals of
transactions that made no batch are loose until a later batch carries them.

`store/proving.py` makes all of them again from the rows.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, func, literal_column, select
from sqlalchemy.dialects.postgresql import Insert, insert

from services.donations.gifts.batch import Seal
from services.donations.models import metadata
from services.donations.store.driver import Driver


class Sealed(NamedTuple):
    """A set of rows that is sealed.

    number: in `seals`, never used for another list of columns: a column that a table gets later is
    sealed in another set. columns: the values that count. key: the order of the rows. may_go:
    whether rows may be removed, each of which has a seal of its own.
    """

    number: int
    table: str
    columns: Sequence[str]
    key: Sequence[str]
    may_go: bool = False

    @property
    def digest(self) -> str:
        """SQL's aggregate over the rows."""
        row, order = ", ".join(self.columns), ", ".join(self.key)
        return f"sha256(string_agg(record_send(ROW({row})), ''::bytea ORDER BY {order}))"


_SEALS = metadata.tables["seals"]
_LOOSE_SEALS = metadata.tables["loose_seals"]

_GIFT = ("bucket", "partner_id", "external_id")


def _set(number: int, table: str, key: Sequence[str], *others: str) -> Sealed:
    return Sealed(number, table, (*key, *others), key)


SETS = {
    sealed.table: sealed
    for sealed in (
        _set(1, "partners", ("id",), "code"),
        _set(2, "charities", ("id",), "code", "name", "credit_code", "create_time"),
        _set(
            3,
            "certificates",
            ("id",),
            *("charity_id", "number", "valid_from", "valid_until", "create_time"),
        ),
        _set(
            4,
            "projects",
            ("id",),
            *("code", "name", "charity_id", "create_time", "purpose", "organiser"),
        ),
        _set(5, "project_closures", ("id",), "project_id", "close_time", "create_time"),
        _set(
            6,
            "campaigns",
            ("id",),
            *("code", "name", "start_time", "end_time", "time_zone", "create_time"),
        ),
        _set(7, "suspended", _GIFT, "reason", "project", "campaign"),
        _set(
            8,
            "refunds",
            (*_GIFT, "refund_id"),
            *("amount_micros", "currency", "cumulative", "event_time", "recorded_time"),
        ),
        _set(
            9,
            "disputes",
            (*_GIFT, "dispute_id", "status"),
            *("amount_micros", "currency", "event_time", "recorded_time"),
        ),
        _set(10, "stages", (*_GIFT, "event_id"), "stage", "event_time", "recorded_time"),
        _set(11, "links", _GIFT, "rail_bucket", "rail_partner_id", "rail_external_id"),
        _set(
            12,
            "conflicts",
            (*_GIFT, "refund_id", "claim_hash"),
            *("reason", "claim", "received_time"),
        ),
        _set(
            13,
            "pledges",
            ("id",),
            *("partner_id", "code", "version", "rate_ppm", "fixed_micros", "currency", "shares"),
            *("campaign", "start_time", "end_time", "unit_micros", "merchant_token", "create_time"),
        ),
        _set(14, "pledge_ends", ("pledge_id",), "end_time", "create_time"),
        _set(
            15,
            "pledged_orders",
            ("bucket", "partner_id", "order_id"),
            *("pledge_id", "paid_micros", "given_micros", "event_time", "participant_token"),
        ),
        _set(
            16,
            "quarantine",
            ("digest",),
            *("platform", "reason", "message", "received_time", "http_method", "query", "headers"),
            "body",
        )._replace(may_go=True),
        _set(
            17,
            "quarantine_replays",
            ("digest", "request_id"),
            *("caller", "replay_time", "outcomes", "reason", "message"),
        ),
        # Erasures: a contact that a partner may replace any day is sealed by its own encryption.
        _set(18, "donors", ("bucket", "partner_id", "donor_token"), "erase_time", "erased_by"),
        _set(
            19,
            "donor_readings",
            ("bucket", "partner_id", "donor_token", "request_id"),
            *("reader", "purpose", "case_reference", "read_time"),
        ),
        _set(20, "allocations", ("request_id",), "caller", "project_id", "content", "create_time"),
        _set(
            21,
            "allocation_steps",
            ("request_id", "number"),
            *("counts", "sums", "outcomes", "end_bucket", "end_id", "is_last", "step_time"),
        ),
        _set(22, "allocated", _GIFT, "project_id", "campaign_id", "request_id", "allocate_time"),
        _set(
            23,
            "reallocated",
            (*_GIFT, "number"),
            *("project_id", "campaign_id", "first_move", "request_id", "allocate_time"),
        ),
        _set(24, "closure_decisions", ("closure_id",), "caller", "request_id"),
    )
}
"""By table."""

_SEAL = """
    INSERT INTO seals (id, number, rows, digest)
    SELECT seal_id, {number}, count(*), {digest} FROM inserted GROUP BY seal_id"""

_LOOSE = """
    INSERT INTO loose_seals (seal_id) SELECT DISTINCT seal_id FROM inserted
    ON CONFLICT DO NOTHING"""

_OF_TRANSACTIONS = """
    SELECT id, number, rows, digest FROM seals WHERE id = ANY(%s) ORDER BY id, number"""

_LOOSEN = """
    INSERT INTO loose_seals (seal_id) SELECT DISTINCT id FROM seals WHERE id = %s"""

# Whoever comes at the same moment carries others.
_CARRY = """
    WITH taken AS (
        DELETE FROM loose_seals WHERE seal_id IN (
            SELECT seal_id FROM loose_seals ORDER BY seal_id LIMIT %s FOR UPDATE SKIP LOCKED
        ) RETURNING seal_id
    )
    INSERT INTO carried_seals (seal_id, batch_id) SELECT seal_id, %s FROM taken RETURNING seal_id"""

_CARRIED_MAX = 500


def sealing(
    table: str, statement: str, returning: str = "1", *, loose: bool = False, moved: str = ""
) -> str:
    """An INSERT of rows that set seal_id, which also seals what it inserts; selects `returning` of
    it. loose: the transaction makes no batch, and calls nothing of the below either. moved: a
    statement that changes what else follows from the rows `inserted`.
    """
    sealed = SETS[table]
    parts = [
        f"inserted AS ({statement} RETURNING *)",
        f"sealed AS ({_SEAL.format(number=sealed.number, digest=sealed.digest)})",
    ]
    if loose:
        parts.append(f"loosened AS ({_LOOSE})")
    if moved:
        parts.append(f"moved AS ({moved})")
    return f"WITH {', '.join(parts)} SELECT {returning} FROM inserted"  # noqa: S608  constants


def sealed_insert(statement: Insert, *returning: str) -> Select[Any]:
    """The same of SQLAlchemy's statement, for a transaction that makes no batch."""
    table = statement.table
    sealed = SETS[table.name]
    inserted = statement.returning(*table.columns).cte("inserted")
    made = select(
        inserted.c.seal_id,
        literal_column(str(sealed.number)),
        func.count(),
        literal_column(sealed.digest),
    ).group_by(inserted.c.seal_id)
    seal = insert(_SEALS).from_select(list(_SEALS.columns), made)
    loosened = insert(_LOOSE_SEALS).from_select(["seal_id"], select(inserted.c.seal_id).distinct())
    return select(*(inserted.c[name] for name in returning)).add_cte(
        seal.cte("sealed"), loosened.on_conflict_do_nothing().cte("loosened")
    )


async def seals_of(driver: Driver, transactions: Sequence[UUID]) -> list[Seal]:
    """The seals of these transactions, in their order."""
    found = await driver.execute(_OF_TRANSACTIONS, [list(transactions)])
    return [Seal(*row) for row in await found.fetchall()]


async def carry(driver: Driver, batch_id: UUID) -> list[UUID]:
    """Has a batch carry loose seals; returns the transactions that they are of."""
    found = await driver.execute(_CARRY, [_CARRIED_MAX, batch_id])
    return [transaction for (transaction,) in await found.fetchall()]


async def loosen(driver: Driver, transaction: UUID) -> None:
    """Leaves the seals of a transaction that made no batch to a later one."""
    await driver.execute(_LOOSEN, [transaction])
