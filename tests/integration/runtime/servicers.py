"""Servicers for tests to override one method of."""

import asyncio
from typing import Any

from watersmeet.donations.v1 import donation_intake_service_pb2_grpc as intake_grpc
from watersmeet.gateway.v1 import totals_service_pb2 as totals_pb
from watersmeet.gateway.v1 import totals_service_pb2_grpc as totals_grpc


class IdleIntake(intake_grpc.DonationIntakeServiceServicer):
    """Expects no call."""

    async def RecordDonation(self, request: Any, context: Any) -> Any:
        raise AssertionError

    def StreamDonations(self, request_iterator: Any, context: Any) -> Any:
        raise AssertionError

    async def AcceptNotification(self, request: Any, context: Any) -> Any:
        raise AssertionError

    async def RecordRefund(self, request: Any, context: Any) -> Any:
        raise AssertionError

    async def GetDonation(self, request: Any, context: Any) -> Any:
        raise AssertionError

    async def ListDonations(self, request: Any, context: Any) -> Any:
        raise AssertionError


class IdleTotals(totals_grpc.TotalsServiceServicer):
    """Expects no call."""

    async def GetTotals(self, request: Any, context: Any) -> Any:
        raise AssertionError

    def WatchTotals(self, request: Any, context: Any) -> Any:
        raise AssertionError


class Totals(IdleTotals):
    """GetTotals does what outcome says; WatchTotals sends three messages and then does it."""

    def __init__(self, outcome: BaseException | float | None = None) -> None:
        """outcome: an error to raise, or for how many seconds to sleep."""
        self.outcome = outcome
        self.closed = asyncio.Event()

    async def GetTotals(self, request: Any, context: Any) -> Any:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        if isinstance(self.outcome, float):
            await asyncio.sleep(self.outcome)
        return totals_pb.GetTotalsResponse()

    async def WatchTotals(self, request: Any, context: Any) -> Any:
        try:
            for number in range(3):
                yield totals_pb.WatchTotalsResponse(cursor=str(number))
            if isinstance(self.outcome, BaseException):
                raise self.outcome
            if isinstance(self.outcome, float):
                await asyncio.sleep(self.outcome)
        finally:
            self.closed.set()
