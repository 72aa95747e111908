"""Where protobuf meets the domain, in both directions."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.donations.v1 import batch_service_pb2 as batch_pb
from watersmeet.ledger.v1 import audit_service_pb2 as audit_pb
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.type.v1 import money_pb2, purpose_pb2

from services.ledger.audit.auditor import Report
from services.ledger.audit.batches import BatchLine, BatchSummary, LineKind
from services.ledger.audit.check import Check
from services.ledger.domain import (
    Account,
    AccountKind,
    AccountLimit,
    AccountName,
    AccountState,
    Balance,
    Cause,
    CauseKind,
    Cell,
    Change,
    Entry,
    EntryId,
    Purpose,
    TotalState,
    Transfer,
)
from services.ledger.reading.history import AsOf
from services.ledger.reading.reader import TrialBalanceSum
from services.ledger.wire.convert_steps import put_step
from services.runtime.call import is_uuid
from services.runtime.errors import Fault, Reason

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS_MAX = 999_999_999

# From the wire.


def entry_id_of(text: str, field: str) -> EntryId:
    """A UUID, in whatever case. Raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    if not text:
        raise Fault(Reason.FIELD_REQUIRED, f"{field} is required", field=field)
    if not is_uuid(text):
        raise Fault(Reason.FIELD_INVALID, f"{field} must be a UUID of 36 characters", field=field)
    return EntryId(text.lower())


def sequence_of(sequence: int, field: str) -> int:
    """A sequence, or 0 for before the first. Raises Fault(FIELD_INVALID)."""
    if sequence < 0:
        name = field.rpartition(".")[2]
        raise Fault(Reason.FIELD_INVALID, f"{name} must be 0 or more", field=field)
    return sequence


def cause_of(message: pb.Cause) -> Cause:
    """A cause. Raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    return cause_of_fields(message.kind, message.id)


@lru_cache(maxsize=1_024)
def cause_of_fields(number: int, cause_id: str) -> Cause:
    """The cause of a message's fields. Raises as `cause_of`."""
    if number == pb.CAUSE_KIND_UNSPECIFIED:
        raise Fault(Reason.FIELD_REQUIRED, "say what makes the entry necessary", field="cause.kind")
    try:
        kind = CauseKind(number)
    except ValueError:
        raise Fault(
            Reason.FIELD_INVALID, "cause.kind is none of the kinds there are", field="cause.kind"
        ) from None
    return Cause(kind, cause_id)


def as_of_of(message: pb.AsOf) -> AsOf:
    """Which entries count. Raises Fault(FIELD_INVALID)."""
    recorded: int | datetime | None = None
    match message.WhichOneof("recorded"):
        case "sequence":
            recorded = sequence_of(message.sequence, "as_of.sequence")
        case "recorded_time":
            recorded = time_of(message.recorded_time, "as_of.recorded_time")
    return AsOf(recorded, _day_of(message.value_date, "as_of.value_date"))


class _Span(Protocol):
    """A message with a start_time and an end_time, either of which may be unset."""

    @property
    def start_time(self) -> Timestamp:
        """From when on."""

    @property
    def end_time(self) -> Timestamp:
        """Before when."""

    def HasField(self, name: Any) -> bool:  # noqa: N802  protobuf's own name
        """Whether a field is set."""


def span_of(message: _Span) -> tuple[datetime | None, datetime | None]:
    """From when on, and before when. Raises Fault(FIELD_INVALID)."""
    start = time_of(message.start_time, "start_time") if message.HasField("start_time") else None
    end = time_of(message.end_time, "end_time") if message.HasField("end_time") else None
    if start is not None and end is not None and start >= end:
        raise Fault(Reason.FIELD_INVALID, "end_time must lie after start_time", field="end_time")
    return start, end


