"""What the ledger tells a follower of its totals is what the gateway counts, however it is told."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watersmeet.ledger.v1 import feed_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.type.v1.purpose_pb2 import PURPOSE_CHARITY

from services.gateway.domain import AsOf, FeedBroken, Posting, Snapshot
from services.gateway.query import Dimension, Query
from services.gateway.totals import Totals
from services.gateway.wire.convert_feed import Listening
from services.ledger.domain import Cell, Purpose, Sums, TotalsChange, TotalState
from services.ledger.wire import convert_feed
from services.ledger.wire.convert_feed import Telling

START = datetime(2019, 9, 5, tzinfo=UTC)
EVERYTHING = Query(group_by=tuple(Dimension))

A_CELL = ledger_pb.TotalCell(state=ledger_pb.TOTAL_STATE_CLAIMED, purpose=PURPOSE_CHARITY)

_Told = dict[tuple[object, ...], tuple[int, int]]

cells = st.builds(
    Cell,
    st.sampled_from(["", "week"]),
    st.sampled_from(["well", "road", "hut"]),
    st.just("alipay"),
    st.sampled_from([START, START + timedelta(hours=1)]),
    st.sampled_from([TotalState.CLAIMED, TotalState.REFUNDED]),
    st.sampled_from(["CNY", "USD"]),
    st.sampled_from(Purpose),
)
sums = st.builds(Sums, st.integers(-(10**18), 10**18), st.integers(-3, 3))


@st.composite
def histories(draw: st.DrawFn) -> list[TotalsChange]:
    """Changes of one to three entries each, from the first on."""
    changes: list[TotalsChange] = []
    after = 0
    for added in draw(st.lists(st.dictionaries(cells, sums, max_size=7), max_size=8)):
        last = after + draw(st.integers(1, 3))
        time = START + timedelta(seconds=last)
        changes.append(TotalsChange(after, last, _hash(after), _hash(last), time, added, {}))
        after = last
    return changes


def _hash(sequence: int) -> bytes:
    return sequence.to_bytes(32, "big")


def told(changes: Sequence[TotalsChange]) -> _Told:
    """What changes add up to; cells of nothing left out."""
    summed: _Told = {}
    for change in changes:
        for cell, (micros, tally) in change.sums.items():
            before = summed.get(tuple(cell), (0, 0))
            summed[tuple(cell)] = (before[0] + micros, before[1] + tally)
    return {cell: both for cell, both in summed.items() if any(both)}


def counted(totals: Totals) -> _Told:
    """The same of what the gateway would answer."""
    rows = totals.view(EVERYTHING).rows()
    return {
        (*row.values, row.state, row.currency, row.purpose): (row.micros, row.gifts) for row in rows
    }


@given(histories(), st.integers(0, 9), st.integers(1, 4), st.data())
def test_the_gateway_counts_what_the_ledger_tells(
    history: list[TotalsChange], numbered_cells: int, cells_a_message: int, data: st.DataObject
) -> None:
    """Few numbers, so that they are given up; small messages, so that changes go on in the next;
    whatever comes together; and a gateway of which the ledger knows no numbers.
    """
    telling, listening = Telling(numbered_cells), Listening(numbered_cells or 5)
    totals = Totals(Snapshot(AsOf(0, None, {}, _hash(0)), ()))
    told_until = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert_feed, "CELLS_A_MESSAGE", cells_a_message)
        while told_until < len(history):
            end = data.draw(st.integers(told_until + 1, len(history)))
            for response in telling.responses(history[told_until:end]):
                for change in pb.StreamTotalsResponse.FromString(
                    response.SerializeToString()
                ).changes:
                    posting = listening.posting_of(change)
                    if posting is not None:
                        totals.apply(posting)
            told_until = end
            last = history[end - 1]
            assert totals.as_of == AsOf(last.sequence, last.time, {}, last.hash)
            assert counted(totals) == told(history[:end])


def test_a_number_that_was_not_given_is_refused() -> None:
    listening = Listening(3)
    named = pb.TotalsChange(cells=[A_CELL, A_CELL])
    assert isinstance(listening.posting_of(named), Posting)
    known = pb.TotalsChange(numbers=[1], micros=[1], counts=[1])
    assert isinstance(listening.posting_of(known), Posting)
    with pytest.raises(FeedBroken):
        listening.posting_of(pb.TotalsChange(numbers=[2], micros=[1], counts=[1]))


@pytest.mark.parametrize(("micros", "counts"), [([1, 2], [1]), ([1], [1, 2]), ([1], []), ([], [])])
def test_columns_of_different_lengths_are_refused(micros: list[int], counts: list[int]) -> None:
    listening = Listening(3)
    listening.posting_of(pb.TotalsChange(cells=[A_CELL]))
    with pytest.raises(FeedBroken):
        listening.posting_of(pb.TotalsChange(numbers=[0], micros=micros, counts=counts))
