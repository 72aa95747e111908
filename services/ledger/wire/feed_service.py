"""FeedService: convert, call, convert."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from watersmeet.ledger.v1 import feed_service_pb2 as pb
from watersmeet.ledger.v1 import feed_service_pb2_grpc as pb_grpc

from services.ledger.reading.feed import Checkpoint, Feed
from services.ledger.wire.convert import sequence_of
from services.ledger.wire.convert_feed import Telling, checkpoint_message, numbered_cells_of
from services.runtime.served import Context


class FeedService(pb_grpc.FeedServiceServicer):
    """Serves watersmeet.ledger.v1.FeedService."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def StreamTotals(
        self, request: pb.StreamTotalsRequest, _context: Context
    ) -> AsyncIterator[pb.StreamTotalsResponse]:
        """Streams changes of the totals, and checkpoints."""
        after = sequence_of(request.after_sequence, "after_sequence")
        telling = Telling(numbered_cells_of(request))
        async with aclosing(self._feed.totals(after)) as news:
            async for item in news:
                if isinstance(item, Checkpoint):
                    yield pb.StreamTotalsResponse(checkpoint=checkpoint_message(item))
                    continue
                for response in telling.responses(item):
                    yield response
