"""Where protobuf meets the domain, in both directions. Nothing else of intake knows a message."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.donations.v1 import (
    batch_service_pb2,
    donation_intake_service_pb2,
)
from watersmeet.errors.v1 import errors_pb2
from watersmeet.ledger.v1 import ledger_service_pb2
from watersmeet.type.v1 import money_pb2, purpose_pb2

from services.donations.desks.stream import AcknowledgedBatch, IncomingBatch
from services.donations.domain import (
    HOUR_MICROS,
    Gift,
    Line,
    Outcome,
    Rail,
    Refund,
    micros_of,
)
from services.donations.gifts.batch import STATING_PARTNER_MAX, Batch, BatchSummary, zone_of
from services.donations.gifts.columns import GiftBatch, Ints
from services.donations.gifts.validation import EXPLANATIONS, Refusal
from services.donations.life.transitions import movements_of
from services.donations.platforms.protocol import Acknowledgement, Notice
from services.runtime.errors import Fault, Reason

_NANOS_MAX = 999_999_999
# Year 1 and the end of year 9999, as the type's own documentation bounds it.
_SECONDS_MIN, _SECONDS_MAX = -62_135_596_800, 253_402_300_799


# Moments.


def micros_of_timestamp(stamp: Timestamp, field: str) -> int:
    """Microseconds since 1970; what is finer is cut off, as it is not kept.

    Raises Fault(FIELD_INVALID) for what is no moment.
    """
    if not (_SECONDS_MIN <= stamp.seconds <= _SECONDS_MAX and 0 <= stamp.nanos <= _NANOS_MAX):
        raise Fault(Reason.FIELD_INVALID, f"{field} is no moment in time", field=field)
    return stamp.seconds * 1_000_000 + stamp.nanos // 1_000


def timestamp_of(moment: datetime) -> Timestamp:
    """An aware moment on the wire."""
    return timestamp_of_micros(micros_of(moment))


def timestamp_of_micros(micros: int) -> Timestamp:
    """Microseconds since 1970 on the wire."""
    seconds, rest = divmod(micros, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def required_micros(message: Any, field: str) -> int:
    """A moment that must be there, in microseconds since 1970.

    Raises Fault(FIELD_REQUIRED or FIELD_INVALID).
    """
    if not message.HasField(field):
        raise Fault(Reason.FIELD_REQUIRED, f"{field} is required", field=field)
    return micros_of_timestamp(getattr(message, field), field)


def required_amount(message: Any) -> money_pb2.Money:
    """An amount that must be there. Raises Fault(FIELD_REQUIRED)."""
    if not message.HasField("amount"):
        raise Fault(Reason.FIELD_REQUIRED, "amount is required", field="amount")
    amount: money_pb2.Money = message.amount
    return amount


# What partners report.


def gift_of(
    request: donation_intake_service_pb2.RecordDonationRequest, partner: str, token: bytes
) -> Gift:
    """The gift as reported, not yet checked. Raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    amount = required_amount(request)
    return Gift(
        partner,
        request.external_id,
        request.project,
        request.campaign,
        amount.micros,
        amount.currency_code,
        required_micros(request, "event_time"),
        token,
        Rail(request.rail, request.rail_id) if request.rail or request.rail_id else None,
    )


