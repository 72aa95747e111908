"""What is reported of gifts besides themselves: refunds, disputes, stages, each kept once.

A fact is a row by its gift's key and its own identity; the first report of an identity stands. A
fact may come before its gift. Rows are never changed, but that a refund learns which batch booked
it. Whatever happens to a gift is booked by all that is kept of it, so there is an end to how much
may be.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from uuid import UUID

from services.donations.domain import Key, Refund, micros_of, moment_of
from services.donations.life.reports import Dispute, DisputeStatus, Fact, StageEvent, Told
from services.donations.life.transitions import State
from services.donations.store.driver import Driver
from services.donations.store.fragments import KEYS, transposed
from services.donations.store.sealing import sealing

FACTS_MAX = 1_000
"""So many refunds of one gift are kept, as many disputes and as many stages, and then no more; two
transactions may each bring as many. A gift has a few.
"""

FactKey = tuple[object, ...]
"""bucket, partner id, the gift's id, and the fact's identity."""


@dataclass(frozen=True, slots=True)
class _Table:
    """identity, content: columns and their types."""

    name: str
    identity: Mapping[str, str]
    content: Mapping[str, str]

    @property
    def columns(self) -> str:
        return ", ".join(("bucket", "partner_id", "external_id", *self.identity, *self.content))

    def _unnested(self, columns: Iterable[str]) -> str:
        return ", ".join(f"%s::{kind}[]" for kind in ("smallint", "smallint", "text", *columns))

    @property
    def insert(self) -> str:
        """Parameters: when, the transaction, and the columns."""
        kinds = (*self.identity.values(), *self.content.values())
        key = ", ".join(("bucket", "partner_id", "external_id", *self.identity))
        return sealing(
            self.name,
            f"INSERT INTO {self.name} ({self.columns}, recorded_time, seal_id) "  # noqa: S608
            f"SELECT k.*, %s, %s::uuid FROM unnest({self._unnested(kinds)}) k({self.columns}) "
            f"WHERE (SELECT count(*) FROM (SELECT FROM {self.name} f "
            "WHERE (f.bucket, f.partner_id, f.external_id) "
            f"= (k.bucket, k.partner_id, k.external_id) LIMIT {FACTS_MAX}) n) < {FACTS_MAX} "
            "ON CONFLICT DO NOTHING",
            key,
        )

    @property
    def find(self) -> str:
        """What is recorded under keys."""
        key = ("bucket", "partner_id", "external_id", *self.identity)
        return (
            f"SELECT {self.columns} "  # noqa: S608
            f"FROM unnest({self._unnested(self.identity.values())}) k({', '.join(key)}) "
            f"JOIN {self.name} USING ({', '.join(key)})"
        )

    @property
    def read(self) -> str:
        """All of some gifts, in an order of their own."""
        names = (*self.identity, *self.content)
        return (
            "SELECT f.bucket, f.partner_id, f.external_id, a.code, "  # noqa: S608
            f"{', '.join(f'f.{name}' for name in names)} FROM {KEYS} "
            f"JOIN {self.name} f USING (bucket, partner_id, external_id) "
            "JOIN partners a ON a.id = f.partner_id "
            f"ORDER BY f.bucket, f.partner_id, f.external_id, f.event_time, "
            f"{', '.join(f'f.{name}' for name in self.identity)}"
        )


_REFUNDS = _Table(
    "refunds",
    {"refund_id": "text"},
    {
        "amount_micros": "bigint",
        "currency": "text",
        "cumulative": "boolean",
        "event_time": "timestamptz",
    },
)
_DISPUTES = _Table(
    "disputes",
    {"dispute_id": "text", "status": "smallint"},
    {"amount_micros": "bigint", "currency": "text", "event_time": "timestamptz"},
)
_STAGES = _Table("stages", {"event_id": "text"}, {"stage": "smallint", "event_time": "timestamptz"})

# What another transaction booked meanwhile keeps the batch that it has.
_MARK = """
    UPDATE refunds r SET batch_id = k.batch_id
    FROM unnest(%s::smallint[], %s::smallint[], %s::text[], %s::text[], %s::uuid[])
      k(bucket, partner_id, external_id, currency, batch_id)
    WHERE (r.bucket, r.partner_id, r.external_id) = (k.bucket, k.partner_id, k.external_id)
      AND r.currency = k.currency AND r.batch_id IS NULL"""

_BATCHES = f"""
    SELECT r.bucket, r.partner_id, r.external_id, r.refund_id, r.batch_id
    FROM {KEYS} JOIN refunds r USING (bucket, partner_id, external_id)
    WHERE r.batch_id IS NOT NULL"""  # noqa: S608  made of constants


def key_of(key: Key, fact: Fact) -> FactKey:
    """What names a fact of a gift."""
    return (*key, *_identity(fact))


async def add(
    driver: Driver, facts: Mapping[FactKey, Fact], batch_id: UUID, now: datetime
) -> tuple[set[FactKey], dict[FactKey, Fact]]:
    """Inserts facts whose keys are new; returns the keys that were, and what is recorded under the
    others. Those of gifts that have FACTS_MAX are among neither.

    batch_id: this transaction's own, whether or not it comes to a batch.
    Of what is recorded the partner is left out, as the key names it.
    """
    new, stored = set[FactKey](), dict[FactKey, Fact]()
    for kind in (Refund, Dispute, StageEvent):
        rows = {key: fact for key, fact in facts.items() if isinstance(fact, kind)}
        if rows:
            table = _table_of(kind)
            added = await _insert(driver, table, rows, batch_id, now)
            new |= added
            stored |= await _find(driver, table, rows.keys() - added)
    return new, stored


async def read(driver: Driver, keys: Iterable[Key]) -> dict[Key, Told]:
    """All that is reported of these gifts, by event time. Keys of which nothing is are left out."""
    found: dict[Key, tuple[list[Refund], list[Dispute], list[StageEvent]]] = {}
    wanted = transposed(sorted(keys), 3)
    for table in (_REFUNDS, _DISPUTES, _STAGES):
        rows = await driver.execute(table.read.encode(), wanted)
        for bucket, partner_id, external_id, partner, *values in await rows.fetchall():
            refunds, disputes, stages = found.setdefault(
                Key(bucket, partner_id, external_id), ([], [], [])
            )
            match _fact(table, partner, external_id, values):
                case Refund() as refund:
                    refunds.append(refund)
                case Dispute() as dispute:
                    disputes.append(dispute)
                case StageEvent() as stage:
                    stages.append(stage)
    return {key: Told(*told) for key, told in found.items()}


async def mark_refunds(driver: Driver, booked: Iterable[tuple[Key, str, UUID]]) -> None:
    """Notes of these gifts' refunds in these currencies in which batch they were booked."""
    rows = sorted((*key, currency, batch_id) for key, currency, batch_id in booked)
    if rows:
        await driver.execute(_MARK, transposed(rows, 5))


