"""What an audit found before a stream was lost is told, and no lost stream is in order."""

from collections.abc import AsyncIterator

from services.ledger.audit.positions import CheckedGifts, check_positions
from services.ledger.audit.records import CheckedRecords, check_records
from services.runtime.errors import Fault, Reason

AWAY = Fault(Reason.DEPENDENCY_UNAVAILABLE, "the service cannot be reached")


async def test_positions_found_before_the_fault_are_told() -> None:
    async def stream() -> AsyncIterator[CheckedGifts]:
        yield CheckedGifts(7, ["gift a differs"])
        raise AWAY

    check = await check_positions(stream)
    assert not check.ok
    assert check.covered == 7
    assert check.detail == (
        "could not be made to the end: DEPENDENCY_UNAVAILABLE: the service cannot be reached; "
        "until then: gift a differs"
    )


async def test_a_fault_alone_is_a_finding() -> None:
    async def stream() -> AsyncIterator[CheckedRecords]:
        yield CheckedRecords(3, 0, [])
        raise AWAY

    check = await check_records(stream)
    assert not check.ok
    assert check.covered == 3
    assert check.detail.endswith("DEPENDENCY_UNAVAILABLE: the service cannot be reached")