def refund_of(request: donation_intake_service_pb2.RecordRefundRequest, partner: str) -> Refund:
    """The refund as reported, not yet checked. Raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    amount = required_amount(request)
    return Refund(
        partner,
        request.external_id,
        request.refund_id,
        amount.micros,
        amount.currency_code,
        False,
        required_micros(request, "event_time"),
    )


def incoming_batch(message: donation_intake_service_pb2.DonationBatch) -> IncomingBatch:
    """A stream's batch, its shape not yet checked.

    Raises Fault(FIELD_REQUIRED) without control totals.
    """
    if not message.HasField("control_totals"):
        raise Fault(
            Reason.FIELD_REQUIRED,
            "send each batch with control_totals, made where the gifts come from",
            field="control_totals",
        )
    rows = len(message.external_ids)
    campaigns = tuple(message.campaigns) or ("",)
    campaign_indexes = _ints(message.campaign_indexes)
    if not len(campaign_indexes) and len(campaigns) == 1:
        campaign_indexes = np.zeros(rows, dtype=np.int64)
    return IncomingBatch(
        message.offset,
        GiftBatch(
            message.currency_code,
            list(message.external_ids),
            _ints(message.amounts_micros),
            _ints(message.event_times_micros),
            tuple(message.projects),
            _ints(message.project_indexes),
            campaigns,
            campaign_indexes,
            list(message.donor_references),
            *_rail_columns(message),
        ),
        message.control_totals.count,
        message.control_totals.micros,
        (
            micros_of_timestamp(message.complete_until_time, "complete_until_time")
            if message.HasField("complete_until_time")
            else None
        ),
    )


def _rail_columns(
    message: donation_intake_service_pb2.DonationBatch,
) -> tuple[Sequence[str], Ints, Sequence[str]]:
    rails = tuple(message.rails)
    indexes = _ints(message.rail_indexes)
    if not len(indexes) and len(rails) == 1:
        indexes = np.zeros(len(message.rail_ids), dtype=np.int64)
    return rails, indexes, list(message.rail_ids)


def _ints(column: Sequence[int]) -> Ints:
    return np.fromiter(column, dtype=np.int64, count=len(column))


def notice_of(request: donation_intake_service_pb2.AcceptNotificationRequest) -> Notice:
    """The platform's HTTP request."""
    headers = ((header.name, header.value) for header in request.headers)
    return Notice.received(request.http_method, request.query, headers, request.body)


# What partners are answered.


def acknowledgement_message(
    done: AcknowledgedBatch,
) -> donation_intake_service_pb2.BatchAcknowledgement:
    """What became of a stream's batch."""
    return donation_intake_service_pb2.BatchAcknowledgement(
        offset=done.offset,
        accepted=done.count(Outcome.ACCEPTED) + done.count(Outcome.SUSPENDED),
        replayed=done.count(Outcome.REPLAYED),
        conflicting=done.count(Outcome.CONFLICTING),
        suspended=done.count(Outcome.SUSPENDED),
        refused=done.count(Outcome.REFUSED),
        rows=[
            donation_intake_service_pb2.RowResult(
                index=row, outcome=outcome_value(outcome), problem=_row_problem(outcome, refusal)
            )
            for row, outcome, refusal in done.notable_rows()
        ],
        batch_id=str(done.batch_id) if done.batch_id else "",
    )


def _row_problem(outcome: Outcome, refusal: Refusal) -> errors_pb2.Problem | None:
    if outcome is Outcome.REFUSED:
        explanation = EXPLANATIONS[refusal]
        return problem(explanation.reason, explanation.message, explanation.metadata)
    if outcome is Outcome.CONFLICTING:
        return problem(Reason.DONATION_CONFLICT, GIFT_CONFLICT)
    return None


GIFT_CONFLICT = (
    "this id was recorded before with other content; the first report stands, and this one is kept "
    "as a claim; a new gift needs an id of its own"
)


def outcome_value(outcome: Outcome) -> donation_intake_service_pb2.Outcome.ValueType:
    """The domain's numbers are the proto's."""
    return donation_intake_service_pb2.Outcome.ValueType(outcome)


def acknowledged(
    answer: Acknowledgement, outcomes: Iterable[Outcome]
) -> donation_intake_service_pb2.AcceptNotificationResponse:
    """What to tell the platform, and what became of its reports."""
    return donation_intake_service_pb2.AcceptNotificationResponse(
        http_status=answer.http_status,
        content_type=answer.content_type,
        body=answer.body,
        outcomes=map(outcome_value, outcomes),
    )


def problem(
    reason: Reason, message: str, metadata: Mapping[str, str] | None = None
) -> errors_pb2.Problem:
    """What is wrong with one item of a call."""
    return errors_pb2.Problem(reason=reason_value(reason), message=message, metadata=metadata)


