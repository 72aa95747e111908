"""The plan: pure, complete, and its expectation held against a second reading of its messages."""

import random
from collections import Counter
from dataclasses import replace
from datetime import date
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.simulator.expectation import Cell, Purpose, State
from services.cli.simulator.manner import MANNERS
from services.cli.simulator.occasion import make_occasion
from services.cli.simulator.plan import PARTNERS, Plan, make_plan
from services.cli.simulator.reports import (
    Dispute,
    DisputeStatus,
    Gift,
    Kind,
    Rail,
    Refund,
    Report,
    Way,
    gift_of,
)

OCCASION = make_occasion(date(2019, 9, 5))
PLANS = st.builds(
    lambda seed, gifts: make_plan(seed, gifts, OCCASION),
    st.integers(0, 2**32),
    st.integers(150, 1_500),
)


def read_in_any_order(plan: Plan, chance: random.Random) -> tuple[Counter[Cell], Counter[Cell]]:
    """A naive reader of the messages: the first report of an id counts, refunds by running total.

    What is reported under an id that another partner's gift names as its rail's counts nothing;
    what it says of refunds is the same money. Within a round the messages come in any order.
    """
    known = {project.code: Purpose.CHARITY for project in OCCASION.projects}
    known |= {appeal.code: Purpose.APPEAL for appeal in OCCASION.appeals}
    gifts: dict[tuple[str, str], Gift] = {}
    single: dict[tuple[str, str, str], int] = {}
    running: Counter[tuple[str, str]] = Counter()
    disputes: dict[tuple[str, str, str], dict[DisputeStatus, int]] = {}
    for partner in plan.partners.values():
        for messages in partner.rounds:
            for report in chance.sample(messages, len(messages)):
                if report.kind in (Kind.FORGED, Kind.PROBE):
                    continue
                if isinstance(report.subject, Refund):
                    refund = report.subject
                    key = refund.gift.partner, refund.gift.external_id
                    if MANNERS[partner.partner].repeats_gift:
                        gifts.setdefault(key, refund.gift)
                    if MANNERS[partner.partner].running_total:
                        running[key] = max(running[key], refund.total_micros)
                    else:
                        single[*key, refund.refund_id] = refund.amount_micros
                elif isinstance(report.subject, Dispute):
                    dispute = report.subject
                    name = dispute.gift.partner, dispute.gift.external_id, dispute.dispute_id
                    disputes.setdefault(name, {})[dispute.status] = dispute.amount_micros
                else:
                    gift = report.subject
                    gifts.setdefault((gift.partner, gift.external_id), gift)
    back, contested = running + Counter(), Counter[tuple[str, str]]()
    for (partner_code, external_id, _), micros in single.items():
        back[partner_code, external_id] += micros
    for (partner_code, external_id, _), told in disputes.items():
        if DisputeStatus.LOST in told:
            back[partner_code, external_id] += told[DisputeStatus.LOST]
        elif DisputeStatus.WON not in told:
            contested[partner_code, external_id] += told[DisputeStatus.OPENED]
    rails = {
        (gift.rail.partner, gift.rail.external_id): key for key, gift in gifts.items() if gift.rail
    }
    for rail, origin in rails.items():
        back[origin] = max(back[origin], back[rail])
    sums: Counter[Cell] = Counter()
    counts: Counter[Cell] = Counter()
    for key in gifts.keys() - rails.keys():
        gift = gifts[key]
        purpose = known.get(gift.project, Purpose.UNATTRIBUTED)
        project = gift.project if gift.project in known else ""
        state = State.CLAIMED if gift.project in known else State.SUSPENSE
        hour = gift.event_time.replace(minute=0, second=0, microsecond=0)
        cell = Cell(gift.partner, project, state, gift.currency, purpose, hour)
        disputed = 0 if state is State.SUSPENSE else contested[key]
        sums[cell] += gift.amount_micros - back[key] - disputed
        counts[cell] += 1
        for other, micros in ((State.REFUNDED, back[key]), (State.DISPUTED, disputed)):
            if micros:
                sums[replace(cell, state=other)] += micros
                counts[replace(cell, state=other)] += 1
    return Counter({cell: micros for cell, micros in sums.items() if micros}), counts


@given(PLANS, st.randoms(use_true_random=False))
def test_the_messages_lead_to_the_expected_books_in_any_order(
    plan: Plan, chance: random.Random
) -> None:
    sums, counts = read_in_any_order(plan, chance)
    assert sums == plan.expectation.micros
    assert counts == plan.expectation.counts


