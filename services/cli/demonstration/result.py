"""The demo's result, for people and as JSON."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.cli.demonstration.verdict import Check, Findings
from services.cli.simulator.expectation import STANDING, Cell, Purpose, State
from services.cli.simulator.reports import DisputeStatus
from services.cli.simulator.wire import CURRENCY


def as_json(found: Findings, elapsed_s: float) -> dict[str, Any]:
    """What `watersmeet demo --json` writes. Amounts are micros, by currency.

    accepted: gifts that stand in the books, suspense included. replayed: reports of gifts that were
    acknowledged and recorded nothing, because the gift was recorded already. refused: reports, an
    altered batch counting as one. refunds, disputes: different ones, not reports of them.
    told_by_two: gifts that two companies told of, and one of them counts. The three totals are what
    stands in the partners' claimed accounts: claimed and suspense, net of refunds and of what open
    disputes contest.
    elapsed_s: from the first report until all of them stood in the gateway's totals.
    """
    return {
        "gifts": found.plan.expectation.gift_count,
        "accepted": found.recorded,
        "replayed": found.repeated,
        "refused": found.refused,
        "conflicts": found.conflicts,
        "suspense": found.suspended,
        "told_by_two": found.told_by_two,
        "refunds": found.refunds,
        "disputes": found.disputes,
        "kills": sum(kill.came_back for kill in found.kills),
        "ledger_entries": found.ledger.sequence,
        "expected_total_micros": dict(found.plan.expectation.total_micros),
        "ledger_total_micros": found.ledger_total_micros,
        "gateway_total_micros": found.gateway_total_micros,
        "audit": {
            "ok": found.audit.ok,
            "checks": [
                {"name": c.name, "ok": c.ok, "covered": c.covered, "detail": c.detail}
                for c in found.audit.checks
            ],
        },
        "elapsed_s": round(elapsed_s, 3),
        "gifts_per_s": round(found.plan.expectation.gift_count / elapsed_s, 1),
    }


def show_result(
    console: Console, found: Findings, checks: Sequence[Check], elapsed_s: float
) -> None:
    """Prints the totals, what came of the mishaps, the audit and the verdict."""
    console.print(_totals_table(found))
    console.print(_currencies_table(found))
    console.print(_mishaps_table(found, elapsed_s))
    console.print(_audit_table(found))
    console.print(_checks_table(checks))
    if all(check.ok for check in checks):
        totals = " · ".join(
            f"[bold]{in_units(micros)} {currency}[/bold]"
            for currency, micros in found.gateway_total_micros.items()
        )
        console.print("Three sums, one total in each currency, equal to the micro:")
        console.print(totals)
    else:
        failed = ", ".join(check.name for check in checks if not check.ok)
        console.print(f"[bold red]The books do not hold:[/bold red] {failed}", highlight=False)


def in_units(micros: int) -> str:
    """An amount with all its decimals: 12340000 is "12.340000"."""
    units, rest = divmod(abs(micros), 1_000_000)
    return f"{'-' if micros < 0 else ''}{units:,}.{rest:06d}"


def _totals_table(found: Findings) -> Table:
    """What was given in CNY, a line for each project; of personal appeals one for all."""
    lines = _Lines()
    for cell in {*found.gateway.micros, *found.gateway.counts}:
        if cell.currency == CURRENCY:
            name = cell.project if cell.purpose is Purpose.CHARITY else _LINES[cell.purpose]
            lines.add(cell, name, found)
    table = lines.table(f"Combined totals of {found.plan.occasion.campaign}, CNY", "project")
    last = Purpose.CHARITY
    for purpose, name, cells in lines.rows():
        if purpose is not last:
            table.add_section()
            last = purpose
        table.add_row(name, *cells)
    return table


def _currencies_table(found: Findings) -> Table:
    """What was given in all, apart by purpose and currency, which are never added up."""
    lines = _Lines()
    for cell in {*found.gateway.micros, *found.gateway.counts}:
        lines.add(cell, cell.currency, found)
    table = lines.table("In all: purposes and currencies stand apart", "purpose", "currency")
    for purpose, currency, cells in lines.rows():
        table.add_row(purpose.value, currency, *cells)
    return table


class _Lines:
    """A table's lines, each of one purpose: gifts, and an amount for each state that there is."""

    def __init__(self) -> None:
        self._gifts: Counter[tuple[Purpose, str]] = Counter()
        self._micros: dict[tuple[Purpose, str], Counter[State]] = {}

    def add(self, cell: Cell, name: str, found: Findings) -> None:
        """Adds what the gateway says of a cell to a line."""
        key = cell.purpose, name
        micros = self._micros.setdefault(key, Counter())
        micros[cell.state] += found.gateway.micros.get(cell, 0)
        if cell.state in STANDING:
            self._gifts[key] += found.gateway.counts.get(cell, 0)

    def table(self, title: str, *names: str) -> Table:
        """An empty table with columns of these names, and of what there is."""
        table = Table(title=title, title_justify="left")
        for name in names:
            table.add_column(name)
        for name in ("gifts", *self._states):
            table.add_column(str(name), justify="right")
        return table

    def rows(self) -> Iterator[tuple[Purpose, str, Sequence[str]]]:
        """Purpose, name and numbers of each line; what is nothing is left empty."""
        order = list(Purpose)
        for key in sorted(self._micros, key=lambda key: (order.index(key[0]), key[1])):
            amounts = (self._micros[key][state] for state in self._states)
            shown = [in_units(amount) if amount else "" for amount in amounts]
            yield *key, [f"{self._gifts[key]:,}", *shown]

    @property
    def _states(self) -> Sequence[State]:
        return [s for s in State if any(micros[s] for micros in self._micros.values())]