async def refund_batches(driver: Driver, keys: Iterable[Key]) -> dict[FactKey, UUID]:
    """The batches that booked these gifts' refunds; those that wait are left out."""
    rows = await driver.execute(_BATCHES, transposed(sorted(keys), 3))
    return {tuple(key): batch_id for *key, batch_id in await rows.fetchall()}


async def _insert(
    driver: Driver, table: _Table, facts: Mapping[FactKey, Fact], batch_id: UUID, now: datetime
) -> set[FactKey]:
    """The statement counts what was there before it; of its own rows it takes as many."""
    rows = [
        (*key, *_content(facts[key]))
        for _, of_gift in groupby(sorted(facts), key=lambda key: key[:3])
        for key in islice(of_gift, FACTS_MAX)
    ]
    columns = transposed(rows, 3 + len(table.identity) + len(table.content))
    inserted = await driver.execute(table.insert.encode(), [now, batch_id, *columns])
    return {tuple(row) for row in await inserted.fetchall()}


async def _find(driver: Driver, table: _Table, keys: Collection[FactKey]) -> dict[FactKey, Fact]:
    if not keys:
        return {}
    width = 3 + len(table.identity)
    found = await driver.execute(table.find.encode(), transposed(sorted(keys), width))
    return {tuple(row[:width]): _fact(table, "", row[2], row[3:]) for row in await found.fetchall()}


def _table_of(kind: type[Fact]) -> _Table:
    if kind is Refund:
        return _REFUNDS
    return _DISPUTES if kind is Dispute else _STAGES


def _identity(fact: Fact) -> tuple[object, ...]:
    match fact:
        case Refund():
            return (fact.refund_id,)
        case Dispute():
            return (fact.dispute_id, int(fact.status))
        case StageEvent():
            return (fact.event_id,)


def _content(fact: Fact) -> tuple[object, ...]:
    time = moment_of(fact.event_time_micros)
    match fact:
        case Refund():
            return (fact.amount_micros, fact.currency, fact.cumulative, time)
        case Dispute():
            return (fact.amount_micros, fact.currency, time)
        case StageEvent():
            return (int(fact.stage), time)


def _fact(table: _Table, partner: str, external_id: str, values: Sequence[object]) -> Fact:
    *rest, time = values
    assert isinstance(time, datetime), "a fact has its time"
    micros = micros_of(time)
    if table is _REFUNDS:
        return Refund(partner, external_id, *rest, micros)  # type: ignore[arg-type,call-arg]
    if table is _DISPUTES:
        dispute_id, status, amount, currency = rest
        return Dispute(
            partner,
            external_id,
            dispute_id,  # type: ignore[arg-type]
            DisputeStatus(status),  # type: ignore[arg-type]
            amount,  # type: ignore[arg-type]
            currency,  # type: ignore[arg-type]
            micros,
        )
    event_id, stage = rest
    return StageEvent(partner, external_id, event_id, State(stage), micros)  # type: ignore[arg-type]
