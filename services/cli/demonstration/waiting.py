"""Waiting until every gift has gone its whole way."""

import asyncio
import time

import grpc

from services.cli.demonstration.books import Books, GatewayTotals, LedgerBalances
from services.cli.simulator.expectation import Expectation

_POLL_S = 0.1
_TIMEOUT_S = 60.0
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


async def wait_until_posted(
    books: Books, expected: Expectation, timeout_s: float = _TIMEOUT_S
) -> tuple[GatewayTotals, LedgerBalances]:
    """Polls until the gateway says what is expected and every batch has its ledger entry.

    Returns what the books say then, or when the time is up: whether that is right is not decided
    here. Raises AioRpcError if a service cannot be asked at the end of the time.
    """
    give_up = time.monotonic() + timeout_s
    while True:
        late = time.monotonic() > give_up
        try:
            gateway, ledger = await books.gateway_totals(), await books.ledger_balances()
            if late or (
                gateway.micros == expected.micros
                and gateway.sequence == ledger.sequence
                and await books.everything_is_posted()
            ):
                return gateway, ledger
        except grpc.aio.AioRpcError as error:
            if late or error.code() not in _AWAY:
                raise
        await asyncio.sleep(_POLL_S)
