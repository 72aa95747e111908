"""The combined totals, in memory: where a total is added up.

Begins with the ledger's snapshot and adds what entries change; accounts and transfers are the
ledger's business. Each question that readers ask is kept as a view. A view that nobody looks at
costs nothing: what entries changed is kept for a while, and a view catches up when it is next read,
once for all its readers. One event loop's; not for threads.
"""

from collections import OrderedDict, deque
from collections.abc import Mapping
from datetime import datetime
from itertools import groupby, takewhile
from secrets import token_bytes

from services.gateway.domain import AsOf, Cell, FeedBroken, Posting, Snapshot
from services.gateway.query import Query
from services.gateway.view import View

_VIEWS_MAX = 1_000
_VIEW_ROWS_MAX = 200_000  # over all views; about 60 MB
_WEIGHT_MIN = 1_000


_Sum = tuple[int, int, int]
"""Micros, gifts, and the last sequence that changed them. Without names: made for each change."""

_NOTHING: _Sum = (0, 0, 0)


class Totals:
    """All totals as they stand after one entry, and how they came there since the snapshot.

    Entries that came together count together: no reader sees totals between them.

    as_of: up to where they are known.
    epoch: eight random bytes of this object: what changed since a sequence is known of it alone.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        """Raises FeedBroken if a cell comes twice."""
        self.as_of: AsOf = snapshot.as_of
        self.epoch = token_bytes(8)
        self._begin = snapshot.as_of.sequence
        # In the order of their last change, the latest last: so a new view has its rows in it, too.
        self._cells: dict[Cell, _Sum] = {
            cell: (micros, gifts, self._begin) for cell, micros, gifts in snapshot.cells
        }
        if len(self._cells) != len(snapshot.cells):
            raise FeedBroken("the snapshot names a cell twice")
        # The latest postings, the newest first, without a gap since an entry, so that views can
        # catch up.
        self._postings: deque[Posting] = deque()
        self._kept_since = self._begin
        self._weight = 0
        self._views: OrderedDict[Query, View] = OrderedDict()  # the longest unread first

    def __len__(self) -> int:
        """How many cells there are."""
        return len(self._cells)

    def apply(self, posting: Posting) -> None:
        """Adds what the next entries change. Raises FeedBroken if they are not the next."""
        sequence = posting.sequence
        if posting.after != self.as_of.sequence or sequence <= posting.after:
            raise FeedBroken(
                f"entries {posting.after + 1} to {sequence} came after entry {self.as_of.sequence}"
            )
        self.require_counted(posting.previous_hash)
        cells = self._cells
        for cell, micros, gifts in posting.changes:
            micros_before, gifts_before, _ = cells.pop(cell, _NOTHING)
            cells[cell] = (micros_before + micros, gifts_before + gifts, sequence)
        self.as_of = AsOf(
            sequence,
            posting.time,
            _raised(self.as_of.watermarks, posting.watermarks),
            posting.hash,
        )
        self._keep(posting)

    def require_counted(self, entry_hash: bytes) -> None:
        """That the last entry counted is the one of this hash, where both are known.

        Raises FeedBroken: the ledger was restored from a backup, and went on with other entries.
        """
        if entry_hash and self.as_of.hash and entry_hash != self.as_of.hash:
            raise FeedBroken(
                f"entry {self.as_of.sequence} of the ledger is not the one that was counted"
            )

    def view(self, query: Query) -> View:
        """The answer to a query as of now. It is good until the next await.

        Raises Fault(FIELD_INVALID) if the answer has more rows than a view may.
        """
        view = self._views.pop(query, None)
        if view is None or not self._catch_up(view):
            view = self._new_view(query)
        self._views[query] = view
        return view

    def remembers(self, sequence: int) -> bool:
        """Whether it is known what changed after this sequence."""
        return self._begin <= sequence <= self.as_of.sequence

    def _keep(self, posting: Posting) -> None:
        self._postings.appendleft(posting)
        self._weight += _weight(posting)
        # A view that is further behind than there are cells is cheaper made anew.
        while self._weight > max(len(self._cells), _WEIGHT_MIN):
            forgotten = self._postings.pop()
            self._weight -= _weight(forgotten)
            self._kept_since = forgotten.sequence

    def _catch_up(self, view: View) -> bool:
        """Brings a view up to now; False if what it missed is no longer kept."""
        if view.sequence < self._kept_since:
            return False
        missed = takewhile(lambda posting: posting.sequence > view.sequence, self._postings)
        for posting in reversed(list(missed)):
            view.add(posting.changes, posting.sequence)
        view.sequence = self.as_of.sequence
        return True

    def _new_view(self, query: Query) -> View:
        view = View(query, self.as_of.sequence)
        for sequence, cells in groupby(self._cells.items(), key=_changed_at):
            view.add(((cell, micros, gifts) for cell, (micros, gifts, _) in cells), sequence)
        self._make_room(len(view))
        return view

    def _make_room(self, rows: int) -> None:
        held = rows + sum(map(len, self._views.values()))
        while self._views and (held > _VIEW_ROWS_MAX or len(self._views) >= _VIEWS_MAX):
            _, dropped = self._views.popitem(last=False)
            held -= len(dropped)


def _changed_at(cell: tuple[Cell, _Sum]) -> int:
    return cell[1][2]


def _weight(posting: Posting) -> int:
    return 1 + len(posting.changes)  # one that changes nothing takes room, too


def _raised(
    watermarks: Mapping[str, datetime], stated: Mapping[str, datetime]
) -> Mapping[str, datetime]:
    """A watermark never goes back, whatever a later entry states."""
    if not stated:
        return watermarks
    raised = dict(watermarks)
    for partner, time in stated.items():
        raised[partner] = max(time, raised.get(partner, time))
    return raised
