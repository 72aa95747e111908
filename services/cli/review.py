"""`watersmeet review`: claims that contradict the books, notices that could not be read, and what
stands in suspense.
"""

import uuid
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any

import typer
from rich.table import Table
from watersmeet.donations.v1 import allocation_service_pb2 as allocation_pb
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import review_service_pb2 as pb
from watersmeet.donations.v1 import review_service_pb2_grpc as pb_grpc
from watersmeet.donations.v1.allocation_service_pb2_grpc import AllocationServiceStub
from watersmeet.errors.v1.errors_pb2 import ErrorReason

from services.cli.asking import asking
from services.cli.console import make_console
from services.cli.deciding import THIS_PERSON, Person
from services.cli.listed import listed
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading.balances import amount_of
from services.cli.render import amount, moment, print_json, reason_of, rfc3339, word
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present
from services.cli.sheets.sheet import Column, Kind, Sheet, Value
from services.runtime.errors import Fault, Reason

_TIMEOUT_S = 30.0
# All that ever was in suspense is added up for each page.
_SUSPENSE_TIMEOUT_S = 600.0
_PAGE = 1_000

review = typer.Typer(
    help="Look after conflicts, quarantined notices and suspense, as finance.",
    no_args_is_help=True,
)

Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most this many, newest first.")]
Platform = Annotated[str | None, typer.Option(metavar="CODE", help="Only this platform's notices.")]

_CONFLICTS = (
    Column("received", Kind.TIME),
    Column("partner"),
    Column("gift"),
    Column("refund"),
    Column("claims"),
    Column("stands"),
    Column("reason"),
)
_SUSPENSE = (
    Column("partner"),
    Column("project"),
    Column("reason"),
    Column("gifts", Kind.NUMBER),
    Column("amount", Kind.AMOUNT),
    Column("unit"),
)
_NOTICES = (
    Column("received", Kind.TIME),
    Column("platform"),
    Column("reason"),
    Column("message"),
    Column("body_bytes", Kind.NUMBER),
    Column("replays", Kind.NUMBER),
    Column("taken_in"),
    Column("id"),
)


@review.command()
def conflicts(
    partner: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only this partner's claims.")
    ] = None,
    limit: Limit = 100,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """List claims that contradict what is recorded, with what stands."""
    with asking(mesh, "donations", role="finance") as channel:
        stub = pb_grpc.ReviewServiceStub(channel)
        found = list(_conflicts(stub, partner or "", limit))
    present(
        Sheet("conflicts", _CONFLICTS, map(_conflict_row, found)),
        as_json=as_json,
        as_csv=as_csv,
        xlsx=xlsx,
        document=lambda: {"conflicts": [_conflict_document(conflict) for conflict in found]},
    )


@review.command()
def suspense(
    partner: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only this partner's gifts.")
    ] = None,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """List what stands in suspense: by partner, project as reported, and reason.

    `watersmeet allocate` gives it to a project.
    """
    request = allocation_pb.ListSuspenseRequest(partner=partner or "")
    with asking(mesh, "donations", role="finance") as channel:
        stub = AllocationServiceStub(channel)
        found = listed(stub.ListSuspense, request, timeout_s=_SUSPENSE_TIMEOUT_S)
        present(
            Sheet("suspense", _SUSPENSE, map(_suspense_row, found)),
            as_json=as_json,
            as_csv=as_csv,
            xlsx=xlsx,
        )


@review.command()
def quarantine(
    platform: Platform = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also notices that a replay has taken in.")
    ] = False,
    limit: Limit = 100,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """List notices that could not be verified or read, without their contents."""
    with asking(mesh, "donations", role="finance") as channel:
        stub = pb_grpc.ReviewServiceStub(channel)
        found = list(_notices(stub, platform or "", limit, include_resolved=everything))
    if not (as_json or as_csv or xlsx):
        _show_notices(found)
        return
    present(
        Sheet("quarantine", _NOTICES, map(_notice_row, found)),
        as_json=as_json,
        as_csv=as_csv,
        xlsx=xlsx,
        document=lambda: {"notices": [_notice_document(notice) for notice in found]},
    )


