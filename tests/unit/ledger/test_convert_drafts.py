"""Drafts from the wire: what is read is what was sent, and what is wrong says where."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watersmeet.ledger.v1 import ledger_service_pb2 as pb

from services.ledger.domain import EntryDraft, Transfer
from services.ledger.journal.drafts import prepare
from services.ledger.journal.routes import Movements
from services.ledger.wire.convert import cause_message, stamp_of, transfer_message
from services.ledger.wire.convert_drafts import draft_of
from services.runtime.errors import Fault
from tests.unit.ledger.drafts import draft, gift
from tests.unit.ledger.stepped import hold
from tests.unit.ledger.strategies import drafts


def message_of(sent: EntryDraft) -> pb.EntryDraft:
    return pb.EntryDraft(
        entry_id=sent.entry_id,
        cause=cause_message(sent.cause),
        value_time=stamp_of(sent.value_time),
        metadata=sent.metadata,
        transfers=map(transfer_message, sent.transfers),
    )


@given(drafts() | st.builds(lambda one: draft(gift(), hold(5), one), st.builds(gift)))
def test_what_is_read_is_what_was_sent(sent: EntryDraft) -> None:
    read = draft_of(message_of(sent))
    assert isinstance(read, EntryDraft)
    assert read._replace(transfers=tuple(read.transfers)) == sent
    # Prepared either way, it is the same entry.
    assert prepare(read)[1:] == prepare(sent)[1:]


@given(drafts())
def test_movements_read_as_their_transfers(sent: EntryDraft) -> None:
    moves = Movements(prepare(sent).moves)
    transfers = sent.transfers
    assert len(moves) == len(transfers)
    assert bool(moves) == bool(transfers)
    assert list(moves) == list(transfers)
    assert [moves[at] for at in range(len(moves))] == list(transfers)
    assert list(moves[1:]) == list(transfers[1:])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (gift(0), "transfers[1].amount"),
        (gift(tally=-1), "transfers[1].count"),
        (gift()._replace(hour=None), "transfers[1].hour"),
        (gift()._replace(hour=gift().hour + timedelta(minutes=1)), "transfers[1].hour"),
        (gift()._replace(credit="nowhere"), "transfers[1]"),
    ],
)
@pytest.mark.parametrize("first", [gift(), hold(5)], ids=["movements", "with a step"])
def test_a_wrong_transfer_is_named(first: Transfer, wrong: Transfer, field: str) -> None:
    sent = draft(first, wrong)
    with pytest.raises(Fault) as of_domain:
        prepare(sent)
    assert of_domain.value.metadata["field"] == field
    read = draft_of(message_of(sent))
    if not isinstance(read, Fault):
        with pytest.raises(Fault) as of_wire:
            prepare(read)
        read = of_wire.value
    assert (read.reason, read.metadata) == (of_domain.value.reason, of_domain.value.metadata)


@pytest.mark.parametrize("first", [gift(), hold(5)], ids=["movements", "with a step"])
def test_an_hour_that_is_none_is_named(first: Transfer) -> None:
    message = message_of(draft(first, gift()))
    message.transfers[1].hour.nanos = -1
    read = draft_of(message)
    assert isinstance(read, Fault)
    assert read.metadata["field"] == "transfers[1].hour"
