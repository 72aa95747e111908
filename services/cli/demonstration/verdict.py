"""Whether the demo may be believed: everything the system said, held against the plan."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from services.cli.demonstration.books import Audit, GatewayTotals, LedgerBalances
from services.cli.demonstration.killing import Kill
from services.cli.simulator.expectation import (
    STANDING,
    Cell,
    Expectation,
    Purpose,
    State,
    claimed_in_all,
)
from services.cli.simulator.plan import Plan
from services.cli.simulator.reports import Kind
from services.cli.simulator.tally import Answer, Tally

_DIFFERENCES_SHOWN = 5
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold, and what was found."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that the demo saw.

    told_by_two: how many reports say of themselves that another company's report of the same gift
    counts.
    The large parts have no place in a repr: that of a finished task shows its result, and whoever
    resets a signal's handler causes one.
    """

    plan: Plan = field(repr=False)
    tallies: Sequence[Tally]
    gateway: GatewayTotals = field(repr=False)
    ledger: LedgerBalances = field(repr=False)
    told_by_two: int
    audit: Audit
    kills: Sequence[Kill]

    @property
    def ledger_total_micros(self) -> dict[str, int]:
        """What stands in all partners' claimed accounts, by currency."""
        sums: Counter[str] = Counter()
        for (code, currency), (debited, credited) in self.ledger.accounts.items():
            if code.startswith("partner/") and code.endswith("/claimed"):
                sums[currency] += debited - credited
        return dict(sorted(sums.items()))

    @property
    def gateway_total_micros(self) -> dict[str, int]:
        """Claimed and suspense, which is the same money, by currency; the rest has left it."""
        return claimed_in_all(self.gateway.micros)

    @property
    def recorded(self) -> int:
        """How many gifts the gateway counts, those in suspense included."""
        return sum(n for c, n in self.gateway.counts.items() if c.state in STANDING)

    @property
    def suspended(self) -> int:
        """How many gifts the gateway counts in suspense."""
        return sum(n for c, n in self.gateway.counts.items() if c.state is State.SUSPENSE)

    def answers(self, *answers: Answer) -> int:
        """How many reports of gifts got one of these answers (any, if none is named)."""
        return sum(
            n
            for tally in self.tallies
            for answer, n in tally.gifts.items()
            if not answers or answer in answers
        )

    @property
    def conflicts(self) -> int:
        """How many reports were kept as claims."""
        return self.answers(Answer.CONFLICTING)

    @property
    def repeated(self) -> int:
        """How many reports of gifts told nothing that their company had not told before."""
        return self.answers() - self.conflicts - self.recorded - self.told_by_two

    @property
    def refunds(self) -> int:
        """How many different refunds were acknowledged; told by two companies, it is one."""
        return len(set[str]().union(*(tally.refunds_known for tally in self.tallies)))

    @property
    def disputes(self) -> int:
        """How many different disputes were acknowledged."""
        return sum(len(tally.disputes_known) for tally in self.tallies)

    @property
    def refused(self) -> int:
        """How many reports were refused, an altered batch counting as one."""
        return sum(tally.refused for tally in self.tallies)

    @property
    def retries(self) -> int:
        """How many attempts were made again."""
        return sum(tally.retries for tally in self.tallies)


def judge(found: Findings) -> list[Check]:
    """All checks; the demo succeeds if each of them is ok.

    A kill can swallow an answer: the gift is recorded, its sender asks again and hears REPLAYED. So
    how many were answered ACCEPTED is only bounded by the plan, while how many gifts are recorded,
    refused, conflicting, in suspense and refunded is exact.
    """
    plan, expected = found.plan, found.plan.expectation
    accepted = found.answers(Answer.ACCEPTED, Answer.SUSPENDED)
    tellings = expected.gift_count + plan.told_by_two
    return [
        _equal_cells("gateway, to the micro", expected.micros, found.gateway.micros),
        _equal_cells("gateway, gifts counted", expected.counts, found.gateway.counts),
        _equal_cells("ledger, to the micro", _accounts(expected), _balances(found.ledger)),
        Check("ledger, debits = credits", found.ledger.ties, f"{found.ledger.sequence} entries"),
        _equal_sums("ledger's total, micros", expected.total_micros, found.ledger_total_micros),
        _equal_sums("gateway's total, micros", expected.total_micros, found.gateway_total_micros),
        _equal("gifts recorded once", expected.gift_count, found.recorded),
        _equal("gifts in suspense", expected.suspended_count, found.suspended),
        _equal("told by two, counted once", plan.told_by_two, found.told_by_two),
        _equal("refunds", expected.refunds, found.refunds),
        _equal("disputes", sum(expected.disputes.values()), found.disputes),
        _equal("refused", plan.refused, found.refused),
        _equal("conflicting claims", plan.count(Kind.CONFLICT), found.conflicts),
        _equal("reports answered", plan.reports, sum(t.reports for t in found.tallies)),
        Check(
            "accepted no more than given",
            accepted <= tellings,
            f"{accepted} answers said accepted, {tellings} were told by one company or another",
        ),
        _no_surprises(found.tallies),
        Check("audit", found.audit.ok, ", ".join(c.name for c in found.audit.checks)),
        *map(_came_back, found.kills),
    ]


