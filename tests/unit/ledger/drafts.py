"""Drafts for tests: gifts, refunds, and what else an entry can be made of."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

from services.ledger.domain import Cause, CauseKind, EntryDraft, EntryId, Transfer

NOON = datetime(2019, 9, 5, 12, tzinfo=UTC)

_numbers = count(1)


def id_of(number: int) -> EntryId:
    """The entry id of this number."""
    return EntryId(str(UUID(int=number)))


def new_id() -> EntryId:
    """An entry id that no other call returns; ids come in order."""
    return id_of(0x0190_0000_0000_7000_8000_0000_0000_0000 + next(_numbers))


def gift(
    micros: int = 1_000_000,
    *,
    partner: str = "alipay",
    project: str = "well",
    campaign: str = "95week",
    currency: str = "CNY",
    hour: datetime = NOON,
    tally: int = 1,
) -> Transfer:
    """Gifts to a project."""
    debit, credit = f"partner/{partner}/claimed", f"project/{project}/fund"
    return Transfer(debit, credit, micros, currency, campaign, project, hour, tally)


def appealed(micros: int = 1_000_000, *, project: str = "surgery", **about: object) -> Transfer:
    """Gifts to a personal appeal."""
    given = gift(micros, project=project, **about)  # type: ignore[arg-type]
    return given._replace(credit=f"appeal/{project}/fund")


def refund(micros: int = 1_000_000, **about: object) -> Transfer:
    """Refunds of gifts to a project."""
    given = gift(micros, **about)  # type: ignore[arg-type]
    return given._replace(debit=given.credit, credit=given.debit)


def suspended(micros: int = 1_000_000, *, partner: str = "alipay", tally: int = 1) -> Transfer:
    """Gifts to an unknown project."""
    return gift(micros, partner=partner, tally=tally)._replace(
        credit=f"partner/{partner}/suspense", project=""
    )


def draft(
    *transfers: Transfer,
    entry_id: EntryId | None = None,
    cause: Cause | None = None,
    value_time: datetime = NOON,
    metadata: Mapping[str, str] | None = None,
) -> EntryDraft:
    """A manual entry; one gift if no transfer is given."""
    return EntryDraft(
        entry_id=entry_id or new_id(),
        cause=cause or Cause(CauseKind.MANUAL, "memo-1"),
        value_time=value_time,
        metadata=metadata or {},
        transfers=transfers or (gift(),),
    )
