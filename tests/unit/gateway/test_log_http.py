"""Which of several ledgers the log is read from."""

from typing import Any

import grpc
import pytest
from aiohttp.test_utils import make_mocked_request
from grpc.aio import AioRpcError, Metadata
from watersmeet.ledger.v1 import log_service_pb2 as pb

from services.gateway.http.exchange import REQUEST_ID
from services.gateway.http.log_http import LogOverHttp
from services.runtime.errors import Fault, Reason


class FakeLog:
    """A ledger's log that is there, or not."""

    def __init__(self, *, is_away: bool) -> None:
        self.is_away = is_away
        self.asked = 0

    async def ListLogKeys(self, request: object, **_: Any) -> pb.ListLogKeysResponse:
        self.asked += 1
        if self.is_away:
            raise AioRpcError(grpc.StatusCode.DEADLINE_EXCEEDED, Metadata(), Metadata(), "late")
        return pb.ListLogKeysResponse(verifier_keys=["a+1+b"])


async def ask(log: LogOverHttp) -> str:
    request = make_mocked_request("GET", "/v1/log/keys")
    request[REQUEST_ID] = "x"
    return (await log.keys(request)).text or ""


async def test_a_ledger_that_does_not_answer_is_waited_for_once() -> None:
    gone, there = FakeLog(is_away=True), FakeLog(is_away=False)
    log = LogOverHttp([gone, there])  # type: ignore[list-item]  # what is asked of them
    for _ in range(3):
        assert await ask(log) == "a+1+b\n"
    assert (gone.asked, there.asked) == (1, 3)
    gone.is_away, there.is_away = False, True
    assert await ask(log) == "a+1+b\n"


async def test_each_is_asked_before_it_is_said_that_none_answers() -> None:
    ledgers = [FakeLog(is_away=True), FakeLog(is_away=True)]
    with pytest.raises(Fault) as caught:
        await ask(LogOverHttp(ledgers))  # type: ignore[arg-type]  # what is asked of them
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    assert [ledger.asked for ledger in ledgers] == [1, 1]
