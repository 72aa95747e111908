"""Where a total is added up: however the totals came to be, they are the sum of the changes."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import totals as totals_module
from services.gateway import view as view_module
from services.gateway.domain import (
    Amount,
    Cell,
    Changes,
    FeedBroken,
    Posting,
    Purpose,
    Row,
    Snapshot,
    TotalState,
)
from services.gateway.query import Dimension, Filter, Query
from services.gateway.totals import Totals
from services.runtime.errors import Fault, Reason
from tests.unit.gateway.strategies import (
    NEVER,
    START,
    Sums,
    feeds,
    naive,
    queries,
    snapshot_of,
)


def cell(project: str = "clean-water", **other: object) -> Cell:
    plain = Cell("week-2026", project, "alipay", START, TotalState.CLAIMED, "CNY", Purpose.CHARITY)
    return plain._replace(**other)  # type: ignore[arg-type]


def sums(rows: Iterable[Row]) -> Sums:
    return {
        (row.state, row.currency, row.purpose, *row.values): (row.micros, row.gifts) for row in rows
    }


def posting(sequence: int, *changes: Amount) -> Posting:
    return Posting(sequence - 1, sequence, START, Changes(changes), {})


@given(feeds(), st.data())
def test_any_split_of_snapshot_and_feed_gives_the_same_totals(
    feed: list[Posting], data: st.DataObject
) -> None:
    split = data.draw(st.integers(0, len(feed)))
    query = data.draw(queries)
    totals = Totals(snapshot_of(feed[:split]))
    for entry in feed[split:]:
        totals.apply(entry)
    assert totals.as_of == snapshot_of(feed).as_of
    assert sums(totals.view(query).rows()) == naive(feed, query)


@given(feeds(), st.lists(queries, min_size=1, max_size=3), st.data())
def test_views_that_are_kept_up_equal_a_naive_recomputation(
    feed: list[Posting], asked: list[Query], data: st.DataObject
) -> None:
    """Whenever, and however seldom, a view is read."""
    totals = Totals(Snapshot(NEVER, ()))
    for applied, entry in enumerate(feed, start=1):
        totals.apply(entry)
        for query in asked:
            if data.draw(st.booleans()):
                assert sums(totals.view(query).rows()) == naive(feed[:applied], query)
    for query in asked:
        assert sums(totals.view(query).rows()) == naive(feed, query)


@given(feeds(), queries, st.data())
def test_changes_since_any_point_lead_from_there_to_now(
    feed: list[Posting], query: Query, data: st.DataObject
) -> None:
    begin = data.draw(st.integers(0, len(feed)))
    stations = [feed[begin - 1].sequence if begin else 0, *(p.sequence for p in feed[begin:])]
    known_at = data.draw(st.sampled_from(stations))
    totals = Totals(snapshot_of(feed[:begin]))
    copy: Sums = {}
    for entry in [None, *feed[begin:]]:
        if entry is not None:
            totals.apply(entry)
        if totals.as_of.sequence == known_at:
            copy = sums(totals.view(query).rows())
    assert totals.remembers(known_at)
    copy.update(sums(totals.view(query).changed_since(known_at)))
    assert {key: sum_ for key, sum_ in copy.items() if any(sum_)} == naive(feed, query)


def test_rows_come_by_state_currency_purpose_and_then_as_asked() -> None:
    totals = Totals(
        Snapshot(
            NEVER,
            [
                Amount(cell("b", state=TotalState.SUSPENSE), 1, 1),
                Amount(cell("b", partner="weibo"), 2, 1),
                Amount(cell("a", partner="weibo"), 3, 1),
                Amount(cell("b", currency="USD"), 4, 1),
                Amount(cell("a", purpose=Purpose.APPEAL), 6, 1),
                Amount(cell("b"), 5, 1),
            ],
        )
    )
    rows = totals.view(Query(group_by=(Dimension.PARTNER, Dimension.PROJECT))).rows()
    assert [(row.state, row.currency, row.purpose, *row.values, row.micros) for row in rows] == [
        (TotalState.CLAIMED, "CNY", Purpose.CHARITY, "alipay", "b", 5),
        (TotalState.CLAIMED, "CNY", Purpose.CHARITY, "weibo", "a", 3),
        (TotalState.CLAIMED, "CNY", Purpose.CHARITY, "weibo", "b", 2),
        (TotalState.CLAIMED, "CNY", Purpose.APPEAL, "alipay", "a", 6),
        (TotalState.CLAIMED, "USD", Purpose.CHARITY, "alipay", "b", 4),
        (TotalState.SUSPENSE, "CNY", Purpose.CHARITY, "alipay", "b", 1),
    ]


@given(feeds(), queries)
def test_no_row_of_any_answer_adds_up_two_purposes(feed: list[Posting], query: Query) -> None:
    """Without the other purposes' gifts the rows of a purpose would be the same."""
    rows = Totals(snapshot_of(feed)).view(query).rows()
    for purpose in Purpose:
        alone = [
            entry._replace(
                changes=Changes(Amount(*c) for c in entry.changes if c[0].purpose is purpose)
            )
            for entry in feed
        ]
        assert sums(row for row in rows if row.purpose is purpose) == naive(alone, query)


