"""`watersmeet allocate`: gifts that stand in suspense, given to a project, and that put right."""

import time
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Annotated
from uuid import UUID

import typer
from watersmeet.donations.v1 import allocation_service_pb2 as pb
from watersmeet.donations.v1 import allocation_service_pb2_grpc as pb_grpc

from services.cli.asking import asking
from services.cli.deciding import THIS_PERSON, Person, Request, Yes, confirm, told_request
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading.balances import amount_of
from services.cli.render import with_unit, word
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present
from services.cli.sheets.sheet import Column, Kind, Sheet, Value

# Of all steps; each is some thousandths of a second a hundred gifts.
_TIMEOUT_S = 6 * 3600.0
_TELL_EVERY_S = 2.0
_SOME_LEFT = 1
_NO_ID = str(UUID(int=0))

_OUTCOMES = (Column("outcome"), Column("gifts", Kind.NUMBER))
_GIFTS = (Column("partner"), Column("external_id"), Column("outcome"))

Answer = pb.AllocateDonationsResponse


class Why(Enum):
    """Why gifts stand in suspense."""

    PROJECT_MISSING = "project-missing"
    PROJECT_UNKNOWN = "project-unknown"
    PROJECT_CLOSED = "project-closed"
    CAMPAIGN_UNKNOWN = "campaign-unknown"
    CAMPAIGN_NOT_OPEN = "campaign-not-open"
    CHARITY_NOT_QUALIFIED = "charity-not-qualified"


def _gift(text: str) -> pb.NamedGift:
    partner, slash, external_id = text.partition("/")
    if not (partner and slash and external_id):
        raise typer.BadParameter("a gift is named as PARTNER/ID")
    return pb.NamedGift(partner=partner, external_id=external_id)


def allocate(
    project: Annotated[
        str | None,
        typer.Argument(metavar="PROJECT", help="The code of the project that gets them."),
    ] = None,
    gifts: Annotated[
        list[pb.NamedGift] | None,
        typer.Argument(metavar="[PARTNER/ID]...", parser=_gift, help="These gifts; up to 1,000."),
    ] = None,
    partner: Annotated[
        str | None, typer.Option(metavar="CODE", help="Or all of this partner's of one kind:")
    ] = None,
    named: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="that were reported with this project; '' for none,"),
    ] = None,
    reason: Annotated[
        Why | None, typer.Option(help="and that stand in suspense for this reason.")
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="The named gifts were allocated before, and that was wrong."),
    ] = False,
    allocated_to: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Or all of a --partner's that were allocated to this,"),
    ] = None,
    allocated_by: Annotated[
        UUID | None, typer.Option(metavar="UUID", help="and by this request.")
    ] = None,
    to_suspense: Annotated[
        bool,
        typer.Option(
            "--to-suspense", help="Put allocated gifts back into suspense; without a PROJECT."
        ),
    ] = False,
    without_campaign: Annotated[
        bool,
        typer.Option(
            "--without-campaign",
            help="Also gifts whose campaign is unknown or was not open; they count for none.",
        ),
    ] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only show what would become of them now.")
    ] = False,
    request: Request = None,
    yes: Yes = False,
    person: Person = THIS_PERSON,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """Give gifts in suspense to a project, or put an allocation right, as finance.

    `watersmeet review suspense` lists what stands there. What would be allocated is shown before
    it is. Exit status 0: all of them are where they were to go. 1: some are not, as it says.
    """
    if to_suspense and project is not None:
        # There is no project to name, so this is the first of the gifts.
        gifts, project = [_gift(project), *(gifts or ())], None
    if not to_suspense and project is None:
        raise typer.BadParameter("name the PROJECT that gets them, or say --to-suspense")
    asked = pb.AllocateDonationsRequest(
        request_id=_NO_ID,
        project=project or "",
        without_campaign=without_campaign,
        again=again,
        to_suspense=to_suspense,
    )
    if bool(gifts) == (partner is not None):
        raise typer.BadParameter(
            "name either gifts, or a --partner with --named, --reason or --allocated-to"
        )
    if gifts:
        asked.gifts.gifts.extend(gifts)
    elif allocated_to is not None:
        asked.allocated.partner, asked.allocated.project = partner or "", allocated_to
        if allocated_by is not None:
            asked.allocated.request_id = str(allocated_by)
    else:
        asked.suspended.partner = partner or ""
        if named is not None:
            asked.suspended.project = named
        if reason is not None:
            asked.suspended.reason = pb.SuspenseReason.Value(f"SUSPENSE_REASON_{reason.name}")
    if allocated_to is not None and (gifts or named is not None or reason is not None):
        raise typer.BadParameter("--allocated-to is for all of a --partner's, without other choice")
    if allocated_by is not None and allocated_to is None:
        raise typer.BadParameter("--allocated-by goes with --allocated-to")
    with asking(mesh, "donations", "finance", person) as channel:
        stub = pb_grpc.AllocationServiceStub(channel)
        answer = None
        if preview or not yes:
            asked.validate_only = True
            answer = _last(stub.AllocateDonations(asked, timeout=_TIMEOUT_S))
        if not preview:
            if answer is not None:
                typer.echo(_told(answer, project or ""), err=True)
                # With an id of before there may be nothing left, and still its answer to tell.
                if not _allocated(answer) and request is None:
                    raise typer.Exit(_SOME_LEFT)
            confirm("Put them back?" if to_suspense else "Allocate them?", yes=yes)
            asked.validate_only = False
            asked.request_id = str(told_request(request))
            answer = _last(stub.AllocateDonations(asked, timeout=_TIMEOUT_S))
    assert answer is not None, "one of the two was asked"
    done = "would_be_allocated" if preview else "allocated"
    facts: dict[str, Value] = {
        f"{done}_{money.currency_code}": amount_of(money) for money in answer.allocated
    }
    if not preview:
        facts["request_id"] = asked.request_id
    present(
        _sheet(asked, answer, facts),
        as_json=as_json,
        as_csv=as_csv,
        xlsx=xlsx,
    )
    if any(count.outcome != pb.ALLOCATION_OUTCOME_ALLOCATED for count in answer.counts):
        raise typer.Exit(_SOME_LEFT)


