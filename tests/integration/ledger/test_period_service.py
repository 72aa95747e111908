"""PeriodService over mutual TLS."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from watersmeet.errors.v1 import errors_pb2
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.ledger.v1 import period_service_pb2 as pb
from watersmeet.ledger.v1 import period_service_pb2_grpc as pb_grpc

from services.ledger.wire.convert import stamp_of
from services.runtime.errors import Reason
from tests.integration.ledger.conftest import Connect
from tests.integration.ledger.messages import draft, fault_of, posting, transfer
from tests.unit.ledger.drafts import NOON, new_id

AUGUST = datetime(2019, 8, 20, 12, tzinfo=UTC)

BEGIN, CLOSE = pb.PERIOD_ACTION_BEGIN_CLOSING, pb.PERIOD_ACTION_CLOSE
PROPOSE, APPROVE = pb.PERIOD_ACTION_PROPOSE_REOPENING, pb.PERIOD_ACTION_APPROVE_REOPENING


def decision(action: int, **fields: Any) -> pb.DecidePeriodRequest:
    return pb.DecidePeriodRequest(
        **{
            "request_id": str(uuid4()),
            "period": "2019-08",
            "action": action,
            "value_time": stamp_of(NOON),
            **fields,
        }
    )


def counted(*hours: datetime) -> ledger_pb.EntryDraft:
    """What intake counted in August, of gifts of these hours."""
    batch_id = str(new_id())
    return draft(
        *(transfer(hour) for hour in hours),
        entry_id=batch_id,
        cause=ledger_pb.Cause(kind=ledger_pb.CAUSE_KIND_INTAKE_BATCH, id=batch_id),
        value_time=stamp_of(AUGUST),
    )


@pytest.fixture
def periods(connect: Connect) -> Any:
    """A stub with which anna of finance calls."""
    return pb_grpc.PeriodServiceStub(connect("finance", "anna"))


async def state(periods: Any, name: str = "2019-08") -> int:
    return int((await periods.GetPeriod(pb.GetPeriodRequest(period=name))).period.state)


async def test_a_period_closes_in_two_steps(ledger: Any, periods: Any) -> None:
    assert await state(periods) == pb.PERIOD_STATE_OPEN
    begin = decision(BEGIN, document="month-end")
    answer = await periods.DecidePeriod(begin)
    assert answer == pb.DecidePeriodResponse(
        period=pb.Period(name="2019-08", state=pb.PERIOD_STATE_CLOSING), sequence=1
    )
    assert (await periods.DecidePeriod(begin)).replayed
    await periods.DecidePeriod(decision(CLOSE))
    assert await state(periods) == pb.PERIOD_STATE_CLOSED
    (result,) = (await ledger.PostEntries(posting(draft(value_time=stamp_of(AUGUST))))).results
    assert result.problem.reason == errors_pb2.ERROR_REASON_PERIOD_CLOSED
    assert result.problem.metadata["value_date"] == "2019-08-20"
    entry = (await ledger.GetEntry(ledger_pb.GetEntryRequest(sequence=1))).entry
    assert dict(entry.metadata) == {
        "by": "finance/anna",
        "document": "month-end",
        "period/action": "BEGIN_CLOSING",
    }


async def test_two_people_open_it_again(ledger: Any, periods: Any, connect: Connect) -> None:
    for action in (BEGIN, CLOSE, PROPOSE):
        await periods.DecidePeriod(decision(action))
    closed = (await periods.GetPeriod(pb.GetPeriodRequest(period="2019-08"))).period
    assert closed == pb.Period(
        name="2019-08",
        state=pb.PERIOD_STATE_CLOSED,
        reopening_proposed_by="finance/anna",
        reopening_sequence=3,
    )
    # Another name in the request or another connection makes no second person.
    for stub in (periods, pb_grpc.PeriodServiceStub(connect("finance", "anna"))):
        fault = await fault_of(stub.DecidePeriod(decision(APPROVE)))
        assert fault.reason is Reason.SECOND_PERSON_REQUIRED
    bo: Any = pb_grpc.PeriodServiceStub(connect("finance", "bo"))
    assert (await bo.DecidePeriod(decision(APPROVE))).period == pb.Period(
        name="2019-08", state=pb.PERIOD_STATE_OPEN
    )
    (result,) = (await ledger.PostEntries(posting(draft(value_time=stamp_of(AUGUST))))).results
    assert result.sequence == 5


async def test_late_gifts_are_counted_and_listed(
    ledger: Any, periods: Any, connect: Connect
) -> None:
    await periods.DecidePeriod(decision(BEGIN))
    await periods.DecidePeriod(decision(CLOSE))
    intake: Any = type(ledger)(connect("service", "donations"))
    early = datetime(2019, 8, 1, 12, tzinfo=UTC)
    (result,) = (await intake.PostEntries(posting(counted(AUGUST, NOON, early)))).results
    entry = (await ledger.GetEntry(ledger_pb.GetEntryRequest(sequence=result.sequence))).entry
    assert (entry.value_date, entry.book_date) == ("2019-08-20", "2019-09-05")
    found: list[pb.LateArrival] = []
    request = pb.ListLateArrivalsRequest(period="2019-08", page_size=1)
    while True:
        page = await periods.ListLateArrivals(request)
        found += page.arrivals
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert found == [
        pb.LateArrival(
            name=ledger_pb.TransferName(sequence=3, position=position),
            value_date=day,
            book_date="2019-09-05",
            recorded_time=stamp_of(NOON),
            transfer=transfer(hour),
        )
        for day, position, hour in (("2019-08-01", 2, early), ("2019-08-20", 0, AUGUST))
    ]
    everything = await periods.ListLateArrivals(pb.ListLateArrivalsRequest())
    assert list(everything.arrivals) == found
    july = await periods.ListLateArrivals(pb.ListLateArrivalsRequest(period="2019-07"))
    assert not july.arrivals


async def test_periods_are_listed_by_page(periods: Any) -> None:
    names = ["2019-06", "2019-08", "2019-08-20"]
    for name in reversed(names):
        await periods.DecidePeriod(decision(BEGIN, period=name))
    await periods.DecidePeriod(decision(BEGIN, period="2019-05"))
    await periods.DecidePeriod(decision(pb.PERIOD_ACTION_CANCEL_CLOSING, period="2019-05"))
    found = []
    request = pb.ListPeriodsRequest(page_size=2)
    while True:
        page = await periods.ListPeriods(request)
        found += [period.name for period in page.periods]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert found == names


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"action": 0}, Reason.FIELD_REQUIRED),
        ({"action": 9}, Reason.FIELD_INVALID),
        ({"action": CLOSE}, Reason.PERIOD_STATE_CONFLICT),
        ({"period": "2019-09"}, Reason.PERIOD_NOT_OVER),
        ({"period": ""}, Reason.FIELD_INVALID),
        ({"value_time": None}, Reason.FIELD_REQUIRED),
        ({"document": "x" * 257}, Reason.FIELD_INVALID),
        ({"request_id": "7"}, Reason.REQUEST_ID_INVALID),
    ],
)
async def test_decisions_that_are_none(
    periods: Any, fields: dict[str, Any], reason: Reason
) -> None:
    assert (
        await fault_of(periods.DecidePeriod(decision(**{"action": BEGIN, **fields})))
    ).reason is reason
    assert await state(periods) == pb.PERIOD_STATE_OPEN


async def test_only_finance_decides(connect: Connect) -> None:
    for role, who in (("operator", "local"), ("service", "donations"), ("partner", "alipay")):
        stub: Any = pb_grpc.PeriodServiceStub(connect(role, who))
        fault = await fault_of(stub.DecidePeriod(decision(BEGIN)))
        assert fault.reason is Reason.PERMISSION_DENIED


async def test_periods_of_a_campaigns_time_zone(periods: Any, ledger: Any, intake: Any) -> None:
    london = "2019-08@Europe/London"
    for action in (BEGIN, CLOSE):
        decided = await periods.DecidePeriod(decision(action, period=london))
    assert (decided.period.name, decided.period.time_zone) == (london, "Europe/London")
    assert decided.period.state == pb.PERIOD_STATE_CLOSED
    own = await periods.GetPeriod(pb.GetPeriodRequest(period="2019-08"))
    assert (own.period.state, own.period.time_zone) == (pb.PERIOD_STATE_OPEN, "")
    listed = await periods.ListPeriods(pb.ListPeriodsRequest())
    assert [period.name for period in listed.periods] == [london]
    entry = (await ledger.GetEntry(ledger_pb.GetEntryRequest(sequence=2))).entry
    assert entry.cause.id == london

    there, here = counted(AUGUST), counted(AUGUST)
    there.metadata["time_zone"] = "Europe/London"
    answer = await intake.PostEntries(posting(there, here))
    entries = [
        (await ledger.GetEntry(ledger_pb.GetEntryRequest(sequence=result.sequence))).entry
        for result in answer.results
    ]
    assert [(entry.value_date, entry.book_date) for entry in entries] == [
        ("2019-08-20", "2019-09-05"),
        ("2019-08-20", "2019-08-20"),
    ]
    for period, found in (("", 1), (london, 1), ("2019-08", 0), ("2019-08@America/New_York", 0)):
        late = await periods.ListLateArrivals(pb.ListLateArrivalsRequest(period=period))
        assert [arrival.time_zone for arrival in late.arrivals] == ["Europe/London"] * found


async def test_a_calendar_that_there_is_not(periods: Any, intake: Any) -> None:
    fault = await fault_of(periods.DecidePeriod(decision(BEGIN, period="2019-08@Mars/Base")))
    assert (fault.reason, fault.metadata["field"]) == (Reason.FIELD_INVALID, "period")
    nowhere = draft(metadata={"time_zone": "Mars/Base"})
    answer = await intake.PostEntries(posting(nowhere))
    assert answer.results[0].problem.reason == errors_pb2.ERROR_REASON_FIELD_INVALID
