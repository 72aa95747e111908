"""Drafts in columns: what is put in comes out."""

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import CauseKind, EntryDraft
from services.ledger.journal.drafts import Drafts, prepare
from tests.unit.ledger.drafts import draft
from tests.unit.ledger.stepped import hold
from tests.unit.ledger.strategies import drafts


@given(st.lists(drafts() | st.builds(lambda: draft(hold(5))), max_size=6), st.integers(0, 6))
def test_what_is_put_into_columns_comes_out(sent: list[EntryDraft], cut: int) -> None:
    prepared = list(map(prepare, sent))
    columns, others = Drafts(prepared[:cut]), Drafts(prepared[cut:])
    columns.extend(others)
    assert len(columns) == len(prepared)
    assert list(columns) == prepared
    assert [columns[place] for place in range(-len(columns), 0)] == prepared
    assert columns[1:3] == prepared[1:3]
    assert list(others) == prepared[cut:], "they stay as they are"
    assert columns.reverses() == [one.reverses for one in sent]
    assert columns.any_of(CauseKind.MANUAL) == bool(sent)
    assert not columns.any_of(CauseKind.INTAKE_BATCH)
    assert columns.are_plain() == all(
        transfer.step is None and not one.metadata for one in sent for transfer in one.transfers
    )
