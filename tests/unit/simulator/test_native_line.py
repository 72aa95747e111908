"""A platform's line against an HTTP server that fails in all the ways that a gateway can."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.cli.simulator import native_line
from services.cli.simulator.native_line import NativeLine
from services.cli.simulator.notice import Notice
from services.cli.simulator.patience import Patience, UnansweredError
from services.cli.simulator.reports import (
    Dispute,
    DisputeStatus,
    Gift,
    Kind,
    Refund,
    Report,
    Subject,
    Way,
)
from services.cli.simulator.tally import Answer, Pace, Tally

MOMENT = datetime(2019, 9, 5, tzinfo=UTC)
GIFT = Gift("alipay", "G1", "water", "c", 1_000_000, MOMENT, "d")
REFUND = Refund(GIFT, "R1", 10_000, 10_000, MOMENT)
DISPUTE = Dispute(GIFT, "dp_1", DisputeStatus.OPENED, 10_000, MOMENT)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Plain:
    """A platform whose notices are its reports' names."""

    partner = "alipay"

    def notice(self, report: Report, now: datetime) -> Notice:
        return Notice({"X-Attempt": "1"}, report.kind.name.encode())

    def acknowledged(self, status: int, body: bytes) -> bool:
        return status == 200 and body == b"success"


def told(subject: Subject, kind: Kind = Kind.FIRST) -> Report:
    return Report(subject, kind, Way.NOTICE)


async def send(handler: Handler, *reports: Report) -> Tally:
    application = web.Application()
    application.router.add_post("/callbacks/alipay", handler)
    tally = Tally("alipay")
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        line = NativeLine(Plain(), str(server.make_url("")).rstrip("/"), session, tally, Pace())
        await line.send(reports)
    return tally


def success(outcomes: str) -> web.Response:
    return web.Response(text="success", headers={"Watersmeet-Outcomes": outcomes})


async def test_a_notice_is_repeated_until_it_is_acknowledged() -> None:
    answers = [
        web.Response(status=503, text='{"reason":"DEPENDENCY_UNAVAILABLE"}'),
        web.Response(status=429),
        web.Response(text="fail"),
        success("ACCEPTED"),
    ]

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = answers.pop(0)
        if answer.text == "fail":
            assert request.transport is not None
            request.transport.abort()
        return answer

    tally = await send(handler, told(GIFT))
    assert answers == []
    assert (tally.reports, tally.retries) == (1, 3)
    assert tally.gifts == {Answer.ACCEPTED: 1}
    assert tally.surprises == []


async def test_every_answer_is_counted() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        match await request.text():
            case "FIRST":
                return success("SUSPENDED")
            case "REPEAT":
                return success("REPLAYED, WAITING")
            case "CONFLICT":
                return success("CONFLICTING")
        return web.Response(status=401, text='{"reason":"SIGNATURE_INVALID"}')

    tally = await send(
        handler,
        told(GIFT),
        told(REFUND, Kind.REPEAT),
        told(replace(GIFT, amount_micros=20_000), Kind.CONFLICT),
        told(GIFT, Kind.FORGED),
        told(GIFT, Kind.PROBE),
    )
    gifts = {Answer.SUSPENDED: 1, Answer.REPLAYED: 1, Answer.CONFLICTING: 1}
    assert tally.gifts == gifts
    assert tally.refunds == {Answer.WAITING: 1}
    assert tally.refunds_known == {"R1"}
    assert (tally.refused, tally.reports, tally.surprises) == (2, 5, [])


async def test_a_dispute_is_told_as_often_as_it_changes_and_is_one() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return success("WAITING")

    won = replace(DISPUTE, status=DisputeStatus.WON)
    tally = await send(handler, told(DISPUTE), told(won), told(won, Kind.REPEAT))
    assert tally.disputes == {Answer.WAITING: 3}
    assert tally.disputes_known == {"dp_1"}
    assert (tally.reports, tally.surprises) == (3, [])


async def test_a_refund_that_a_rail_tells_is_known_by_its_own_partners_name() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return success("ACCEPTED")

    tally = await send(handler, told(replace(REFUND, same_as="R0"), Kind.RAIL))
    assert tally.refunds == {Answer.ACCEPTED: 1}
    assert tally.refunds_known == {"R0"}
    assert tally.surprises == []


@pytest.mark.parametrize(
    ("kind", "answer", "words"),
    [
        (Kind.FIRST, web.Response(status=401, text='{"reason":"SIGNATURE_INVALID"}'), "401 SIGN"),
        (Kind.FIRST, web.Response(status=404, text="no"), "HTTP 404"),
        (Kind.FIRST, success("CONFLICTING"), "FIRST report"),
        (Kind.FIRST, success(""), "answered nothing"),
        (Kind.CONFLICT, success("REPLAYED"), "CONFLICT report"),
        (Kind.FORGED, success("ACCEPTED"), "FORGED notice"),
        (Kind.PROBE, success("ACCEPTED"), "PROBE notice"),
    ],
)
async def test_what_the_plan_does_not_allow_is_a_surprise(
    kind: Kind, answer: web.Response, words: str
) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return answer

    tally = await send(handler, told(GIFT, kind))
    assert tally.surprise_count == 1
    assert words in tally.surprises[0]
    assert tally.reports == 1


async def test_no_partner_tries_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_line, "Patience", lambda: Patience(limit_s=0.2))

    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503, text='{"reason":"DEPENDENCY_UNAVAILABLE"}')

    with pytest.RaisesGroup(pytest.RaisesExc(UnansweredError, match="DEPENDENCY_UNAVAILABLE")):
        await send(handler, told(GIFT))
