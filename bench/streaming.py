"""A partner of the bulk rows: sends a lot over StreamDonations with the partners' own client."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from watersmeet.client import connect
from watersmeet.donations.v1.donation_intake_service_pb2 import DonationBatch

from bench.lots import Lot, make_batches, make_gifts
from services.cli.simulator.wire import Access

_IN_FLIGHT = 8


@dataclass(frozen=True, slots=True)
class StreamJob:
    """One stream of one partner, whose batches are built before the clock starts.

    access: the donations service as that partner. projects, campaign: codes in its catalog.
    """

    access: Access
    lot: Lot
    projects: Sequence[str]
    campaign: str

    def run(self, go: Callable[[], None]) -> int:
        """See processes.Job. Returns the gifts recorded anew.

        Raises RuntimeError if a row is not what the lot says.
        """
        gifts = make_gifts(self.lot, len(self.projects))
        return asyncio.run(self._send(make_batches(gifts, self.projects, self.campaign), go))

    async def _send(self, batches: Sequence[DonationBatch], go: Callable[[], None]) -> int:
        access = self.access
        accepted = replayed = 0
        stream_id = f"bench-{uuid.uuid4()}"
        async with connect(
            access.address, ca=access.ca, certificate=access.certificate, key=access.key
        ) as client:
            await client.stream_offset(stream_id)  # the connection stands
            go()
            async for answer in client.stream_donations(
                batches, stream_id=stream_id, in_flight=_IN_FLIGHT
            ):
                accepted += answer.accepted
                replayed += answer.replayed
                if answer.suspended or answer.conflicting or answer.refused:
                    raise RuntimeError("a made-up gift was not accepted")
        if (accepted, accepted + replayed) != (self.lot.fresh, self.lot.gifts):
            raise RuntimeError(f"{accepted} were accepted and {replayed} replayed")
        return accepted
