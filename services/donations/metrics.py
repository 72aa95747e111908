"""What intake counts. Labels are bounded: partners have certificates, outcomes are an enum."""

from prometheus_client import Counter, Gauge, Histogram

GIFTS = Counter(
    "watersmeet_gifts", "Gifts reported, by what became of them.", ["partner", "outcome"]
)
REFUNDS = Counter("watersmeet_refunds", "Refunds reported, by what became of them.", ["outcome"])
ORDERS = Counter("watersmeet_orders", "Orders reported, by what became of them.", ["outcome"])
ALLOCATIONS = Counter(
    "watersmeet_allocations",
    "Gifts in suspense that were to be allocated, by what became of them.",
    ["outcome"],
)
QUEUED_ROWS = Gauge("watersmeet_queued_rows", "Rows that are queued or being committed.")
GROUP_ROWS = Histogram(
    "watersmeet_commit_group_rows",
    "Rows committed together.",
    buckets=(1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000),
)
GROUP_SECONDS = Histogram(
    "watersmeet_commit_group_seconds",
    "Seconds from the start of a group's transaction until it is durable, retries included.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
GROUP_RETRIES = Counter(
    "watersmeet_commit_group_retries", "Transactions begun anew after the database failed."
)
STAGED_GROUPS = Counter(
    "watersmeet_commit_group_staged", "Groups committed through staging, as repeats were expected."
)
CONFLICTS = Counter("watersmeet_conflicts", "Reports of a known id with other content.")
LINKS_REFUSED = Counter(
    "watersmeet_links_refused", "Gifts that name a rail's report which too many others name."
)
WAITING_REPORTS = Gauge("watersmeet_waiting_reports", "Reports that wait for what they are about.")
QUARANTINED = Counter(
    "watersmeet_quarantined", "Notices kept in quarantine.", ["platform", "reason"]
)
REPLAYS = Counter(
    "watersmeet_quarantine_replays",
    "Notices read again from quarantine, by what it came to.",
    ["platform", "outcome"],
)
QUARANTINE_DROPPED = Counter(
    "watersmeet_quarantine_dropped", "Notices not kept, as too much was kept already.", ["platform"]
)
OUTBOX_ROWS = Gauge("watersmeet_outbox_rows", "Batches that the ledger has not acknowledged.")
OUTBOX_AGE_SECONDS = Gauge(
    "watersmeet_outbox_age_seconds", "Age of the oldest batch that the ledger has not acknowledged."
)
RELAY_FAILURES = Counter(
    "watersmeet_relay_failures", "Calls and entries that the ledger refused or missed.", ["reason"]
)
DONOR_CONTACTS = Counter(
    "watersmeet_donor_contacts", "Donors' contacts that were sent or erased.", ["outcome"]
)
DONOR_KEYS_OUTDATED = Gauge(
    "watersmeet_donor_keys_outdated",
    "Donors' keys that another key than the newest wraps, after the start.",
)
