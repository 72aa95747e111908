"""The check of holds: each ended once and as it may, and what is kept of them is what is open.

Reversals are checked with them: none takes back more than was moved.
"""

from services.ledger.audit.check import Check, Findings
from services.ledger.store.snapshot import Snapshot


async def check_holds(books: Snapshot) -> Check:
    """Derives what is held of every account again, and looks at all but plain movements."""
    findings = Findings()
    async for fault in books.steps.hold_faults():
        findings.add(f"transfer {fault.sequence}/{fault.position} {fault.what}")
    async for account in books.steps.held_differences():
        findings.add(
            f"of account id {account.account_id} holds of {_told(account.kept)} are kept, and its "
            f"open holds add up to {_told(account.held)}"
        )
    covered = await books.steps.count_steps()
    return findings.check(
        "holds", covered, f"all {covered:,} holds, ends of holds and reversals are as they may be"
    )


def _told(sums: tuple[int | None, int | None]) -> str:
    debits, credits_ = sums
    if debits is None or credits_ is None:
        return "no such account"
    return f"debits {debits:,} and credits {credits_:,}"
