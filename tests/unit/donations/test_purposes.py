"""Personal appeals are kept apart from charity, from the gift to the ledger's accounts."""

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.donations.domain import Gift, Line, LineKind, Purpose
from services.donations.gifts.lines import gift_lines, summed
from services.donations.life.lines import move_lines
from services.donations.life.position import moves_between, position_of
from services.donations.life.reports import Told
from services.donations.life.transitions import movements_of
from services.donations.store.outbox_lines import lines_of, text_of
from tests.unit.donations.gifts import a_refund, gifts
from tests.unit.donations.test_rows import placed, purpose_of, reason_of


@given(st.lists(st.tuples(gifts, st.integers(0, 2 * 10**15)), min_size=1, max_size=20))
def test_charitys_accounts_never_hold_an_appeals_money(
    given_back: list[tuple[Gift, int]],
) -> None:
    """Whatever is given and given back: each fund's balance is that of its own purpose's gifts."""
    rows = placed([gift for gift, _ in given_back])
    lines = list(gift_lines(rows, rows.order >= 0))
    expected = Counter[str]()
    for gift, refunded in given_back:
        purpose = Purpose.UNATTRIBUTED if reason_of(gift) else purpose_of(gift)
        if refunded:
            told = Told([a_refund(amount_micros=refunded)])
            suspended = purpose is Purpose.UNATTRIBUTED
            position = position_of(gift.amount_micros, [told], suspended=suspended, joined=False)
            lines += move_lines(gift, purpose, "aid", moves_between([], position.flows))
        match purpose:
            case Purpose.UNATTRIBUTED:
                expected["partner"] += gift.amount_micros - refunded
            case _:
                of = "appeal" if gift.project == "surgery" else "project"
                left = max(gift.amount_micros - refunded, 0)
                expected[f"{of}/{gift.project}/fund"] += left
                expected["partner"] += min(gift.amount_micros - refunded, 0)
    held = Counter[str]()
    for line in summed(lines):
        [movement] = movements_of(line)
        for account, sign in ((movement.credit, 1), (movement.debit, -1)):
            if not account.endswith("/claimed"):
                held["partner" if account.endswith("/suspense") else account] += sign * line.micros
        assert (line.purpose is Purpose.UNATTRIBUTED) == (line.project == "")
    assert {account: micros for account, micros in held.items() if micros} == {
        account: micros for account, micros in expected.items() if micros
    }


_lines = st.builds(
    lambda kind, purpose, micros: Line(
        kind,
        "weibo",
        "week",
        "" if purpose is Purpose.UNATTRIBUTED else "water",
        purpose,
        "aid" if purpose is Purpose.CHARITY else "",
        "CNY",
        430_000,
        micros,
        1,
    ),
    st.sampled_from(LineKind),
    st.sampled_from(Purpose),
    st.integers(1, 2**63 - 1),
)


@given(st.lists(_lines))
def test_the_outbox_gives_back_the_lines_that_it_was_given(lines: list[Line]) -> None:
    assert lines_of(json.loads(text_of(lines))) == lines


def test_the_outbox_reads_what_the_release_before_wrote_and_writes_what_it_can_read() -> None:
    rows = [
        [1, "weibo", "week", "water", "CNY", 430_000, 5, 1],
        [2, "weibo", "", "", "CNY", 430_000, 7, 2],
    ]
    lines = lines_of(rows)
    assert [line.purpose for line in lines] == [Purpose.CHARITY, Purpose.UNATTRIBUTED]
    assert [(line.project, line.micros, line.gift_count) for line in lines] == [
        ("water", 5, 1),
        ("", 7, 2),
    ]
    assert json.loads(text_of(lines)) == rows