def _equal(name: str, expected: object, actual: object) -> Check:
    if expected == actual:
        return Check(name, True, str(actual))
    return Check(name, False, f"{actual} where the plan says {expected}")


def _equal_sums(name: str, expected: Mapping[str, int], actual: Mapping[str, int]) -> Check:
    if expected == actual:
        return Check(name, True, ", ".join(f"{code} {sum_}" for code, sum_ in actual.items()))
    return _equal(name, dict(expected), dict(actual))


def _equal_cells(name: str, expected: Mapping[_Key, int], actual: Mapping[_Key, int]) -> Check:
    wrong = [
        f"{key}: {actual.get(key, 0)} where the plan says {expected.get(key, 0)}"
        for key in sorted({*expected, *actual}, key=str)
        if actual.get(key, 0) != expected.get(key, 0)
    ]
    if not wrong:
        return Check(name, True, f"{len(expected)} cells agree")
    shown = "; ".join(wrong[:_DIFFERENCES_SHOWN])
    return Check(name, False, f"{len(wrong)} of {len(expected)} cells differ: {shown}")


def _accounts(expected: Expectation) -> Counter[tuple[str, str]]:
    """The expected sums in the ledger's accounts, by currency.

    A project's or an appeal's fund and a partner's suspense hold what was given and not given back;
    where the money is, the partner's claimed and disputed accounts say.
    """
    sums: Counter[tuple[str, str]] = Counter()
    for cell, micros in expected.micros.items():
        if cell.state is State.REFUNDED:
            sums[_GIVEN_BACK, cell.currency] += micros
        else:
            sums[fund_of(cell), cell.currency] += micros
            sums[place_of(cell), cell.currency] += micros
    return sums


_GIVEN_BACK = "given back from all funds and suspense"


def fund_of(cell: Cell) -> str:
    """The account that says whose a cell's money is."""
    match cell.purpose:
        case Purpose.CHARITY:
            return f"project/{cell.project}/fund"
        case Purpose.APPEAL:
            return f"appeal/{cell.project}/fund"
        case Purpose.UNATTRIBUTED:
            return f"partner/{cell.partner}/suspense"


def place_of(cell: Cell) -> str:
    """The account that says where a cell's money is, if it was not given back."""
    if cell.state is not State.DISPUTED:
        return f"partner/{cell.partner}/claimed"
    appeals = "appeals-" if cell.purpose is Purpose.APPEAL else ""
    return f"partner/{cell.partner}/{appeals}disputed"


def _balances(ledger: LedgerBalances) -> Counter[tuple[str, str]]:
    """The ledger's accounts in the same words. An account of another kind would be a difference.

    Funds and suspense are debited with refunds, and with what another company's report counts; that
    passes through an account which is empty again, as does a refund that is booked back.
    """
    sums: Counter[tuple[str, str]] = Counter()
    for (code, currency), (debited, credited) in ledger.accounts.items():
        match code.rpartition("/")[2]:
            case "claimed" | "disputed" | "appeals-disputed":
                sums[code, currency] += debited - credited
            case "fund" | "suspense":
                sums[code, currency] += credited - debited
                sums[_GIVEN_BACK, currency] += debited
            case "elsewhere" if debited == credited:
                sums[_GIVEN_BACK, currency] -= debited
            case _:
                sums[f"{code}, debits and credits", currency] += debited + credited
    return Counter({account: micros for account, micros in sums.items() if micros})


def _no_surprises(tallies: Iterable[Tally]) -> Check:
    surprises = [words for tally in tallies for words in tally.surprises]
    count = sum(tally.surprise_count for tally in tallies)
    if not count:
        return Check("every answer as planned", True, "no surprise")
    return Check(
        "every answer as planned",
        False,
        f"{count} surprises: " + "; ".join(surprises[:_DIFFERENCES_SHOWN]),
    )


def _came_back(kill: Kill) -> Check:
    detail = f"process {kill.pid_before} killed with -9, {kill.pid_after} serves"
    if kill.came_back:
        return Check(f"{kill.service} came back", True, f"{detail} after {kill.away_s:.1f} s")
    return Check(f"{kill.service} came back", False, f"process {kill.pid_before} did not return")
