"""The newest entries in memory: without a gap, bounded, and never another than the books have."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import Dates, Entry
from services.ledger.reading.recent import Recent
from tests.unit.ledger.drafts import draft, gift

NOW = datetime(2019, 9, 5, tzinfo=UTC)
DATES = Dates(NOW.date(), NOW.date())


def entry(sequence: int, transfers: int = 1) -> Entry:
    drafted = draft(*(gift() for _ in range(transfers)))
    return Entry(sequence, NOW, drafted, b"", b"", b"", 2, DATES)


def sequences(recent: Recent, after: int, limit: int = 100) -> list[int]:
    return [one.sequence for one in recent.after(after, limit)]


def test_what_was_added_is_there_from_any_place_on() -> None:
    recent = Recent()
    assert sequences(recent, 0) == []
    recent.add([entry(4), entry(5)])
    recent.add([])
    recent.add([entry(6)])
    assert sequences(recent, 3) == [4, 5, 6]
    assert sequences(recent, 3, limit=2) == [4, 5]
    assert sequences(recent, 5) == [6]
    assert sequences(recent, 6) == sequences(recent, 99) == []


def test_what_is_not_there_is_not_guessed() -> None:
    recent = Recent()
    recent.add([entry(4), entry(5)])
    assert sequences(recent, 2) == []  # 3 would be next
    recent.add([entry(9)])
    assert sequences(recent, 3) == sequences(recent, 5) == []
    assert sequences(recent, 8) == [9]


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=40), st.integers(4, 20))
def test_it_is_bounded_and_has_no_gap(added: list[tuple[int, bool]], transfers_max: int) -> None:
    recent = Recent(transfers_max)
    last = 0
    for count, has_gap in added:
        last += has_gap
        recent.add([entry(last + number, number % 3 + 1) for number in range(1, count + 1)])
        last += count
        held = [one for after in range(last + 1) for one in recent.after(after, 1)]
        assert [one.sequence for one in held] == list(range(last - len(held) + 1, last + 1)) or (
            not count
        )
        assert sum(len(one.draft.transfers) for one in held) <= transfers_max + 12
