"""The demo's verdict: it holds for true books, and fails for each kind of falsehood."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.cli.demonstration.books import Audit, AuditCheck, GatewayTotals, LedgerBalances
from services.cli.demonstration.killing import Kill
from services.cli.demonstration.result import as_json, in_units
from services.cli.demonstration.verdict import Findings, fund_of, judge, place_of
from services.cli.simulator.expectation import Cell, State
from services.cli.simulator.manner import MANNERS
from services.cli.simulator.occasion import make_occasion
from services.cli.simulator.plan import Plan, make_plan
from services.cli.simulator.reports import Dispute, Kind, Refund
from services.cli.simulator.tally import Answer, Tally

PLAN = make_plan(5, 900, make_occasion(date(2019, 9, 5)))


def true_tallies(plan: Plan) -> list[Tally]:
    """The answers of a system without fault, as if every report came in the plan's order."""
    tallies = []
    for name, part in plan.partners.items():
        tally, seen = Tally(name), set[str]()
        tally.refused = tally.reports = part.altered_batches
        for report in (report for messages in part.rounds for report in messages):
            tally.reports += 1
            subject = report.subject
            if report.kind in (Kind.FORGED, Kind.PROBE):
                tally.refused += 1
                continue
            if isinstance(subject, Dispute):
                tally.dispute(subject.dispute_id, Answer.ACCEPTED)
                continue
            if isinstance(subject, Refund):
                tally.refund(subject, Answer.ACCEPTED)
                if not MANNERS[name].repeats_gift:
                    continue
            gift = subject.gift if isinstance(subject, Refund) else subject
            if report.kind is Kind.CONFLICT:
                tally.gifts[Answer.CONFLICTING] += 1
            else:
                known = gift.external_id in seen
                tally.gifts[Answer.REPLAYED if known else Answer.ACCEPTED] += 1
                seen.add(gift.external_id)
        tallies.append(tally)
    return tallies


def true_ledger(plan: Plan) -> LedgerBalances:
    """The accounts as transfers would leave them, with a gift that counts elsewhere."""
    debits, credits_ = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for cell, micros in plan.expectation.micros.items():
        claimed = place_of(cell), cell.currency
        fund = fund_of(cell), cell.currency
        if cell.state is State.REFUNDED:
            # Given, and given back: the balance does not know of it.
            for account in (claimed, fund):
                debits[account] += micros
                credits_[account] += micros
        else:
            debits[claimed] += micros
            credits_[fund] += micros
    told_twice = ("project/water-gansu/fund", "partner/tencent/claimed")
    for account in ((code, "CNY") for code in (*told_twice, "partner/tencent/elsewhere")):
        debits[account] += 777
        credits_[account] += 777
    accounts = {code: (debits[code], credits_[code]) for code in {*debits, *credits_}}
    return LedgerBalances(accounts, 12, ties=True)


def findings() -> Findings:
    expected = PLAN.expectation
    return Findings(
        PLAN,
        true_tallies(PLAN),
        GatewayTotals(expected.micros, expected.counts, 12),
        true_ledger(PLAN),
        PLAN.told_by_two,
        Audit(True, (AuditCheck("chain", True, 12, "12 entries"),)),
        [Kill("donations", 0.5, 10, 11, 1.5)],
    )


def failed(found: Findings) -> set[str]:
    return {check.name for check in judge(found) if not check.ok}


def test_true_books_are_believed() -> None:
    found = findings()
    assert failed(found) == set()
    result = as_json(found, 2.0)
    assert result["gifts"] == result["accepted"] == 900
    assert result["replayed"] == sum(t.gifts[Answer.REPLAYED] for t in found.tallies)
    assert result["told_by_two"] == PLAN.told_by_two > 0
    assert result["disputes"] == sum(PLAN.expectation.disputes.values()) > 0
    assert result["refunds"] == PLAN.expectation.refunds
    assert result["conflicts"] == PLAN.count(Kind.CONFLICT)
    total = PLAN.expectation.total_micros
    assert result["expected_total_micros"] == total
    assert result["ledger_total_micros"] == result["gateway_total_micros"] == total
    assert result["kills"] == 1
    assert result["gifts_per_s"] == 450.0


def test_an_answer_that_a_kill_swallowed_is_no_failure() -> None:
    found = findings()
    found.tallies[0].gifts[Answer.ACCEPTED] -= 1
    found.tallies[0].gifts[Answer.REPLAYED] += 1
    assert failed(found) == set()
    assert as_json(found, 1.0)["accepted"] == 900


def moved_between_projects(found: Findings) -> Findings:
    """The sum stays the same; two cells do not."""
    micros = dict(found.gateway.micros)
    first, second = sorted(c for c in micros if c.state is State.CLAIMED)[:2]
    micros[first] += 1
    micros[second] -= 1
    return replace(found, gateway=replace(found.gateway, micros=micros))


