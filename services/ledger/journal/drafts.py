"""Valid drafts, written down as far as can be: what takes a draft alone is done here once, as it
comes, for all attempts to post it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from services.ledger.domain import Cause, CauseKind, EntryDraft, EntryId, TransferName
from services.ledger.journal import seal
from services.ledger.journal.made import MadeOnDemand
from services.ledger.journal.routes import Move, Movements
from services.ledger.journal.rules import require_all_valid, require_valid

_NO_METADATA: Mapping[str, str] = {}


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
    content = seal.content_of(draft, seal.move_lines(moves))
    return Prepared(draft, content, seal.content_hash(content), moves, ())


class Drafts(MadeOnDemand[Prepared]):
    """Prepared drafts in columns: what stands at one place of each is one draft's.

    Thousands come in a call, and to make and read an object of each is most of what it costs. So a
    Prepared is made only for whoever reads one.

    others: the drafts that are more than plain movements, or none, by their places. They have no
    moves.
    """

    __slots__ = (
        "causes",
        "content_hashes",
        "contents",
        "entry_ids",
        "metadata",
        "moves",
        "others",
        "value_times",
    )

    def __init__(self, drafts: Iterable[Prepared] = ()) -> None:
        self.entry_ids: list[EntryId] = []
        self.causes: list[Cause] = []
        self.value_times: list[datetime] = []
        self.metadata: list[Mapping[str, str]] = []
        self.contents: list[bytes] = []
        self.content_hashes: list[bytes] = []
        self.moves: list[Sequence[Move]] = []
        self.others: dict[int, Prepared] = {}
        for prepared in drafts:
            self.append(prepared)

    def append(self, prepared: Prepared) -> None:
        """One more, behind the others."""
        draft, content, content_hash, moves, _ = prepared
        if not moves:
            self.others[len(self.moves)] = prepared
        self.entry_ids.append(draft.entry_id)
        self.causes.append(draft.cause)
        self.value_times.append(draft.value_time)
        self.metadata.append(draft.metadata)
        self.contents.append(content)
        self.content_hashes.append(content_hash)
        self.moves.append(moves)

    def extend(self, drafts: "Drafts") -> None:
        """Others, behind these."""
        begin = len(self.moves)
        self.others |= {begin + place: other for place, other in drafts.others.items()}
        self.entry_ids += drafts.entry_ids
        self.causes += drafts.causes
        self.value_times += drafts.value_times
        self.metadata += drafts.metadata
        self.contents += drafts.contents
        self.content_hashes += drafts.content_hashes
        self.moves += drafts.moves

    def __len__(self) -> int:
        return len(self.moves)

    def _made(self, place: int) -> Prepared:
        if (other := self.others.get(place)) is not None:
            return other
        moves = self.moves[place]
        draft = EntryDraft(
            self.entry_ids[place],
            self.causes[place],
            self.value_times[place],
            self.metadata[place],
            Movements(moves),
        )
        return Prepared(draft, self.contents[place], self.content_hashes[place], moves, ())

    def reverses(self) -> Sequence[int | None]:
        """The sequence of the entry that each reverses."""
        reverses: list[int | None] = [None] * len(self)
        for place, other in self.others.items():
            reverses[place] = other.draft.reverses
        return reverses

    def any_of(self, kind: CauseKind) -> bool:
        """Whether any has such a cause."""
        return any(cause.kind is kind for cause in set(self.causes))

    def are_plain(self) -> bool:
        """Whether all are plain movements, and state no facts."""
        return not self.others and not any(self.metadata)


def prepare_all(
    entry_ids: Sequence[EntryId],
    causes: Sequence[Cause],
    value_times: Sequence[datetime],
    moves: Collection[Sequence[Move]],
) -> Drafts:
    """What `prepare` makes of drafts that are plain movements without metadata, given in columns.

    Raises the Fault of one that is wrong, which does not tell of which.
    """
    require_all_valid(causes, value_times, moves)
    drafts = Drafts()
    drafts.entry_ids = list(entry_ids)
    drafts.causes = list(causes)
    drafts.value_times = list(value_times)
    drafts.metadata = [_NO_METADATA] * len(moves)
    lines = iter(seal.move_lines(chain.from_iterable(moves)))
    drafts.contents = seal.contents_of(entry_ids, causes, value_times, map(len, moves), lines)
    drafts.content_hashes = list(map(seal.content_hash, drafts.contents))
    drafts.moves = list(moves)
    return drafts
