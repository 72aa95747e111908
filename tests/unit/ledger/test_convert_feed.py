"""Changes of the totals on the wire: as few messages as hold them, and none lost."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watersmeet.ledger.v1 import feed_service_pb2 as pb

from services.ledger.domain import NO_HASH, Cell, Purpose, Sums, TotalsChange, TotalState
from services.ledger.wire import convert_feed
from services.ledger.wire.convert_feed import NUMBERED_CELLS_MAX, Telling, numbered_cells_of
from services.runtime.errors import Fault, Reason

NOW = datetime(2019, 9, 5, tzinfo=UTC)


def change(after: int, sequence: int, rows: int) -> TotalsChange:
    return TotalsChange(
        after,
        sequence,
        NO_HASH,
        NO_HASH,
        NOW,
        {
            Cell("", f"p{n}", "alipay", NOW, TotalState.CLAIMED, "CNY", Purpose.CHARITY): Sums(
                sequence, n
            )
            for n in range(rows)
        },
        {"alipay": NOW},
    )


def cells_in(part: pb.TotalsChange) -> int:
    return len(part.cells) + len(part.numbers)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(0, 10))
def test_every_cell_is_in_one_message(sizes: list[int], numbered_cells: int) -> None:
    changes = [change(at, at + 1, rows) for at, rows in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert_feed, "CELLS_A_MESSAGE", 4)
        responses = list(Telling(numbered_cells).responses(changes))
    parts = [part for response in responses for part in response.changes]
    assert not parts[-1].is_continued
    assert [part.as_of_sequence for part in parts if not part.is_continued] == [
        change.sequence for change in changes
    ]
    told: dict[int, list[int]] = {}
    for part in parts:
        assert (part.after_sequence, part.as_of_sequence - 1) == (part.after_sequence,) * 2
        counts = [*part.counts, *(cell.count for cell in part.cells)]
        told.setdefault(part.as_of_sequence, []).extend(sorted(counts))
    assert told == {at: list(range(rows)) for at, rows in enumerate(sizes, start=1)}
    cells = [sum(map(cells_in, response.changes)) for response in responses]
    assert max(cells) <= 4
    # No two neighbours would have fitted into one message.
    for number, (_, following) in enumerate(pairwise(responses)):
        assert cells[number] + cells_in(following.changes[0]) > 4


def test_a_cell_is_named_once_while_its_number_is_kept() -> None:
    changes = [change(at, at + 1, rows) for at, rows in enumerate((2, 3, 4, 4, 3))]
    (response,) = Telling(3).responses(changes)
    assert [
        ([cell.project for cell in part.cells], list(part.numbers)) for part in response.changes
    ] == [
        (["p0", "p1"], []),
        (["p2"], [0, 1]),
        (["p3"], [0, 1, 2]),  # which gives up what was numbered before
        (["p0", "p1", "p2"], [0]),  # and so does p2
        (["p0", "p1"], [0]),
    ]


def test_without_numbers_every_cell_is_named_each_time() -> None:
    (response,) = Telling(0).responses([change(0, 1, 2), change(1, 2, 2)])
    assert [[cell.project for cell in part.cells] for part in response.changes] == [
        ["p0", "p1"],
        ["p0", "p1"],
    ]
    assert not any(part.numbers for part in response.changes)


def test_no_reader_keeps_more_than_the_ledger_does() -> None:
    asked = pb.StreamTotalsRequest(numbered_cells=NUMBERED_CELLS_MAX)
    assert numbered_cells_of(asked) == NUMBERED_CELLS_MAX
    with pytest.raises(Fault) as caught:
        numbered_cells_of(pb.StreamTotalsRequest(numbered_cells=NUMBERED_CELLS_MAX + 1))
    assert caught.value.reason is Reason.FIELD_INVALID
    assert caught.value.metadata["field"] == "numbered_cells"
