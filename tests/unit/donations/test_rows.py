"""Rows in key order, where each stands, and the lines they sum up to."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donations.catalog.memory import Standing
from services.donations.domain import (
    HOUR_MICROS,
    Gift,
    Key,
    Line,
    LineKind,
    Purpose,
    SuspenseReason,
    bucket_of,
)
from services.donations.gifts.columns import Target, columns_of
from services.donations.gifts.lines import gift_lines, summed
from services.donations.gifts.rows import GiftRows, bucket_column, join, place
from tests.unit.donations.gifts import NOW_MICROS, a_gift, external_ids, gifts

_PARTNER_IDS = {"weibo": 1, "xiaomi": 300}
_PROJECT_IDS = {"water": 1, "books": 2, "closed": 3, "surgery": 4}
_HOUR = HOUR_MICROS
# The charity of `books` was qualified until three hours ago, and is again for the last hour's first
# half; that of `water` always is.
_QUALIFIED = {
    "books": (
        NOW_MICROS - 100 * _HOUR,
        NOW_MICROS - 3 * _HOUR,
        NOW_MICROS - _HOUR,
        NOW_MICROS - _HOUR // 2,
    ),
    "": (),
}
_ALWAYS = 2**62


def standing(gift: Gift) -> Standing:
    """Where a gift's target stands: `closed` closed two hours ago, `past` ended one hour ago."""
    project = _PROJECT_IDS.get(gift.project, 0)
    reason = 0
    if not project:
        reason = SuspenseReason.PROJECT_UNKNOWN
    elif gift.campaign == "unknown":
        reason = SuspenseReason.CAMPAIGN_UNKNOWN
    is_past = gift.campaign == "past"
    return Standing(
        _PARTNER_IDS[gift.partner],
        project,
        {"week": 7, "past": 8}.get(gift.campaign, 0),
        purpose_of(gift),
        int(reason),
        NOW_MICROS - 2 * _HOUR if gift.project == "closed" else _ALWAYS,
        NOW_MICROS - 3 * _HOUR if is_past else -_ALWAYS,
        NOW_MICROS - _HOUR if is_past else _ALWAYS,
        _QUALIFIED.get(gift.project, (-_ALWAYS,)),
    )


def purpose_of(gift: Gift) -> Purpose:
    """The purpose of a gift's project, wherever the gift stands."""
    if gift.project not in _PROJECT_IDS:
        return Purpose.UNATTRIBUTED
    return Purpose.APPEAL if gift.project == "surgery" else Purpose.CHARITY


def placed(given_gifts: list[Gift]) -> GiftRows:
    """The gifts' rows."""
    columns = columns_of(given_gifts)
    by_target = {
        Target(g.partner, g.currency, g.project, g.campaign): standing(g) for g in given_gifts
    }
    return place(columns, [by_target[target] for target in columns.targets])


def reason_of(gift: Gift) -> int:
    """Why a gift stands in suspense, said once more in plain Python."""
    known = standing(gift)
    if known.reason:
        return known.reason
    if gift.event_time_micros >= known.project_close:
        return SuspenseReason.PROJECT_CLOSED
    if not known.campaign_start <= gift.event_time_micros < known.campaign_end:
        return SuspenseReason.CAMPAIGN_NOT_OPEN
    edges = known.qualified
    spans = zip(edges[::2], [*edges[1::2], _ALWAYS], strict=False)
    if not any(start <= gift.event_time_micros < end for start, end in spans):
        return SuspenseReason.CHARITY_NOT_QUALIFIED
    return 0


@given(st.lists(external_ids, min_size=1, max_size=20))
def test_buckets_in_columns_are_those_of_single_ids(ids: list[str]) -> None:
    column = np.array(ids, dtype=np.bytes_)
    buckets = [bucket_of(external_id) for external_id in ids]
    assert bucket_column(column).tolist() == buckets
    # Many are done in another way than few.
    many = np.resize(column, 1_001)
    assert bucket_column(many).tolist() == np.resize(buckets, 1_001).tolist()


