"""Watching: a reader's own copy of the rows, kept up by what changed."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import AsyncGenerator
from struct import Struct
from typing import NamedTuple

from services.gateway.domain import AsOf, Row
from services.gateway.live import LiveTotals
from services.gateway.query import Query
from services.gateway.totals import Totals
from services.runtime.errors import Fault, Reason

QUIET_S_MAX = 4.0
"""The longest silence: after this, a message without rows says that the watch is alive."""

# The epoch of the totals, the digest of the query, and the sequence up to which the reader knows.
_FORM = Struct(">8s8sq")


class Cursor(NamedTuple):
    """What a reader knows: the rows of one query, of one `Totals`, up to one sequence."""

    epoch: bytes
    digest: bytes
    sequence: int

    def text(self) -> str:
        """The opaque form that readers give back."""
        return urlsafe_b64encode(_FORM.pack(*self)).decode()


class Update(NamedTuple):
    """What a reader needs to know next.

    since: the sequence after which the rows changed; None if the rows are all there is, and what
    the reader had is to be forgotten.
    """

    rows: tuple[Row, ...]
    as_of: AsOf
    cursor: str
    since: int | None


def cursor_of(text: str) -> Cursor:
    """Reads a cursor that a reader gives back. Raises Fault(FIELD_INVALID) for any other text."""
    try:
        packed = urlsafe_b64decode(text.encode("ascii"))
        if len(packed) == _FORM.size:
            return Cursor(*_FORM.unpack(packed))
    except (UnicodeEncodeError, Base64Error):
        pass  # said below
    raise _unusable("the cursor is none of ours; give back the last one received, or none at all")


async def watch(
    live: LiveTotals, query: Query, resume: Cursor | None
) -> AsyncGenerator[Update, None]:
    """Updates of a query's rows, for ever: the first at once, the next when something changed.

    Holds nothing between two updates: a slow reader gets the latest state next, not every state.
    Raises Fault(TOTALS_NOT_READY, FIELD_INVALID).
    """
    digest = query.digest()
    known = resume
    if known is not None and known.epoch == live.require().epoch and known.digest != digest:
        raise _unusable("the cursor belongs to another filter or group_by; begin without one")
    loop = asyncio.get_running_loop()
    said_at = -QUIET_S_MAX  # so that the first update is due, whatever it holds
    while True:
        wake = live.wake  # before reading, so that no change is missed
        totals = live.require()
        since = _known_sequence(totals, known)
        view = totals.view(query)
        rows = view.rows() if since is None else view.changed_since(since)
        known = Cursor(totals.epoch, digest, totals.as_of.sequence)
        if rows or since is None or loop.time() >= said_at + QUIET_S_MAX:
            yield Update(rows, totals.as_of, known.text(), since)
            said_at = loop.time()
        await _wait(wake, said_at + QUIET_S_MAX)


def _known_sequence(totals: Totals, known: Cursor | None) -> int | None:
    if known is None or known.epoch != totals.epoch or not totals.remembers(known.sequence):
        return None
    return known.sequence


async def _wait(event: asyncio.Event, until: float) -> None:
    """Until the event is set, or the loop's clock says so."""
    try:
        async with asyncio.timeout_at(until):
            await event.wait()
    except TimeoutError:
        pass  # time for a sign of life


def _unusable(message: str) -> Fault:
    return Fault(Reason.FIELD_INVALID, message, field="resume_cursor")