def _day_of(text: str, field: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or text != day.isoformat():
        raise Fault(Reason.FIELD_INVALID, f"{field} must be a day as 2026-09-05", field=field)
    return day


def name_of(code: str, currency: str) -> AccountName:
    """An account's name. Raises Fault(FIELD_REQUIRED) if either part is empty."""
    for field, value in (("code", code), ("currency_code", currency)):
        if not value:
            raise Fault(Reason.FIELD_REQUIRED, f"{field} is required", field=field)
    return AccountName(code, currency)


def required_time(message: Any) -> datetime:
    """The value_time of a message that has one. Raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    if not message.HasField("value_time"):
        raise Fault(Reason.FIELD_REQUIRED, "value_time is required", field="value_time")
    return time_of(message.value_time, "value_time")


def time_of(stamp: Timestamp, field: str) -> datetime:
    """What is finer than a microsecond is cut off: the books do not hold it."""
    try:
        return moment(stamp.seconds, stamp.nanos)
    except OverflowError:
        raise no_time(field) from None


def no_time(field: str) -> Fault:
    """What is wrong with a field that `moment` does not take."""
    return Fault(
        Reason.FIELD_INVALID, f"{field} must be a time of the years 1 to 9999", field=field
    )


@lru_cache(maxsize=4_096)
def moment(seconds: int, nanos: int) -> datetime:
    """The time of a stamp's fields. Raises OverflowError."""
    if not 0 <= nanos <= _NANOS_MAX:
        raise OverflowError
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)


def batch_summary_of(message: batch_pb.SummarizeBatchesResponse) -> BatchSummary:
    """A batch of the donations service. Raises Fault(FIELD_INVALID) for a line of no known kind."""
    return BatchSummary(
        batch_id=message.batch_id,
        gifts=message.gifts,
        digest=message.digest,
        lines=[_batch_line_of(line) for line in message.lines],
        posted=message.posted,
        posted_sequence=message.posted_sequence,
        differences=list(message.differences),
    )


def _batch_line_of(line: batch_pb.BatchLine) -> BatchLine:
    try:
        kind = LineKind(line.kind)
    except ValueError:
        raise Fault(
            Reason.FIELD_INVALID, "a batch has a line of an unknown kind", field="lines.kind"
        ) from None
    try:
        # Intake of the release before does not say it; it knew only charity's projects.
        purpose = Purpose(
            line.purpose or (Purpose.CHARITY if line.project else Purpose.UNATTRIBUTED)
        )
    except ValueError:
        raise Fault(
            Reason.FIELD_INVALID, "a batch has a line of an unknown purpose", field="lines.purpose"
        ) from None
    return BatchLine(
        kind=kind,
        partner=line.partner,
        campaign=line.campaign,
        project=line.project,
        purpose=purpose,
        charity=line.charity,
        currency=line.currency_code,
        hour=time_of(line.hour, "lines.hour"),
        micros=line.micros,
        tally=line.count,
        calendar=line.time_zone,
    )


# To the wire.

ACCOUNT_KINDS = {kind: pb.AccountKind.Value(f"ACCOUNT_KIND_{kind.name}") for kind in AccountKind}
_ACCOUNT_STATES = {s: pb.AccountState.Value(f"ACCOUNT_STATE_{s.name}") for s in AccountState}
_ACCOUNT_LIMITS = {x: pb.AccountLimit.Value(f"ACCOUNT_LIMIT_{x.name}") for x in AccountLimit}
_CAUSE_KINDS = {kind: pb.CauseKind.Value(f"CAUSE_KIND_{kind.name}") for kind in CauseKind}
_PURPOSES = {purpose: purpose_pb2.Purpose.Value(f"PURPOSE_{purpose.name}") for purpose in Purpose}
_TOTAL_STATES = {state: pb.TotalState.Value(f"TOTAL_STATE_{state.name}") for state in TotalState}


def cause_message(cause: Cause) -> pb.Cause:
    """A cause."""
    return pb.Cause(kind=_CAUSE_KINDS[cause.kind], id=cause.id)


def entry_message(entry: Entry) -> pb.Entry:
    """An entry."""
    draft = entry.draft
    return pb.Entry(
        sequence=entry.sequence,
        entry_id=draft.entry_id,
        cause=cause_message(draft.cause),
        value_time=stamp_of(draft.value_time),
        recorded_time=stamp_of(entry.recorded_time),
        metadata=draft.metadata,
        transfers=map(transfer_message, draft.transfers),
        previous_hash=entry.previous_hash,
        hash=entry.hash,
        reverses=draft.reverses or 0,
        version=entry.version,
        value_date=entry.dates.value.isoformat() if entry.dates else "",
        book_date=entry.dates.book.isoformat() if entry.dates else "",
    )


