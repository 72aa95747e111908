"""Changes of the totals on the wire: as few messages as hold them, and none lost."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import NO_HASH, Cell, Purpose, Sums, TotalsChange, TotalsRow, TotalState
from services.ledger.wire import convert_feed
from services.ledger.wire.convert_feed import change_responses

NOW = datetime(2019, 9, 5, tzinfo=UTC)


def change(after: int, sequence: int, rows: int) -> TotalsChange:
    return TotalsChange(
        after,
        sequence,
        NO_HASH,
        NO_HASH,
        NOW,
        [
            TotalsRow(
                Cell("", f"p{n}", "alipay", NOW, TotalState.CLAIMED, "CNY", Purpose.CHARITY),
                Sums(sequence, n),
            )
            for n in range(rows)
        ],
        {"alipay": NOW},
    )


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_every_cell_is_in_one_message(sizes: list[int]) -> None:
    changes = [change(at, at + 1, rows) for at, rows in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert_feed, "CELLS_A_MESSAGE", 4)
        responses = list(change_responses(changes))
    parts = [part for response in responses for part in response.changes]
    assert not parts[-1].is_continued
    assert [part.as_of_sequence for part in parts if not part.is_continued] == [
        change.sequence for change in changes
    ]
    told: dict[int, list[int]] = {}
    for part in parts:
        assert (part.after_sequence, part.as_of_sequence - 1) == (part.after_sequence,) * 2
        told.setdefault(part.as_of_sequence, []).extend(cell.count for cell in part.cells)
    assert told == {at: list(range(rows)) for at, rows in enumerate(sizes, start=1)}
    cells = [sum(len(part.cells) for part in response.changes) for response in responses]
    assert max(cells) <= 4
    # No two neighbours would have fitted into one message.
    for response, following in pairwise(responses):
        first = len(following.changes[0].cells)
        assert sum(len(part.cells) for part in response.changes) + first > 4