@given(st.lists(gifts, min_size=1, max_size=20))
def test_rows_are_in_key_order_and_know_their_place(given_gifts: list[Gift]) -> None:
    rows = placed(given_gifts)
    keys = [
        Key(bucket_of(g.external_id), _PARTNER_IDS[g.partner], g.external_id) for g in given_gifts
    ]
    order = sorted(range(len(keys)), key=lambda place: keys[place])  # stable, as ours must be
    assert rows.order.tolist() == order
    assert rows.external_ids.tolist() == [keys[place].external_id.encode() for place in order]
    assert rows.buckets.tolist() == [keys[place].bucket for place in order]
    assert rows.partner_ids.tolist() == [keys[place].partner_id for place in order]
    assert rows.is_repeat.tolist() == [
        n > 0 and keys[place] == keys[order[n - 1]] for n, place in enumerate(order)
    ]
    assert rows.reasons.tolist() == [reason_of(given_gifts[place]) for place in order]
    assert rows.project_ids.tolist() == [
        0 if reason_of(g) else _PROJECT_IDS[g.project] for g in map(given_gifts.__getitem__, order)
    ]
    assert rows.currencies().tolist() == [given_gifts[place].currency.encode() for place in order]
    assert rows.token_lengths().tolist() == [len(given_gifts[place].donor_token) for place in order]


@given(st.lists(gifts, min_size=1, max_size=20), st.data())
def test_lines_are_the_sums_of_the_chosen_rows(
    given_gifts: list[Gift], data: st.DataObject
) -> None:
    rows = placed(given_gifts)
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    micros, counts = Counter[tuple[object, ...]](), Counter[tuple[object, ...]]()
    for position in rows.order[chosen].tolist():
        gift = given_gifts[position]
        suspended = reason_of(gift) != 0
        kin = (
            LineKind.SUSPENDED_GIFT if suspended else LineKind.GIFT,
            gift.partner,
            gift.campaign,
            "" if suspended else gift.project,
            Purpose.UNATTRIBUTED if suspended else purpose_of(gift),
            "",
            gift.currency,
            gift.event_time_micros // HOUR_MICROS,
        )
        micros[kin] += gift.amount_micros
        counts[kin] += 1
    expected = sorted(Line._make((*kin, micros[kin], counts[kin])) for kin in micros)
    assert sorted(summed(gift_lines(rows, chosen))) == expected


@pytest.mark.parametrize(
    ("project", "campaign", "time", "reason"),
    [
        # The first moment belongs to it, the end no longer.
        ("water", "past", NOW_MICROS - 3 * _HOUR - 1, SuspenseReason.CAMPAIGN_NOT_OPEN),
        ("water", "past", NOW_MICROS - 3 * _HOUR, 0),
        ("water", "past", NOW_MICROS - _HOUR - 1, 0),
        ("water", "past", NOW_MICROS - _HOUR, SuspenseReason.CAMPAIGN_NOT_OPEN),
        ("closed", "", NOW_MICROS - 2 * _HOUR - 1, 0),
        ("closed", "", NOW_MICROS - 2 * _HOUR, SuspenseReason.PROJECT_CLOSED),
        ("books", "", NOW_MICROS - 3 * _HOUR - 1, 0),
        ("books", "", NOW_MICROS - 3 * _HOUR, SuspenseReason.CHARITY_NOT_QUALIFIED),
        ("books", "", NOW_MICROS - _HOUR - 1, SuspenseReason.CHARITY_NOT_QUALIFIED),
        ("books", "", NOW_MICROS - _HOUR, 0),
        ("books", "", NOW_MICROS, SuspenseReason.CHARITY_NOT_QUALIFIED),
    ],
)
def test_where_a_gift_stands_turns_at_the_moment(
    project: str, campaign: str, time: int, reason: int
) -> None:
    [found] = placed([a_gift(project=project, campaign=campaign, event_time_micros=time)]).reasons
    assert found == reason


def test_columns_of_several_submissions_are_joined() -> None:
    one = columns_of([a_gift("a"), a_gift("b", project="books")])
    other = columns_of([a_gift("cccc", project="books")])
    both = join([one, other])
    assert both.external_ids.tolist() == [b"a", b"b", b"cccc"]
    assert [both.targets[i].project for i in both.target_indexes] == ["water", "books", "books"]
    assert len(both.targets) == 2
