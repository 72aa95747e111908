"""The newest changes in memory: without a gap, bounded, and never another than the books have."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import Cell, Purpose, Sums, TotalsChange, TotalState
from services.ledger.reading.recent import Recent

NOW = datetime(2019, 9, 5, tzinfo=UTC)
CELL = Cell("", "well", "alipay", NOW, TotalState.CLAIMED, "CNY", Purpose.CHARITY)


def change(after: int, entries: int, rows: int = 1, history: str = "") -> TotalsChange:
    """Of entries whose hashes say where they are, and in which history."""
    hashes = (f"{history}{sequence}".encode() for sequence in (after, after + entries))
    sums = {CELL._replace(project=f"p{row}"): Sums(1, 1) for row in range(rows)}
    return TotalsChange(after, after + entries, *hashes, NOW, sums, {})


def spans(recent: Recent, after: int) -> list[tuple[int, int]]:
    return [(one.after, one.sequence) for one in recent.after(after)]


def test_what_was_added_is_there_from_any_change_on() -> None:
    recent = Recent()
    assert spans(recent, 0) == []
    recent.add(change(3, 2))
    recent.add(change(5, 1))
    assert spans(recent, 3) == [(3, 5), (5, 6)]
    assert spans(recent, 5) == [(5, 6)]
    assert spans(recent, 6) == spans(recent, 99) == []


def test_what_is_not_there_is_not_guessed() -> None:
    recent = Recent()
    recent.add(change(3, 2))
    assert spans(recent, 2) == []  # 3 would be next
    assert spans(recent, 4) == []  # in the middle of a change
    recent.add(change(8, 1))
    assert spans(recent, 3) == spans(recent, 5) == []
    assert spans(recent, 8) == [(8, 9)]


def test_what_follows_on_other_entries_goes_on_from_there() -> None:
    """A database that took over may lack the last entries, and others have their numbers by now."""
    recent = Recent()
    recent.add(change(3, 2))
    recent.add(change(5, 1, history="other "))
    assert spans(recent, 3) == []
    assert spans(recent, 5) == [(5, 6)]


def test_it_says_from_where_on_it_goes_on() -> None:
    recent = Recent()
    assert recent.begins_behind(0) is None
    recent.add(change(3, 2))
    recent.add(change(5, 1))
    assert [recent.begins_behind(sequence) for sequence in range(7)] == [3, 3, 3, 5, 5, None, None]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3), st.booleans()), max_size=40),
    st.integers(4, 20),
)
def test_it_is_bounded_and_has_no_gap(added: list[tuple[int, int, bool]], weight_max: int) -> None:
    recent = Recent(weight_max)
    last = 0
    for entries, rows, has_gap in added:
        last += has_gap
        recent.add(change(last, entries, rows))
        last += entries
        begins = recent.begins_behind(-1)
        held = [] if begins is None else recent.after(begins)
        assert [one.after for one in held[1:]] == [one.sequence for one in held[:-1]]
        assert not held or held[-1].sequence == last
        assert sum(1 + len(one.sums) for one in held) <= weight_max
