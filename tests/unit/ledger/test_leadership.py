"""Who writes: taken, kept, lost and given up, with a lease that the test holds."""

import asyncio
from uuid import UUID

import pytest

from services.ledger.posting.leadership import Leadership
from services.runtime.database import OutcomeUnknown
from services.runtime.errors import Fault, Reason

LEASE_S = 3.0


class Lease:
    """The lease as its store has it, without a database. away: every question fails."""

    def __init__(self) -> None:
        self.holder: UUID | None = None
        self.term = 0
        self.away = False

    async def take(self, holder: UUID, seconds: float) -> int | None:
        self._ask(seconds)
        if self.holder is not None:
            return None
        self.holder = holder
        self.term += 1
        return self.term

    async def renew(self, holder: UUID, seconds: float) -> bool:
        self._ask(seconds)
        return self.holder == holder

    async def release(self, holder: UUID) -> None:
        self._ask(LEASE_S)
        if self.holder == holder:
            self.holder = None

    def _ask(self, seconds: float) -> None:
        assert seconds == LEASE_S
        if self.away:
            raise OutcomeUnknown("the database is away")


class Candidate:
    """A ledger that would write. time: its own clock, in seconds."""

    def __init__(self, lease: Lease) -> None:
        self.time = 100.0
        self.told: list[bool] = []
        self.was_told = asyncio.Event()
        self.leadership = Leadership(
            lease, lease_s=LEASE_S, changed=self._changed, now=lambda: self.time
        )

    async def _changed(self, writes: bool) -> None:
        self.told.append(writes)
        self.was_told.set()


@pytest.fixture
def lease() -> Lease:
    return Lease()


async def test_the_first_writes_and_the_second_stands_by(lease: Lease) -> None:
    one, two = Candidate(lease), Candidate(lease)
    await one.leadership.look()
    await two.leadership.look()
    assert one.leadership.require_term() == 1
    assert (one.told, two.told) == ([True], [])
    with pytest.raises(Fault) as caught:
        two.leadership.require_term()
    assert caught.value.reason is Reason.LEDGER_STANDBY
    assert caught.value.retry_after


async def test_looking_from_two_sides_at_once_takes_one_term(lease: Lease) -> None:
    one = Candidate(lease)
    await asyncio.gather(one.leadership.look(), one.leadership.look())
    assert (one.leadership.term, lease.term, one.told) == (1, 1, [True])


async def test_without_a_look_the_right_ends_with_the_lease(lease: Lease) -> None:
    one = Candidate(lease)
    await one.leadership.look()
    one.time += LEASE_S - 0.01
    assert one.leadership.term == 1
    one.time += 0.02
    assert one.leadership.term is None
    await one.leadership.look()  # nobody took it meanwhile, so it is the same term
    assert one.leadership.term == 1


async def test_a_lost_lease_is_noticed_and_taken_again_as_another_term(lease: Lease) -> None:
    one, two = Candidate(lease), Candidate(lease)
    await one.leadership.look()
    lease.holder = None  # it lapsed
    await two.leadership.look()
    await one.leadership.look()
    assert (one.leadership.term, two.leadership.term) == (None, 2)
    assert one.told == [True, False]
    lease.holder = None
    await one.leadership.look()
    assert one.leadership.term == 3


async def test_while_the_database_is_away_the_right_lapses(lease: Lease) -> None:
    one = Candidate(lease)
    await one.leadership.look()
    lease.away = True
    one.time += LEASE_S / 2
    await one.leadership.look()
    assert one.leadership.term == 1
    one.time += LEASE_S
    await one.leadership.look()
    assert one.leadership.term is None
    assert one.told == [True, False]


async def test_a_defect_is_not_taken_for_an_outage(
    lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(holder: UUID, seconds: float) -> int | None:
        raise ZeroDivisionError

    monkeypatch.setattr(lease, "take", broken)
    with pytest.raises(ZeroDivisionError):
        await Candidate(lease).leadership.look()


@pytest.mark.parametrize("away", [False, True])
async def test_whoever_stops_gives_the_lease_up_if_that_is_possible(
    lease: Lease, away: bool
) -> None:
    one = Candidate(lease)
    running = asyncio.create_task(one.leadership.run())
    await one.was_told.wait()
    lease.away = away
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    assert (lease.holder is None) is not away
    assert one.told == [True, False]
    assert one.leadership.term is None
