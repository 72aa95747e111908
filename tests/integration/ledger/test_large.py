"""Large groups, by COPY in a thread."""

import asyncio
import threading
from time import monotonic

import psycopg
import pytest

from services.ledger.domain import EntryDraft, Posting
from services.ledger.store import large
from services.ledger.store.rendered import Rendered
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import Parts, open_parts
from tests.integration.ledger.stand_ins import kill_connections
from tests.support.clock import FixedClock
from tests.unit.ledger.drafts import draft, gift

_COUNT = "SELECT count(*) FROM entries"


class HeldUp:
    """Holds up the thread behind the head's lock until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Event()
        self.goes_on = threading.Event()
        write = large._write_rows

        def held_up(driver: large.Driver, rendered: Rendered) -> None:
            self.begun.set()
            assert self.goes_on.wait(10)
            write(driver, rendered)

        monkeypatch.setattr(large, "_write_rows", held_up)

    async def post(self, parts: Parts, *drafts: EntryDraft) -> asyncio.Task[list[Posting]]:
        """Posts drafts behind an entry, as far as they are held up."""
        await parts.post_all(draft(gift(1)))
        posting = asyncio.create_task(parts.post_all(*drafts))
        assert await asyncio.to_thread(self.begun.wait, 10)
        return posting


async def test_a_group_is_written_while_the_loop_has_no_turn(
    urls: DatabaseUrls, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_up = HeldUp(monkeypatch)
    async with open_parts(urls.service, clock, at_once_max=0) as parts:
        posting = await held_up.post(parts, draft(gift(2)), draft(gift(3)))
        # From here to the commit the loop has no turn.
        held_up.goes_on.set()
        with psycopg.connect(urls.service, autocommit=True) as connection:
            give_up = monotonic() + 10
            while connection.execute(_COUNT).fetchone() != (3,):
                assert monotonic() < give_up
        assert [posted.sequence for posted in await posting] == [2, 3]


async def test_a_connection_that_is_lost_under_way_is_opened_again(
    urls: DatabaseUrls, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_up = HeldUp(monkeypatch)
    async with open_parts(urls.service, clock, name="lost", at_once_max=0) as parts:
        posting = await held_up.post(parts, draft(gift(2)), draft(gift(3)))
        assert await asyncio.to_thread(kill_connections, urls.service, "lost-writer") == 2
        held_up.goes_on.set()
        assert [(one.sequence, one.replayed) for one in await posting] == [(2, False), (3, False)]
        await parts.post_all(draft(gift(4)))
        assert (await parts.audit()).ok


async def test_a_writer_that_stops_finishes_what_is_under_way(
    urls: DatabaseUrls, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_up = HeldUp(monkeypatch)
    async with open_parts(urls.service, clock, at_once_max=0) as parts:
        posting = await held_up.post(parts, draft(gift(2)))
        parts.writing.cancel()
        held_up.goes_on.set()
        assert [posted.sequence for posted in await posting] == [2]
        await asyncio.wait({parts.writing})
        with pytest.raises(Fault) as caught:
            await parts.post_all(draft(gift(3)))
        assert caught.value.reason is Reason.SHUTTING_DOWN
        assert not any(one.name.startswith("large-groups") for one in threading.enumerate())