def account_message(account: Account) -> pb.Account:
    """An account."""
    return pb.Account(
        code=account.name.code,
        currency_code=account.name.currency,
        kind=ACCOUNT_KINDS[account.kind],
        owner=account.owner,
        create_time=stamp_of(account.create_time),
        state=_ACCOUNT_STATES[account.state],
        limit=_ACCOUNT_LIMITS[account.limit],
    )


def balance_message(balance: Balance) -> pb.Balance:
    """A balance."""
    message = pb.Balance()
    put_balance(message, balance)
    return message


def put_balance(message: pb.Balance, balance: Balance) -> None:
    """Writes a balance into a message, field by field: names take three times as long."""
    currency = balance.name.currency
    message.code = balance.name.code
    message.kind = ACCOUNT_KINDS[balance.kind]
    amounts = (
        (message.debits, balance.debits),
        (message.credits, balance.credits),
        (message.balance, balance.micros),
    )
    for amount, micros in amounts:
        amount.currency_code = currency
        amount.micros = micros
    held, available = balance.held, balance.available
    if held is not None and available is not None:
        message.held.currency_code = message.available.currency_code = currency
        message.held.micros, message.available.micros = held, available


def sums_message(sums: TrialBalanceSum) -> pb.TrialBalanceSum:
    """The sums of one currency."""
    return pb.TrialBalanceSum(
        debits=money(sums.currency, sums.debits), credits=money(sums.currency, sums.credits)
    )


def put_cells(add: Callable[[], pb.TotalCell], rows: Iterable[tuple[Cell, Change]]) -> None:
    """Writes cells of the totals, or changes of them, field by field as `put_balance`.

    add: adds a message where they belong. What is made elsewhere is copied when it is put there.
    """
    for (campaign, project, partner, hour, state, currency, purpose), (micros, tally) in rows:
        message = add()
        message.campaign = campaign
        message.project = project
        message.partner = partner
        message.hour.seconds = _seconds_of(hour)
        message.state = _TOTAL_STATES[state]
        message.purpose = _PURPOSES[purpose]
        amount = message.amount
        amount.currency_code = currency
        amount.micros = micros
        message.count = tally


def check_message(check: Check) -> audit_pb.AuditCheck:
    """A check of an audit."""
    return audit_pb.AuditCheck(
        name=check.name, ok=check.ok, covered=check.covered, detail=check.detail
    )


def report_message(report: Report) -> audit_pb.AuditReport:
    """The report of an audit."""
    return audit_pb.AuditReport(
        ok=report.ok,
        as_of_sequence=report.head.sequence,
        head_hash=report.head.hash,
        checks=map(check_message, report.checks),
        start_time=stamp_of(report.start_time),
        end_time=stamp_of(report.end_time),
    )


def money(currency: str, micros: int) -> money_pb2.Money:
    """An amount."""
    return money_pb2.Money(currency_code=currency, micros=micros)


def stamp_of(time: datetime) -> Timestamp:
    """A time."""
    since = time - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)


@lru_cache(maxsize=4_096)
def _seconds_of(hour: datetime) -> int:
    """A time without parts of seconds, as a stamp has it."""
    return stamp_of(hour).seconds


@lru_cache(maxsize=4_096)
def _hour_stamp(hour: datetime) -> Timestamp:
    """A stamp that is only copied from, never changed."""
    return stamp_of(hour)


def transfer_message(transfer: Transfer) -> pb.Transfer:
    """A transfer."""
    debit, credit, micros, currency, campaign, project, hour, tally, step = transfer
    message = pb.Transfer(
        debit_account=debit,
        credit_account=credit,
        amount=money(currency, micros),
        campaign=campaign,
        project=project,
        hour=_hour_stamp(hour) if hour else None,
        count=tally,
    )
    if step is not None:
        put_step(message, step, stamp_of)
    return message