def test_a_row_that_came_to_nothing_is_left_out_and_told_to_watchers() -> None:
    totals = Totals(Snapshot(NEVER, [Amount(cell(), 5, 1)]))
    totals.apply(posting(1, Amount(cell(), -5, -1)))
    view = totals.view(Query())
    assert view.rows() == ()
    assert [(row.micros, row.gifts) for row in view.changed_since(0)] == [(0, 0)]


@pytest.mark.parametrize(("after", "sequence"), [(-1, 0), (0, 1), (0, 2), (1, 1), (2, 3)])
def test_an_entry_that_does_not_follow_is_refused_and_changes_nothing(
    after: int, sequence: int
) -> None:
    totals = Totals(Snapshot(NEVER, ()))
    totals.apply(posting(1, Amount(cell(), 5, 1)))
    before = totals.view(Query()).rows()
    with pytest.raises(FeedBroken):
        totals.apply(Posting(after, sequence, START, Changes([Amount(cell(), 7, 1)]), {}))
    assert totals.as_of.sequence == 1
    assert totals.view(Query()).rows() == before


def test_a_snapshot_that_names_a_cell_twice_is_refused() -> None:
    with pytest.raises(FeedBroken):
        Totals(Snapshot(NEVER, [Amount(cell(), 5, 1), Amount(cell(), 6, 1)]))


def test_watermarks_never_go_back() -> None:
    early, late = datetime(2026, 9, 5, tzinfo=UTC), datetime(2026, 9, 6, tzinfo=UTC)
    totals = Totals(Snapshot(NEVER._replace(watermarks={"weibo": early}), ()))
    totals.apply(Posting(0, 1, START, Changes(), {"alipay": late}))
    totals.apply(Posting(1, 2, START, Changes(), {"alipay": early}))
    assert totals.as_of.watermarks == {"weibo": early, "alipay": late}


def test_what_was_before_the_snapshot_is_not_remembered() -> None:
    totals = Totals(Snapshot(NEVER._replace(sequence=7), ()))
    assert [totals.remembers(sequence) for sequence in (6, 7, 8)] == [False, True, False]


def test_an_answer_of_too_many_rows_is_refused_also_when_it_grew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(view_module, "ROWS_MAX", 2)
    totals = Totals(Snapshot(NEVER, [Amount(cell("a"), 1, 1), Amount(cell("b"), 1, 1)]))
    by_project = Query(group_by=(Dimension.PROJECT,))
    assert len(totals.view(by_project).rows()) == 2
    totals.apply(posting(1, Amount(cell("c"), 1, 1)))
    for _ in range(2):
        with pytest.raises(Fault) as caught:
            totals.view(by_project)
        assert caught.value.reason is Reason.FIELD_INVALID
    assert totals.view(Query()).rows()[0].micros == 3
    narrow = Query(Filter(projects=frozenset({"a", "c"})), (Dimension.PROJECT,))
    assert len(totals.view(narrow).rows()) == 2


def test_memory_stays_bounded_whatever_is_asked_and_posted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(totals_module, "_VIEWS_MAX", 3)
    monkeypatch.setattr(totals_module, "_WEIGHT_MIN", 10)
    totals = Totals(Snapshot(NEVER, [Amount(cell("a"), 1, 1)]))
    asked = [Query(Filter(projects=frozenset({f"p{number}", "a"}))) for number in range(9)]
    for sequence in range(1, 100):
        totals.apply(posting(sequence, Amount(cell("a"), 1, 1)))
        query = asked[sequence % 9]
        assert totals.view(query).rows()[0].micros == sequence + 1
    assert len(totals._views) <= 3
    assert len(totals._postings) <= 10
