"""Drafts from the wire in columns: what is read is what is read draft by draft, or nothing is."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watersmeet.ledger.v1 import ledger_service_pb2 as pb

from services.ledger.domain import EntryDraft
from services.ledger.journal.drafts import Drafts, Prepared, prepare
from services.ledger.wire import convert_columns
from services.ledger.wire.convert_columns import NotPlain, drafts_of
from services.ledger.wire.convert_drafts import draft_of
from tests.unit.ledger.drafts import NOON, draft, gift
from tests.unit.ledger.stepped import hold
from tests.unit.ledger.strategies import drafts
from tests.unit.ledger.test_convert_drafts import message_of


def request_of(sent: Sequence[EntryDraft]) -> pb.PostEntriesRequest:
    return pb.PostEntriesRequest(entries=map(message_of, sent))


def one_by_one(request: pb.PostEntriesRequest) -> list[Prepared]:
    read = list(map(draft_of, request.entries))
    assert all(isinstance(one, EntryDraft) for one in read)
    return [prepare(one) for one in read if isinstance(one, EntryDraft)]


def at_once(request: pb.PostEntriesRequest) -> list[Prepared]:
    whole = Drafts()
    for part in drafts_of(request):
        whole.extend(part)
    return list(whole)


@pytest.mark.property
@given(
    sent=st.lists(drafts() | st.builds(lambda one: draft(one), st.builds(gift)), max_size=8),
    size=st.integers(1, 9),
)
def test_what_is_read_in_columns_is_what_is_read_one_by_one(
    sent: list[EntryDraft], size: int
) -> None:
    plain = [one for one in sent if not one.metadata]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert_columns, "_AT_ONCE", size)
        request = request_of(plain)
        assert at_once(request) == one_by_one(request)
        if len(plain) < len(sent):
            with pytest.raises(NotPlain):
                at_once(request_of(sent))


def test_times_are_read_to_the_microsecond_and_as_far_as_there_are_any() -> None:
    # As one number of nanoseconds, those behind the year 2262 would be others.
    times = [NOON, datetime(2609, 9, 5, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)]
    sent = [draft(gift())._replace(value_time=time) for time in times]
    sent.append(draft()._replace(value_time=NOON + timedelta(microseconds=123_457)))
    request = request_of(sent)
    request.entries[-1].value_time.nanos += 999  # which the books do not hold
    read = at_once(request)
    assert [one.draft.value_time for one in read] == [one.value_time for one in sent]
    assert read == one_by_one(request)


def test_entry_ids_are_kept_in_lower_case() -> None:
    sent = draft()
    request = request_of([sent])
    request.entries[0].entry_id = sent.entry_id.upper()
    assert at_once(request) == [prepare(sent)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one: one.ClearField("entry_id"),
        lambda one: setattr(one, "entry_id", "no uuid"),
        lambda one: one.ClearField("cause"),
        lambda one: setattr(one.cause, "kind", pb.CAUSE_KIND_UNSPECIFIED),
        lambda one: setattr(one.cause, "kind", 99),
        lambda one: setattr(one.cause, "kind", pb.CAUSE_KIND_ACCOUNT),
        lambda one: setattr(one.cause, "id", "two words"),
        lambda one: one.ClearField("value_time"),
        lambda one: setattr(one.value_time, "nanos", -1),
        lambda one: setattr(one.value_time, "nanos", 1_000_000_000),
        lambda one: setattr(one.value_time, "seconds", 0),
        lambda one: setattr(one.value_time, "seconds", 2**62),
        lambda one: one.ClearField("transfers"),
        lambda one: setattr(one, "reverses", 1),
        lambda one: one.metadata.update({"gifts": "1"}),
        lambda one: one.transfers[0].ClearField("amount"),
        lambda one: setattr(one.transfers[0].amount, "micros", 0),
        lambda one: setattr(one.transfers[0].amount, "micros", -1),
        lambda one: setattr(one.transfers[0].amount, "currency_code", "XQQ"),
        lambda one: setattr(one.transfers[0].amount, "currency_code", "~minutes"),
        lambda one: setattr(one.transfers[0], "count", -1),
        lambda one: setattr(one.transfers[0], "count", 1_000_000_001),
        lambda one: setattr(one.transfers[0], "credit_account", "nowhere"),
        lambda one: setattr(one.transfers[0], "credit_account", ""),
        lambda one: setattr(one.transfers[0], "project", "road"),
        lambda one: setattr(one.transfers[0], "campaign", "No Code"),
        lambda one: setattr(one.transfers[0], "campaign", "\n"),
        lambda one: setattr(one.transfers[0], "debit_account", "partner/alipay/claimed\nproject"),
        lambda one: one.transfers[0].ClearField("hour"),
        lambda one: setattr(one.transfers[0].hour, "nanos", -1),
        lambda one: setattr(one.transfers[0].hour, "seconds", 1_567_684_801),
        lambda one: setattr(one.transfers[0].hour, "seconds", 0),
        lambda one: setattr(one.transfers[0].hour, "seconds", 2**62),
        lambda one: one.transfers[0].hold.SetInParent(),
        lambda one: setattr(one.transfers[0].reverses, "sequence", 1),
        lambda one: one.transfers.append(message_of(draft(hold(5))).transfers[0]),
    ],
)
def test_what_is_wrong_or_more_is_left_to_be_read_one_by_one(
    spoil: Callable[[pb.EntryDraft], object],
) -> None:
    request = request_of([draft(), draft(), draft()])
    assert len(at_once(request)) == 3
    spoil(request.entries[1])
    with pytest.raises(NotPlain):
        at_once(request)


def test_a_call_of_too_many_transfers_is_left_to_be_read_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever they are: millions of nothing have room in a call."""
    request = request_of([draft(*[gift()] * convert_columns._TRANSFERS_MAX)])
    assert len(at_once(request)) == 1
    request.entries.add().transfers.add()
    monkeypatch.setattr(convert_columns, "_READER", None)  # which would take its time
    with pytest.raises(NotPlain):
        at_once(request)


def test_a_call_without_entries_has_no_drafts() -> None:
    assert at_once(pb.PostEntriesRequest()) == []