def _show_notices(found: Sequence[pb.QuarantinedNotice]) -> None:
    """Two lines a notice, so that ids are whole where a line has no more than 120 columns."""
    if not found:
        make_console().print("No notices in quarantine.")
        return
    table = Table("received, and why it is here")
    table.add_column("id", overflow="fold")
    for one in found:
        why = [reason_of(one.reason)]
        if one.replays:
            why.append(f"replayed {one.replays}×")
        if one.resolved:
            why.append("taken in")
        table.add_row(f"{moment(one.received_time)} {one.platform}\n{', '.join(why)}", one.id)
    make_console().print(table)


@review.command()
def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="As `quarantine` lists them.")
    ] = None,
    platform: Platform = None,
    person: Person = THIS_PERSON,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Read notices again, after a key was added, and record what they report.

    Name them, or a platform for all that is open of it. A gift counts once however often its notice
    is read. Exit status 0: all were taken in. 1: one was refused again.
    """
    if bool(ids) == bool(platform):
        raise Fault(Reason.FIELD_REQUIRED, "name either notices by their ids, or a --platform")
    done: list[tuple[str, pb.Replay]] = []
    with asking(mesh, "donations", "finance", person) as channel:
        stub = pb_grpc.ReviewServiceStub(channel)
        wanted = ids or [one.id for one in _notices(stub, platform or "", 100_000)]
        try:
            for notice in wanted:
                request = pb.ReplayQuarantineRequest(request_id=str(uuid.uuid4()), id=notice)
                answer = stub.ReplayQuarantine(request, timeout=_TIMEOUT_S)
                done.append((notice, answer.replay))
        finally:  # what was done before a call failed is told, too
            if done or not wanted:
                _show_replays(done, as_json=as_json)
    if any(one.HasField("problem") for _, one in done):
        raise typer.Exit(1)


def _show_replays(done: Sequence[tuple[str, pb.Replay]], *, as_json: bool) -> None:
    if as_json:
        print_json({"replays": [_replay_document(notice, one) for notice, one in done]})
    elif not done:
        make_console().print("Nothing to replay.")
    else:
        table = Table()
        for column in ("id", "came to", "why"):
            table.add_column(column, overflow="fold")
        for notice, one in done:
            refused = one.HasField("problem")
            came_to = "refused again" if refused else ", ".join(_outcomes(one))
            table.add_row(notice, came_to, reason_of(one.problem.reason) if refused else "")
        make_console().print(table)


def _conflicts(stub: pb_grpc.ReviewServiceStub, partner: str, limit: int) -> Iterator[pb.Conflict]:
    """The newest claims, as many as the limit says, page by page."""
    request = pb.ListConflictsRequest(partner=partner, page_size=min(limit, _PAGE))
    return islice(listed(stub.ListConflicts, request, timeout_s=_TIMEOUT_S), limit)


def _notices(
    stub: pb_grpc.ReviewServiceStub, platform: str, limit: int, *, include_resolved: bool = False
) -> Iterator[pb.QuarantinedNotice]:
    """The newest notices, as many as the limit says, page by page."""
    request = pb.ListQuarantineRequest(
        platform=platform, include_resolved=include_resolved, page_size=min(limit, _PAGE)
    )
    return islice(listed(stub.ListQuarantine, request, timeout_s=_TIMEOUT_S), limit)


def _suspense_row(one: allocation_pb.Suspense) -> tuple[Value, ...]:
    return (
        one.partner,
        one.project,
        word(allocation_pb.SuspenseReason, one.reason),
        one.count,
        amount_of(one.amount),
        one.amount.currency_code,
    )


def _conflict_row(conflict: pb.Conflict) -> tuple[str, ...]:
    return (
        rfc3339(conflict.received_time),
        conflict.partner,
        conflict.external_id,
        conflict.refund_id,
        _told(conflict.claim),
        _stands(conflict),
        reason_of(conflict.reason),
    )


def _conflict_document(conflict: pb.Conflict) -> dict[str, Any]:
    return {
        "partner": conflict.partner,
        "external_id": conflict.external_id,
        "refund_id": conflict.refund_id,
        "reason": reason_of(conflict.reason),
        "received_time": rfc3339(conflict.received_time),
        "claim": _content_document(conflict.claim),
        "gift": _content_document(conflict.gift) if conflict.HasField("gift") else None,
        "refund": _content_document(conflict.refund) if conflict.HasField("refund") else None,
        "dispute": _content_document(conflict.dispute) if conflict.HasField("dispute") else None,
        "stage": _content_document(conflict.stage) if conflict.HasField("stage") else None,
        "order": _content_document(conflict.order) if conflict.HasField("order") else None,
        "recorded_time": (
            rfc3339(conflict.recorded_time) if conflict.HasField("recorded_time") else None
        ),
        "donor_differs": conflict.donor_differs,
    }


def _content_document(content: pb.ReportedContent) -> dict[str, Any]:
    return {
        "micros": str(content.amount.micros) if content.HasField("amount") else None,
        "currency": content.amount.currency_code,
        "project": content.project,
        "campaign": content.campaign,
        "event_time": rfc3339(content.event_time) if content.HasField("event_time") else None,
        "cumulative": content.cumulative,
        "paid_micros": str(content.paid.micros) if content.HasField("paid") else None,
        "pledge": content.pledge,
        "rail": content.rail,
        "rail_id": content.rail_id,
        "dispute": _dispute(content) or None,
        "stage": _stage(content) or None,
    }


def _notice_row(notice: pb.QuarantinedNotice) -> tuple[Value, ...]:
    return (
        rfc3339(notice.received_time),
        notice.platform,
        reason_of(notice.reason),
        notice.message,
        notice.body_bytes,
        notice.replays,
        "yes" if notice.resolved else "no",
        notice.id,
    )


def _notice_document(notice: pb.QuarantinedNotice) -> dict[str, Any]:
    return {
        "id": notice.id,
        "platform": notice.platform,
        "reason": reason_of(notice.reason),
        "message": notice.message,
        "received_time": rfc3339(notice.received_time),
        "body_bytes": notice.body_bytes,
        "resolved": notice.resolved,
        "replays": notice.replays,
    }


def _replay_document(notice: str, replay: pb.Replay) -> dict[str, Any]:
    refused = replay.HasField("problem")
    return {
        "id": notice,
        "request_id": replay.request_id,
        "replay_time": rfc3339(replay.replay_time),
        "outcomes": _outcomes(replay),
        "reason": reason_of(replay.problem.reason) if refused else None,
        "message": replay.problem.message,
    }


def _told(content: pb.ReportedContent) -> str:
    """A report in a line; a total of refunds is marked so."""
    unit = content.amount.currency_code
    sums = f"{unit} {amount(content.amount.micros, unit)}" if content.HasField("amount") else ""
    words = (
        sums,
        "in all" if content.cumulative else "",
        content.project,
        content.campaign,
        content.pledge,
        _dispute(content),
        _stage(content),
        f"paid on {content.rail} {content.rail_id}" if content.rail else "",
    )
    return " ".join(filter(None, words))


def _dispute(content: pb.ReportedContent) -> str:
    if not content.HasField("dispute"):
        return ""
    return word(intake_pb.DisputeStatus, content.dispute)


def _stage(content: pb.ReportedContent) -> str:
    if not content.HasField("stage"):
        return ""
    return word(intake_pb.DonationState, content.stage)


def _stands(conflict: pb.Conflict) -> str:
    """What the claim contradicts. What is in another currency contradicts its gift."""
    of_gift = conflict.reason == ErrorReason.ERROR_REASON_CURRENCY_MISMATCH
    standing = (
        (conflict.order, conflict.HasField("order")),
        (conflict.refund, conflict.HasField("refund") and not of_gift),
        (conflict.dispute, conflict.HasField("dispute") and not of_gift),
        (conflict.stage, conflict.HasField("stage")),
        (conflict.gift, conflict.HasField("gift")),
    )
    return next((_told(content) for content, is_it in standing if is_it), "")


def _outcomes(replay: pb.Replay) -> list[str]:
    return [word(intake_pb.Outcome, outcome) for outcome in replay.outcomes]