def one_cell_too_many(found: Findings) -> Findings:
    micros = {**found.gateway.micros, Cell("weibo", "unplanned", State.REFUNDED): 1}
    return replace(found, gateway=replace(found.gateway, micros=micros))


def one_gift_too_many(found: Findings) -> Findings:
    counts = Counter(found.gateway.counts)
    counts[next(cell for cell in counts if cell.state is State.CLAIMED)] += 1
    return replace(found, gateway=replace(found.gateway, counts=counts))


def off_by_a_micro_in_the_ledger(found: Findings) -> Findings:
    accounts = dict(found.ledger.accounts)
    key = next(key for key in accounts if key[0].startswith("project/"))
    accounts[key] = (accounts[key][0] + 1, accounts[key][1])
    return replace(found, ledger=replace(found.ledger, accounts=accounts, ties=False))


def money_in_another_account(found: Findings) -> Findings:
    accounts = {**found.ledger.accounts, ("partner/weibo/fees", "CNY"): (7, 7)}
    return replace(found, ledger=replace(found.ledger, accounts=accounts))


def given_back_twice(found: Findings) -> Findings:
    """And given again: the balances stay what they are."""
    accounts = dict(found.ledger.accounts)
    key = next(key for key in accounts if key[0].startswith("project/"))
    accounts[key] = (accounts[key][0] + 5, accounts[key][1] + 5)
    return replace(found, ledger=replace(found.ledger, accounts=accounts))


def left_on_its_way(found: Findings) -> Findings:
    accounts = dict(found.ledger.accounts)
    accounts["partner/tencent/elsewhere", "CNY"] = (777, 770)
    return replace(found, ledger=replace(found.ledger, accounts=accounts))


def counted_for_both_companies(found: Findings) -> Findings:
    return replace(found, told_by_two=found.told_by_two - 1)


def a_dispute_unheard(found: Findings) -> Findings:
    next(tally for tally in found.tallies if tally.disputes_known).disputes_known.pop()
    return found


def in_another_hour(found: Findings) -> Findings:
    micros = dict(found.gateway.micros)
    first = min(micros)
    moved = replace(first, hour=first.hour + timedelta(days=9))
    micros[moved] = micros.pop(first)
    return replace(found, gateway=replace(found.gateway, micros=micros))


def in_another_currency(found: Findings) -> Findings:
    accounts = dict(found.ledger.accounts)
    accounts["project/water-guizhou/fund", "GBP"] = accounts.pop(
        ("project/water-guizhou/fund", "CNY")
    )
    return replace(found, ledger=replace(found.ledger, accounts=accounts))


def forged_and_taken(found: Findings) -> Findings:
    found.tallies[0].refused -= 1
    return found


def surprised(found: Findings) -> Findings:
    found.tallies[0].surprise("something else")
    return found


def not_answered(found: Findings) -> Findings:
    found.tallies[0].reports -= 1
    return found


@pytest.mark.parametrize(
    ("falsify", "names"),
    [
        (moved_between_projects, {"gateway, to the micro"}),
        (one_cell_too_many, {"gateway, to the micro"}),
        (one_gift_too_many, {"gateway, gifts counted", "gifts recorded once"}),
        (off_by_a_micro_in_the_ledger, {"ledger, to the micro", "ledger, debits = credits"}),
        (money_in_another_account, {"ledger, to the micro"}),
        (given_back_twice, {"ledger, to the micro"}),
        (left_on_its_way, {"ledger, to the micro"}),
        (counted_for_both_companies, {"told by two, counted once"}),
        (a_dispute_unheard, {"disputes"}),
        (in_another_hour, {"gateway, to the micro"}),
        (in_another_currency, {"ledger, to the micro"}),
        (forged_and_taken, {"refused"}),
        (surprised, {"every answer as planned"}),
        (not_answered, {"reports answered"}),
        (lambda f: replace(f, audit=replace(f.audit, ok=False)), {"audit"}),
        (
            lambda f: replace(f, kills=[replace(f.kills[0], pid_after=10)]),
            {"donations came back"},
        ),
        (
            lambda f: replace(f, kills=[replace(f.kills[0], pid_after=None)]),
            {"donations came back"},
        ),
    ],
)
def test_each_falsehood_is_found(falsify: Callable[[Findings], Findings], names: set[str]) -> None:
    assert failed(falsify(findings())) == names


def test_findings_are_shown_in_short() -> None:
    """A demo that ends shows them to nobody, but makes their repr."""
    assert len(repr(findings())) < 10_000


def test_amounts_are_shown_with_all_their_decimals() -> None:
    assert in_units(12_340_000) == "12.340000"
    assert in_units(-1) == "-0.000001"
    assert in_units(1_234_567_000_001) == "1,234,567.000001"