_LINES = {
    Purpose.APPEAL: "(personal appeals)",
    Purpose.UNATTRIBUTED: "(not yet attributed)",
}


def _mishaps_table(found: Findings, elapsed_s: float) -> Table:
    gifts = found.plan.expectation.gift_count
    table = Table(title="What came of the reports", title_justify="left", show_header=False)
    table.add_column(justify="right")
    table.add_column()
    for count, words in (
        (found.plan.reports, f"reports by {len(found.tallies)} partners at once"),
        (found.recorded, "gifts recorded, each once"),
        (found.told_by_two, "of them told by two companies, either first, and counted once"),
        (found.repeated, "repeats acknowledged, and counted no second time"),
        (found.refunds, "refunds, some of them before their payment"),
        (found.disputes, f"disputes: {_endings(found)}"),
        (found.suspended, "gifts to unknown projects, in suspense"),
        (found.conflicts, "claims of another amount, kept for finance"),
        (found.refused, "forged or altered reports and signature tests, refused"),
        (found.retries, "attempts repeated, because a service was away or busy"),
        (found.ledger.sequence, "ledger entries"),
    ):
        table.add_row(f"{count:,}", words)
    for kill in found.kills:
        words = f"{kill.service} killed with -9 when {kill.progress:.0%} was answered"
        table.add_row(f"{kill.away_s:.1f} s", f"{words}, until it served again")
    table.add_row(f"{elapsed_s:.1f} s", f"{gifts / elapsed_s:,.0f} gifts a second, whole way")
    return table


def _endings(found: Findings) -> str:
    """How many disputes the plan leaves in each status."""
    disputes = found.plan.expectation.disputes
    return ", ".join(f"{disputes.get(status, 0)} {status}" for status in DisputeStatus)


def _audit_table(found: Findings) -> Table:
    table = Table(title="The ledger's audit", title_justify="left")
    for name in ("check", "ok", "covered", "found"):
        table.add_column(name, justify="right" if name == "covered" else "left")
    for check in found.audit.checks:
        table.add_row(check.name, _mark(check.ok), f"{check.covered:,}", escape(check.detail))
    return table


def _checks_table(checks: Sequence[Check]) -> Table:
    title = "The system's word against the simulator's own sums"
    table = Table(title=title, title_justify="left")
    for name in ("check", "ok", "found"):
        table.add_column(name)
    for check in checks:
        table.add_row(check.name, _mark(check.ok), escape(check.detail))
    return table


def _mark(ok: bool) -> str:
    return "[green]yes[/green]" if ok else "[bold red]NO[/bold red]"