@given(PLANS)
def test_a_claim_of_another_amount_comes_after_its_original_is_acknowledged(plan: Plan) -> None:
    for partner in plan.partners.values():
        first_round: dict[str, int] = {}
        for number, messages in enumerate(partner.rounds):
            for report in messages:
                gift = gift_of(report.subject)
                if report.kind is Kind.CONFLICT:
                    assert first_round[gift.external_id] < number
                elif report.kind in (Kind.FIRST, Kind.REPEAT) and isinstance(report.subject, Gift):
                    first_round.setdefault(gift.external_id, number)
        assert {gift.external_id for gift in partner.gifts} <= first_round.keys()
        assert all(report.kind not in (Kind.FIRST, Kind.RAIL) for report in partner.rounds[-1])


@given(PLANS)
def test_gifts_are_well_formed(plan: Plan) -> None:
    for name, partner in plan.partners.items():
        manner = MANNERS[name]
        assert len({gift.external_id for gift in partner.gifts}) == len(partner.gifts)
        for gift in partner.gifts:
            assert gift.amount_micros > 0
            assert OCCASION.start_time <= gift.event_time < OCCASION.gifts_end_time
            assert len(gift.external_id) == len(manner.prefix) + 28
            assert gift.amount_micros % manner.grains[gift.currency] == 0
            assert not manner.whole_seconds or gift.event_time.microsecond == 0
            assert gift.project or manner.is_native
            assert manner.appeals or not gift.project.startswith("appeal-")
        for report in chain.from_iterable(partner.rounds):
            assert report.way in (manner.bulk, *manner.singly)
            if isinstance(report.subject, Refund):
                assert manner.gives_back
                assert report.way is not Way.STREAM
                assert 0 < report.subject.amount_micros <= report.subject.total_micros
                assert report.subject.total_micros <= report.subject.gift.amount_micros


def test_a_large_plan_has_the_mishaps_that_the_demo_promises() -> None:
    plan = make_plan(95, 50_000, OCCASION)
    expected = plan.expectation
    assert expected.gift_count == plan.count(Kind.FIRST, refunds=False) == 50_000
    assert len({cell.project for cell in expected.micros if cell.project}) == 30 + 5
    assert {cell.state for cell in expected.micros} == set(State)
    assert len({cell.hour for cell in expected.micros}) == 48
    assert plan.count(Kind.REPEAT, refunds=False) >= 5_000
    assert 50 <= plan.count(Kind.FORGED) <= 60
    assert 50 <= plan.count(Kind.CONFLICT) <= 60
    assert 250 <= expected.suspended_count <= 260
    assert plan.count(Kind.PROBE) == 3
    assert plan.refused == plan.count(Kind.FORGED) + 3 + 2
    assert {cell.currency for cell in expected.micros} == {"CNY", "EUR", "JPY", "USD"}
    assert {cell.purpose for cell in expected.micros} == set(Purpose)
    messages = [list(chain.from_iterable(part.rounds)) for part in plan.partners.values()]
    assert sum(map(out_of_order, messages)) >= 50_000 // 5
    early, in_full, in_part = refund_kinds(messages)
    assert early > 100
    assert in_full > 400
    assert min(expected.disputes[status] for status in DisputeStatus) > 12
    assert in_part > 100


def test_some_gifts_are_told_in_two_ways() -> None:
    """By a stream and by signed JSON, and counted once all the same."""
    plan = make_plan(95, 50_000, OCCASION)
    for name in ("weibo", "qingsongchou"):
        ways: dict[str, set[Way]] = {}
        for report in chain.from_iterable(plan.partners[name].rounds):
            if isinstance(report.subject, Gift) and report.kind in (Kind.FIRST, Kind.REPEAT):
                ways.setdefault(report.subject.external_id, set()).add(report.way)
        assert {Way.STREAM, Way.NOTICE} in ways.values()
        assert set().union(*ways.values()) == set(Way)