def _last(answers: Iterator[Answer]) -> Answer:
    """The answer when all is done; tells now and then how far that is."""
    told = time.monotonic()
    answer = Answer()
    for answer in answers:
        if not answer.done and time.monotonic() - told > _TELL_EVERY_S:
            told = time.monotonic()
            typer.echo(f"{sum(count.count for count in answer.counts):,} gifts so far", err=True)
    return answer


def _allocated(answer: Answer) -> int:
    return sum(
        count.count for count in answer.counts if count.outcome == pb.ALLOCATION_OUTCOME_ALLOCATED
    )


def _told(answer: Answer, project: str) -> str:
    """What would become of the gifts, in a sentence."""
    of_all = f"{_allocated(answer):,} of {sum(count.count for count in answer.counts):,} gifts"
    sums = ", ".join(map(with_unit, answer.allocated))
    left = [
        f"{count.count:,} {word(pb.AllocationOutcome, count.outcome)}"
        for count in answer.counts
        if count.outcome != pb.ALLOCATION_OUTCOME_ALLOCATED
    ]
    others = f"; the others: {', '.join(left)}" if left else ""
    way = f"be allocated to {project}" if project else "go back into suspense"
    return f"{of_all} can {way}{f', {sums}' if sums else ''}{others}."


def _sheet(asked: pb.AllocateDonationsRequest, answer: Answer, facts: dict[str, Value]) -> Sheet:
    if not answer.outcomes:
        rows: Sequence[Sequence[Value]] = [
            (word(pb.AllocationOutcome, count.outcome), count.count) for count in answer.counts
        ]
        return Sheet("outcomes", _OUTCOMES, rows, facts)
    return Sheet(
        "gifts",
        _GIFTS,
        [
            (gift.partner, gift.external_id, word(pb.AllocationOutcome, outcome))
            for gift, outcome in zip(asked.gifts.gifts, answer.outcomes, strict=True)
        ],
        facts,
    )
