"""Drafts on their way into the books: checked, written down as far as can be, and gathered.

All that takes a draft alone is done here once, as it comes, for all attempts to post it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from services.ledger.domain import AccountName, CauseKind, EntryDraft, TransferName
from services.ledger.journal import seal
from services.ledger.journal.decisions import account_decision_of
from services.ledger.journal.routes import Move, RouteSums
from services.ledger.journal.rules import require_valid
from services.ledger.journal.standing import names_of


class Prepared(NamedTuple):
    """A valid draft with its part of the canonical text.

    moves: all its transfers, if all are plain movements, as of nearly all drafts; else none.
    about: the transfers in the books that its own are about.
    """

    draft: EntryDraft
    content: bytes
    content_hash: bytes
    moves: Sequence[Move]
    about: Sequence[TransferName]


def prepare(draft: EntryDraft) -> Prepared:
    """Checks a draft and renders it. Raises the Fault of what is wrong (rules.py)."""
    moves, steps = require_valid(draft)
    if steps:
        content = seal.content_of(draft)
        about = [step.of for step in steps if step.of is not None]
        return Prepared(draft, content, seal.content_hash(content), (), about)
    content = seal.content_of(
        draft,
        [
            f"{route.line_start}{micros}{route.line_middle}{tally}\n"
            for route, micros, tally in moves
        ],
    )
    return Prepared(draft, content, seal.content_hash(content), moves, ())


class Group:
    """Drafts that are posted together, in their order.

    sums: of those that are nothing but plain movements. others: the rest. transfers: of all.
    """

    def __init__(self, drafts: Iterable[Prepared] = ()) -> None:
        self.drafts: list[Prepared] = []
        self.others: list[Prepared] = []
        self.sums = RouteSums()
        self.transfers = 0
        for prepared in drafts:
            self.add(prepared)

    def add(self, prepared: Prepared) -> None:
        """Takes in one more, behind the others."""
        self.drafts.append(prepared)
        moves = prepared.moves
        if moves:
            self.transfers += len(moves)
            self.sums.add(moves)
        else:
            self.transfers += len(prepared.draft.transfers)
            self.others.append(prepared)

    @classmethod
    def joined(cls, groups: Sequence["Group"]) -> "Group":
        """One of all of these, in their order. They stay as they are."""
        if len(groups) == 1:
            return groups[0]
        joined = cls()
        for group in groups:
            joined.drafts += group.drafts
            joined.others += group.others
            joined.sums.join(group.sums)
            joined.transfers += group.transfers
        return joined

    def accounts(self) -> set[AccountName]:
        """The accounts that the drafts use."""
        routes = self.sums.of
        names = {route.debit for route in routes}
        names.update([route.credit for route in routes])
        for prepared in self.others:
            draft = prepared.draft
            names |= names_of(draft.transfers)
            if draft.cause.kind is CauseKind.ACCOUNT:
                names.add(account_decision_of(draft.cause.id, draft.metadata).name)
        return names