@given(PLANS)
def test_what_a_rails_company_tells_is_the_same_gift_and_the_same_money(plan: Plan) -> None:
    origins = {
        (gift.rail.partner, gift.rail.external_id): gift
        for gift in plan.partners["bytedance"].gifts
        if gift.rail
    }
    told = Counter[tuple[str, str]]()
    for name in plan.rails:
        own = {gift.external_id for gift in plan.partners[name].gifts}
        for report in chain.from_iterable(plan.partners[name].rounds):
            gift = gift_of(report.subject)
            assert gift.rail is None
            if report.kind is not Kind.RAIL:
                continue
            origin = origins[gift.partner, gift.external_id]
            assert (gift.amount_micros, gift.event_time) == (
                origin.amount_micros,
                origin.event_time,
            )
            assert gift.external_id not in own
            told[gift.partner, gift.external_id] += isinstance(report.subject, Gift)
            if isinstance(report.subject, Refund):
                assert report.subject.gift == gift
                same = [r for r in plan.partners["bytedance"].refunds if r.gift == origin]
                assert report.subject.same_as in {refund.refund_id for refund in same}
    assert told == dict.fromkeys(origins, 1)
    assert plan.told_by_two == len(origins) > 0
    assert plan.rails == {"alipay", "tencent"}


def test_gifts_are_told_by_two_companies_in_either_order_and_refunds_by_both() -> None:
    plan = make_plan(95, 50_000, OCCASION)
    assert plan.told_by_two == 240
    assert plan.count(Kind.RAIL, refunds=True) > 5
    rounds: dict[str, int] = {}
    for number, messages in enumerate(plan.partners["bytedance"].rounds):
        for report in messages:
            if report.kind is Kind.FIRST and isinstance(report.subject, Gift):
                rounds[report.subject.external_id] = number
    by_rail = {gift.rail: gift for gift in plan.partners["bytedance"].gifts if gift.rail}
    before = after = 0
    for name in plan.rails:
        for number, messages in enumerate(plan.partners[name].rounds):
            for report in messages:
                if report.kind is Kind.RAIL and isinstance(report.subject, Gift):
                    gift = report.subject
                    origin = by_rail[Rail(gift.partner, gift.external_id)]
                    before += number < rounds[origin.external_id]
                    after += number > rounds[origin.external_id]
    assert before > 60
    assert after > 60


def test_disputes_end_before_they_open_and_before_their_gift() -> None:
    plan = make_plan(95, 50_000, OCCASION)
    seen, early_end, before_gift = set[object](), 0, 0
    for report in chain.from_iterable(plan.partners["stripe"].rounds):
        subject = report.subject
        if isinstance(subject, Dispute) and report.kind is Kind.FIRST:
            opening = (subject.dispute_id, DisputeStatus.OPENED)
            early_end += subject.status is not DisputeStatus.OPENED and opening not in seen
            before_gift += subject.gift not in seen
            seen.add((subject.dispute_id, subject.status))
        elif report.kind is Kind.FIRST:
            seen.add(subject)
    assert early_end > 5
    assert before_gift > 5


def out_of_order(messages: list[Report]) -> int:
    """How many gifts are first told after one that was made later."""
    latest, late = OCCASION.start_time, 0
    for report in messages:
        if report.kind is Kind.FIRST and isinstance(report.subject, Gift):
            late += report.subject.event_time < latest
            latest = max(latest, report.subject.event_time)
    return late


def refund_kinds(partners: list[list[Report]]) -> tuple[int, int, int]:
    """Refunds told before their gift; gifts given back in full; gifts given back in part."""
    early, back, told = 0, Counter[Gift](), set[tuple[str, str]]()
    for report in chain.from_iterable(partners):
        if report.kind is Kind.FIRST and isinstance(report.subject, Refund):
            gift = report.subject.gift
            early += (gift.partner, gift.external_id) not in told
            back[gift] += report.subject.amount_micros
        elif report.kind is Kind.FIRST and isinstance(report.subject, Gift):
            told.add((report.subject.partner, report.subject.external_id))
    full = sum(micros == gift.amount_micros for gift, micros in back.items())
    return early, full, len(back) - full


def test_the_same_seed_is_the_same_campaign() -> None:
    assert make_plan(7, 500, OCCASION) == make_plan(7, 500, OCCASION)
    assert make_plan(7, 500, OCCASION) != make_plan(8, 500, OCCASION)


def test_any_of_the_partners_can_take_part_alone() -> None:
    for name in PARTNERS:
        plan = make_plan(1, 30, OCCASION, [name])
        assert list(plan.partners) == [name]
        assert plan.expectation.gift_count == 30


@pytest.mark.parametrize(
    ("gifts", "partners"), [(3, PARTNERS), (100, ["alipay", "alipay"]), (100, ["nobody"]), (9, [])]
)
def test_what_cannot_be_planned_is_said(gifts: int, partners: list[str]) -> None:
    with pytest.raises(ValueError, match="partner"):
        make_plan(1, gifts, OCCASION, partners)
