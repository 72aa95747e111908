"""What the gateway counts about itself, for Prometheus.

A gauge is a float by its nature; nothing but a picture is ever made from these.
"""

import asyncio

from prometheus_client import Counter, Gauge, Histogram

from services.gateway.live import LiveTotals
from services.gateway.query import Query

AS_OF_SEQUENCE = Gauge(
    "watersmeet_totals_as_of_sequence", "The last ledger entry that the totals count."
)
LAG = Gauge(
    "watersmeet_totals_lag_seconds", "How long ago the totals were last known to be complete."
)
CELLS = Gauge("watersmeet_totals_cells", "Cells of the totals that are held in memory.")
WATCHERS = Gauge("watersmeet_totals_watchers", "Watches of totals that are open.")
TOTAL = Gauge(
    "watersmeet_total_micros",
    "The combined total in millionths of the currency's unit. "
    "Neither states nor purposes are added up.",
    ["purpose", "state", "currency"],
)
ENTRIES = Counter("watersmeet_feed_entries", "Ledger entries that were counted from the feed.")
INTERRUPTIONS = Counter(
    "watersmeet_feed_interruptions",
    "How often following the ledger was interrupted: away, silent, broken (loaded anew).",
    ["cause"],
)

HTTP_REQUESTS = Counter(
    "watersmeet_http_requests", "HTTP requests answered.", ["route", "method", "code"]
)
HTTP_SECONDS = Histogram(
    "watersmeet_http_request_seconds",
    "Seconds from a request's headers to the end of its answer.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
HTTP_REFUSED = Counter(
    "watersmeet_http_connections_refused", "HTTP connections closed because too many were open."
)


async def publish_totals(live: LiveTotals, *, gather_s: float = 1.0) -> None:
    """Keeps the gauges of the totals up. Runs until it is cancelled.

    gather_s: changes are shown no more often than this; whoever scrapes comes less often.
    """
    LAG.set_function(lambda: live.lag.total_seconds())
    epoch, sequence = b"", 0
    while True:
        wake = live.wake  # before reading, so that no change is missed
        if (totals := live.totals) is not None:
            view = totals.view(Query())
            if totals.epoch != epoch:  # loaded anew: what is no more must not stay
                TOTAL.clear()
                rows = view.rows()
            else:  # what came to nothing included
                rows = view.changed_since(sequence)
            epoch, sequence = totals.epoch, totals.as_of.sequence
            AS_OF_SEQUENCE.set(sequence)
            CELLS.set(len(totals))
            for row in rows:
                labels = row.purpose.name.lower(), row.state.name.lower(), row.currency
                TOTAL.labels(*labels).set(row.micros)
            await asyncio.sleep(gather_s)
        await wake.wait()