def problem_of(fault: Fault) -> errors_pb2.Problem:
    """The same of a fault."""
    return problem(fault.reason, fault.message, fault.metadata)


def reason_value(reason: Reason) -> errors_pb2.ErrorReason.ValueType:
    """A reason on the wire."""
    return errors_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")


def money(currency: str, micros: int) -> money_pb2.Money:
    """An amount."""
    return money_pb2.Money(currency_code=currency, micros=micros)


# The ledger and its audit.


def summary_message(batch: BatchSummary) -> batch_service_pb2.SummarizeBatchesResponse:
    """A batch as its rows say it."""
    return batch_service_pb2.SummarizeBatchesResponse(
        batch_id=str(batch.id),
        gifts=batch.gifts,
        digest=batch.digest,
        lines=[
            batch_service_pb2.BatchLine(
                kind=batch_service_pb2.BatchLineKind.ValueType(line.kind),
                partner=line.partner,
                campaign=line.campaign,
                project=line.project,
                purpose=purpose_pb2.Purpose.ValueType(line.purpose),
                charity=line.charity,
                currency_code=line.currency,
                hour=timestamp_of_micros(line.hour * HOUR_MICROS),
                micros=line.micros,
                count=line.gift_count,
                time_zone=zone_of(line, batch.zones),
            )
            for line in sorted(batch.lines)
        ],
        posted=batch.posted,
        posted_sequence=batch.posted_sequence,
        differences=batch.differences,
    )


def entries_of(batch: Batch, zones: Mapping[str, str]) -> list[ledger_service_pb2.EntryDraft]:
    """A batch as the ledger's entries, one for each calendar that it counts in: most have one.

    The first has the batch's own id, and the others ids that follow from it. The last says what is
    complete. zones: of campaigns, by code. Raises ValueError for a batch that says nothing.
    """
    if not batch.lines and not batch.watermarks:
        raise ValueError(f"batch {batch.id} has neither lines nor watermarks")
    by_zone: dict[str, list[Line]] = {} if batch.lines else {"": []}
    for line in batch.lines:
        by_zone.setdefault(zone_of(line, zones), []).append(line)
    entries: list[ledger_service_pb2.EntryDraft] = []
    for zone in sorted(by_zone):
        entry_id = uuid5(batch.id, zone) if entries else batch.id
        facts = {"gifts": str(batch.gifts), "digest": batch.digest.hex()}
        if zone:
            facts["time_zone"] = zone
        entries.append(_entry(batch, entry_id, facts, by_zone[zone]))
    entries[-1].metadata.update(_watermarks(batch))
    return entries


def _entry(
    batch: Batch, entry_id: UUID, facts: dict[str, str], lines: Iterable[Line]
) -> ledger_service_pb2.EntryDraft:
    entry = ledger_service_pb2.EntryDraft(
        entry_id=str(entry_id),
        cause=ledger_service_pb2.Cause(
            kind=ledger_service_pb2.CAUSE_KIND_INTAKE_BATCH, id=str(batch.id)
        ),
        value_time=timestamp_of(batch.value_time),
        metadata=facts,
    )
    add = entry.transfers.add
    for line in lines:
        for debit, credit in movements_of(line):
            transfer = add(
                debit_account=debit,
                credit_account=credit,
                campaign=line.campaign,
                project=line.project,
                count=line.gift_count,
            )
            # Parts of their own would be made first and copied then.
            transfer.amount.currency_code = line.currency
            transfer.amount.micros = line.micros
            transfer.hour.seconds = line.hour * HOUR_MICROS // 1_000_000
    return entry


def _watermarks(batch: Batch) -> dict[str, str]:
    stated = {}
    for partner, moment in batch.watermarks.items():
        # A gift must not wait for a watermark that the ledger does not take.
        if len(partner) <= STATING_PARTNER_MAX:
            stated[f"complete_until/{partner}"] = (
                moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
            )
    return stated
