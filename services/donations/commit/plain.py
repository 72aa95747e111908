"""The short way of nearly all small groups: gifts that are new, and nothing about them unusual."""

from datetime import datetime
from uuid import UUID

import numpy as np

from services.donations.commit.group import Group
from services.donations.commit.recording import Recorded, batch_of, results_of
from services.donations.domain import Outcome
from services.donations.gifts.batch import digest_of
from services.donations.gifts.lines import gift_lines
from services.donations.life.reports import RAILS
from services.donations.store.lane import Lane
from services.donations.store.plain import PlainGifts


class PlainRecording:
    """What a plain group (`Group.is_plain`) comes to if all its gifts are new.

    recorded: what `recording.record` would return.
    """

    def __init__(self, group: Group, batch_id: UUID, now: datetime) -> None:
        rows = group.gifts
        assert rows is not None, "a plain group has gifts"
        self._gifts = PlainGifts(rows, batch_id)
        self._may_be_named = not RAILS.isdisjoint(target.partner for target in rows.targets)
        all_of_them = np.ones(len(rows), dtype=np.bool_)
        self._batch = batch_of(
            batch_id,
            now,
            len(rows),
            digest_of(self._gifts.digest, now, len(rows), ()),
            list(gift_lines(rows, all_of_them)),  # as none is in suspense, no two are alike
            int(rows.event_times_micros.max()),
        )
        outcomes = np.full(len(rows), Outcome.ACCEPTED, dtype=np.uint8)
        results = results_of(group, batch_id, now, outcomes, (), ())
        self.recorded = Recorded(self._batch, outcomes, results)

    async def write(self, lane: Lane) -> bool:
        """Records it; False if something names one of the gifts, which has to be looked at.

        Raises as PlainGifts.insert.
        """
        return await self._gifts.insert(lane, self._batch, may_be_named=self._may_be_named)
