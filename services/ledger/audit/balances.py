"""The checks of balances: each is the sum of its transfers, and together they tie."""

from datetime import datetime
from typing import NamedTuple

from services.ledger.audit.check import Check, Findings
from services.ledger.domain import AccountName, CauseKind
from services.ledger.journal.chart import place
from services.ledger.journal.decisions import account_decision_of
from services.ledger.store.held_accounts import HeldAccount
from services.ledger.store.snapshot import Snapshot
from services.runtime.errors import Fault


async def check_balances(books: Snapshot) -> Check:
    """Adds up every account's transfers again, looks its kind and owner up in the chart, its state
    and limit in the entries that decided on them, and when it was opened in the first one on it.
    """
    findings = Findings()
    covered = 0
    decided = await _decided(books, findings)
    since = await books.steps.dated_since()
    async for held in books.held_accounts():
        covered += 1
        if held.name is None:
            findings.add(f"id {held.id} has transfers or a balance, and is no account")
            continue
        _check_chart(held, findings)
        decisions = decided.get(held.name)
        _check_opening(held, decisions, since, findings)
        if (held.state, held.limit) != (decisions[:2] if decisions else (None, None)):
            findings.add(
                f"{held.name.code} in {held.name.currency} has another state or limit than was "
                "decided"
            )
        stored = (held.stored_debits, held.stored_credits)
        moved = (held.moved_debits, held.moved_credits)
        if stored != moved:
            findings.add(
                f"{held.name.code} in {held.name.currency} is kept as {_sums(*stored)}, "
                f"and its transfers add up to {_sums(*moved)}"
            )
    return findings.check(
        "balances", covered, f"all {covered:,} accounts hold what their transfers add up to"
    )


async def check_daily_balances(books: Snapshot) -> Check:
    """Adds up the entries of every rollup again, by account and value date; no entry twice."""
    findings = Findings()
    covered, end = 0, 0
    for rollup in await books.rollups():
        if rollup.first != end + 1 or not rollup.first <= rollup.last <= books.head.sequence:
            findings.add(
                f"a rollup has entries {rollup.first} to {rollup.last}, and the one before ends "
                f"with {end}"
            )
        end = rollup.last
        rows, wrong = await books.wrong_turnovers(rollup)
        covered += rows
        for turnover in wrong:
            findings.add(
                f"{turnover.code or 'no account'} in {turnover.currency or 'no unit'} on "
                f"{turnover.value_date} is not what entries {rollup.first} to {rollup.last} "
                "add up to"
            )
    for last in await books.stray_turnovers():
        findings.add(f"there are sums by day of a rollup up to entry {last}, which is not there")
    return findings.check(
        "daily_balances", covered, f"all {covered:,} sums by day, up to entry {end:,}, are right"
    )


async def check_trial_balance(books: Snapshot) -> Check:
    """Adds up the stored balances by currency: debits and credits must be equal."""
    findings = Findings()
    covered = 0
    ties = []
    for sums in await books.currency_sums():
        covered += sums.accounts
        if sums.debits != sums.credits:
            findings.add(f"{sums.currency}: {_sums(sums.debits, sums.credits)}")
        ties.append(f"{sums.currency} {sums.debits:,}")
    what = f"debits equal credits, in micros: {', '.join(ties)}" if ties else "there is no account"
    return findings.check("trial_balance", covered, what)


class _Decided(NamedTuple):
    """What entries decided on an account. sequence, time: of the first that did."""

    state: int | None
    limit: int | None
    sequence: int
    time: datetime


async def _decided(books: Snapshot, findings: Findings) -> dict[AccountName, _Decided]:
    """What entries decided on accounts."""
    decided: dict[AccountName, _Decided] = {}
    async for entry in books.steps.decisions(CauseKind.ACCOUNT):
        try:
            decision = account_decision_of(entry.cause_id, entry.metadata)
        except Fault as fault:
            findings.add(f"entry {entry.sequence}: {fault.message}")
            continue
        before = decided.get(decision.name) or _Decided(
            None, None, entry.sequence, entry.recorded_time
        )
        decided[decision.name] = before._replace(
            state=decision.state or before.state, limit=decision.limit or before.limit
        )
    return decided


def _check_opening(
    held: HeldAccount, decided: _Decided | None, since: datetime | None, findings: Findings
) -> None:
    """That the account was opened by the first entry that is about it, as all are since then."""
    assert held.name is not None, "only accounts are opened"
    first = [(decided.sequence, decided.time)] if decided else []
    if held.first_sequence is not None and held.first_time is not None:
        first.append((held.first_sequence, held.first_time))
    opened = min(first)[1] if first else None
    is_old = since is None or (held.create_time is not None and held.create_time < since)
    if held.create_time != opened and not is_old:
        findings.add(
            f"{held.name.code} in {held.name.currency} is kept as opened at {held.create_time}, "
            f"and the first entry on it is of {opened}"
        )


def _check_chart(held: HeldAccount, findings: Findings) -> None:
    assert held.name is not None, "only accounts stand in the chart"
    try:
        found = place(held.name.code)
    except Fault:
        findings.add(f"{held.name.code} in {held.name.currency} is not in the chart of accounts")
        return
    if (held.kind, held.owner) != (found.row.kind, found.owner):
        findings.add(f"{held.name.code} in {held.name.currency} has another kind or owner")


def _sums(debits: int | None, credits_: int | None) -> str:
    if debits is None or credits_ is None:
        return "nothing"
    return f"debits {debits:,} and credits {credits_:,}"
