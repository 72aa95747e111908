"""Totals in every shape that matters: few values in each dimension, so that cells meet often."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from services.gateway.domain import (
    Amount,
    AsOf,
    Cell,
    Changes,
    Posting,
    Purpose,
    Snapshot,
    TotalState,
)
from services.gateway.query import Dimension, Filter, Query

START = datetime(2026, 9, 5, tzinfo=UTC)
NEVER = AsOf(0, None, {})

_campaigns = st.sampled_from(["", "week-2026"])
_projects = st.sampled_from(["", "clean-water", "forest", "libraries"])
_partners = st.sampled_from(["alipay", "tencent", "weibo"])
_hours = st.integers(0, 2).map(lambda hour: START + timedelta(hours=hour))
_states = st.sampled_from([TotalState.CLAIMED, TotalState.REFUNDED, TotalState.SUSPENSE])
_currencies = st.sampled_from(["CNY", "USD"])
_purposes = st.sampled_from(Purpose)

cells = st.builds(Cell, _campaigns, _projects, _partners, _hours, _states, _currencies, _purposes)
amounts = st.builds(Amount, cells, st.integers(-3, 3).map(lambda n: n * 10**15), st.integers(-2, 2))
_watermarks = st.dictionaries(_partners, _hours, max_size=2)


@st.composite
def feeds(draw: st.DrawFn) -> list[Posting]:
    """Postings of one entry to three each, from entry 1 on."""
    changes = draw(st.lists(st.lists(amounts, max_size=6), max_size=12))
    postings: list[Posting] = []
    after = 0
    for made in changes:
        last = after + draw(st.integers(1, 3))
        time = START + timedelta(seconds=last)
        postings.append(Posting(after, last, time, Changes(made), draw(_watermarks)))
        after = last
    return postings


def _some(values: st.SearchStrategy[str]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(values, max_size=2)


filters = st.builds(
    Filter,
    campaigns=_some(_campaigns),
    projects=_some(_projects),
    partners=_some(_partners),
    currencies=_some(_currencies),
    states=st.frozensets(_states, max_size=2),
    purposes=st.frozensets(_purposes, max_size=2),
    start=st.none() | st.just(START + timedelta(hours=1)),
    end=st.none() | st.just(START + timedelta(hours=2)),
)
queries = st.builds(
    Query,
    filters,
    st.lists(st.sampled_from(list(Dimension)), unique=True, max_size=4).map(tuple),
)

Sums = dict[tuple[object, ...], tuple[int, int]]


def summed(changes: Iterable[tuple[Cell, int, int]]) -> dict[Cell, tuple[int, int]]:
    """What changes add up to, cell by cell; cells of nothing included."""
    sums: dict[Cell, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for cell, micros, gifts in changes:
        sums[cell] = (sums[cell][0] + micros, sums[cell][1] + gifts)
    return dict(sums)


def snapshot_of(postings: Sequence[Posting]) -> Snapshot:
    """What the ledger answers after these postings."""
    watermarks: dict[str, datetime] = {}
    for posting in postings:
        for partner, time in posting.watermarks.items():
            watermarks[partner] = max(time, watermarks.get(partner, time))
    last = postings[-1] if postings else None
    as_of = AsOf(last.sequence, last.time, watermarks) if last else NEVER
    sums = summed(change for posting in postings for change in posting.changes)
    return Snapshot(as_of, [Amount(cell, *total) for cell, total in sums.items()])


def _counts(chosen: Filter, cell: Cell) -> bool:
    return (
        (not chosen.campaigns or cell.campaign in chosen.campaigns)
        and (not chosen.projects or cell.project in chosen.projects)
        and (not chosen.partners or cell.partner in chosen.partners)
        and (not chosen.currencies or cell.currency in chosen.currencies)
        and (not chosen.states or cell.state in chosen.states)
        and (not chosen.purposes or cell.purpose in chosen.purposes)
        and (chosen.start is None or cell.hour >= chosen.start)
        and (chosen.end is None or cell.hour < chosen.end)
    )


def naive(postings: Sequence[Posting], query: Query) -> Sums:
    """A query's answer from every change there ever was, the simple way."""
    answer: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0])
    for posting in postings:
        for cell, micros, gifts in posting.changes:
            if _counts(query.filter, cell):
                values = tuple(getattr(cell, d.name.lower()) for d in query.group_by)
                row = answer[cell.state, cell.currency, cell.purpose, *values]
                row[0] += micros
                row[1] += gifts
    return {key: (row[0], row[1]) for key, row in answer.items() if any(row)}
