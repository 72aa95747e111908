"""Claims, quarantined notices and their replays on the wire."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import review_service_pb2 as pb
from watersmeet.type.v1 import money_pb2

from services.donations.domain import moment_of
from services.donations.review.reviewed import (
    Conflict,
    Content,
    Quarantined,
    Replay,
    WholeNotice,
    Window,
)
from services.donations.wire.convert import (
    micros_of_timestamp,
    money,
    outcome_value,
    problem,
    reason_value,
    timestamp_of,
    timestamp_of_micros,
)


def window_of(request: Any) -> Window:
    """A list's bounds of time, not yet checked. Raises Fault(FIELD_INVALID)."""
    return Window(_moment(request, "start_time"), _moment(request, "end_time"))


def _moment(request: Any, field: str) -> datetime | None:
    if not request.HasField(field):
        return None
    stamp: Timestamp = getattr(request, field)
    return moment_of(micros_of_timestamp(stamp, field))


def conflict_message(conflict: Conflict) -> pb.Conflict:
    """A claim beside what stands."""
    return pb.Conflict(
        partner=conflict.partner,
        external_id=conflict.external_id,
        refund_id=conflict.refund_id,
        reason=reason_value(conflict.reason),
        received_time=timestamp_of(conflict.received_time),
        claim=_content(conflict.claim),
        gift=_content(conflict.gift),
        refund=_content(conflict.refund),
        dispute=_content(conflict.dispute),
        stage=_content(conflict.stage),
        order=_content(conflict.order),
        recorded_time=timestamp_of(conflict.recorded_time) if conflict.recorded_time else None,
        donor_differs=conflict.donor_differs,
    )


def notice_message(notice: Quarantined) -> pb.QuarantinedNotice:
    """A notice without its contents."""
    return pb.QuarantinedNotice(
        id=notice.digest.hex(),
        platform=notice.platform,
        reason=reason_value(notice.reason),
        message=notice.message,
        received_time=timestamp_of(notice.received_time),
        body_bytes=notice.body_bytes,
        resolved=notice.resolved,
        replays=notice.replays,
    )


def whole_message(notice: WholeNotice) -> pb.GetQuarantinedResponse:
    """A notice, whole."""
    return pb.GetQuarantinedResponse(
        notice=notice_message(notice.summary),
        http_method=notice.http_method,
        query=notice.query,
        headers=_headers(notice.headers.items()),
        body=notice.body,
        replays=map(replay_message, notice.replays),
    )


def replay_message(replay: Replay) -> pb.Replay:
    """What a replay came to."""
    reason = replay.reason
    return pb.Replay(
        request_id=replay.request_id,
        caller=replay.caller,
        replay_time=timestamp_of(replay.replay_time),
        outcomes=map(outcome_value, replay.outcomes),
        problem=None if reason is None else problem(reason, replay.message),
    )


def _headers(headers: Iterable[tuple[str, str]]) -> Iterable[intake_pb.HttpHeader]:
    return (intake_pb.HttpHeader(name=name, value=value) for name, value in headers)


def _content(content: Content | None) -> pb.ReportedContent | None:
    if content is None:
        return None
    time, rail = content.event_time_micros, content.rail
    return pb.ReportedContent(
        amount=_money(content, content.amount_micros),
        project=content.project,
        campaign=content.campaign,
        event_time=None if time is None else timestamp_of_micros(time),
        cumulative=content.cumulative,
        paid=_money(content, content.paid_micros),
        pledge=content.pledge,
        rail=rail.code if rail else "",
        rail_id=rail.external_id if rail else "",
        dispute=intake_pb.DisputeStatus.ValueType(content.dispute) if content.dispute else None,
        stage=intake_pb.DonationState.ValueType(content.stage) if content.stage else None,
    )


def _money(content: Content, micros: int | None) -> money_pb2.Money | None:
    return None if micros is None else money(content.currency, micros)
