"""Drafts that are gathered: however they come together, the group is the same."""

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import EntryDraft
from services.ledger.journal.drafts import prepare
from services.ledger.journal.group import Group
from services.ledger.journal.standing import names_of
from tests.unit.ledger.drafts import draft
from tests.unit.ledger.stepped import hold
from tests.unit.ledger.strategies import drafts


@given(st.lists(st.lists(drafts() | st.builds(lambda: draft(hold(5))), max_size=4), max_size=4))
def test_groups_join_to_what_one_of_all_would_be(calls: list[list[EntryDraft]]) -> None:
    prepared = [[prepare(one) for one in call] for call in calls]
    groups = [Group(call) for call in prepared]
    before = [dict(group.sums.of) for group in groups]
    joined = Group.joined(groups) if groups else Group()
    whole = Group(one for call in prepared for one in call)
    assert list(joined.drafts) == list(whole.drafts)
    assert joined.drafts.others == whole.drafts.others
    assert joined.transfers == whole.transfers
    assert list(joined.sums.of.items()) == list(whole.sums.of.items())
    assert joined.sums.micros() == whole.sums.micros()
    assert joined.accounts() == {
        name for call in calls for one in call for name in names_of(one.transfers)
    }
    assert [group.sums.of for group in groups] == before, "a group may be posted again"
