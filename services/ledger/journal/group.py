"""Drafts that are posted together, in their order."""

from collections.abc import Iterable, Sequence
from itertools import chain

from services.ledger.domain import AccountName, CauseKind
from services.ledger.journal.decisions import account_decision_of
from services.ledger.journal.drafts import Drafts, Prepared
from services.ledger.journal.routes import RouteSums
from services.ledger.journal.standing import names_of


class Group:
    """Drafts, and what they come to.

    sums: of those that are nothing but plain movements. transfers: of all.
    """

    def __init__(self, drafts: Iterable[Prepared] = ()) -> None:
        self.drafts = Drafts()
        self.sums = RouteSums()
        self.transfers = 0
        for prepared in drafts:
            self.add(prepared)

    @classmethod
    def of(cls, drafts: Drafts) -> "Group":
        """Of drafts that are together already, and from now on the group's."""
        group = cls()
        group.drafts = drafts
        group.sums.add(chain.from_iterable(drafts.moves))
        group.transfers = sum(map(len, drafts.moves)) + sum(
            [len(other.draft.transfers) for other in drafts.others.values()]
        )
        return group

    @classmethod
    def joined(cls, groups: Sequence["Group"]) -> "Group":
        """One of all of these, in their order. They stay as they are."""
        if len(groups) == 1:
            return groups[0]
        joined = cls()
        for group in groups:
            joined.drafts.extend(group.drafts)
            joined.sums.join(group.sums)
            joined.transfers += group.transfers
        return joined

    def add(self, prepared: Prepared) -> None:
        """Takes in one more, behind the others."""
        self.drafts.append(prepared)
        self.sums.add(prepared.moves)
        self.transfers += len(prepared.draft.transfers)

    def accounts(self) -> set[AccountName]:
        """The accounts that the drafts use."""
        names = set(self.sums.through())
        for other in self.drafts.others.values():
            draft = other.draft
            names |= names_of(draft.transfers)
            if draft.cause.kind is CauseKind.ACCOUNT:
                names.add(account_decision_of(draft.cause.id, draft.metadata).name)
        return names
