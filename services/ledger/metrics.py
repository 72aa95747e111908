"""What the ledger counts about itself, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

HEAD_SEQUENCE = Gauge("watersmeet_ledger_head_sequence", "The last entry's sequence.")
ENTRIES_POSTED = Counter("watersmeet_ledger_entries_posted", "Entries written by this process.")
TRANSFERS_POSTED = Counter(
    "watersmeet_ledger_transfers_posted", "Transfers written by this process."
)
GROUP_ENTRIES = Histogram(
    "watersmeet_ledger_group_entries",
    "Drafts that one transaction answered.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000),
)
GROUP_SECONDS = Histogram(
    "watersmeet_ledger_group_seconds",
    "Seconds that one group took, retries and its wait for the one before included.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
QUEUE_TRANSFERS = Gauge("watersmeet_ledger_queue_transfers", "Transfers that wait to be written.")
WRITER = Gauge(
    "watersmeet_ledger_writer", "1 if this process writes, 0 if it stands by for another."
)
AUDIT_OK = Gauge(
    "watersmeet_ledger_audit_ok", "Whether the last audit found a check to be in order.", ["check"]
)
AUDIT_TIME = Gauge(
    "watersmeet_ledger_audit_timestamp_seconds", "When the last audit ended, in Unix time."
)
CHECKPOINT_SIZE = Gauge(
    "watersmeet_ledger_checkpoint_size", "How many entries the latest signed checkpoint covers."
)
CHECKPOINT_TIME = Gauge(
    "watersmeet_ledger_checkpoint_timestamp_seconds",
    "When this process last signed a checkpoint, in Unix time; 0 before.",
)
LOG_BROKEN = Gauge(
    "watersmeet_ledger_log_broken",
    "Whether the log stopped signing because the books do not continue what was signed.",
)
