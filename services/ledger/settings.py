"""What the ledger is told from outside: WATERSMEET_LEDGER_… in the environment."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Address, DatabaseSettings, ServerSettings


class Settings(ServerSettings, DatabaseSettings):
    """The ledger's settings; each has a default but addresses and certificates."""

    model_config = SettingsConfigDict(env_prefix="WATERSMEET_LEDGER_")

    # Where the donations service listens, whose batches the audit compares.
    donations_address: Address
    # Transfers that may wait to be written; a call beyond is refused with QUEUE_FULL.
    queue_transfers: int = Field(default=200_000, gt=0)
    # Transfers that one transaction takes, unless one call alone has more. While the database works
    # on one group the next calls are made ready, so a group is no larger than it has to be.
    group_transfers: int = Field(default=8_000, gt=0)
    # Transfers whose changes the totals' tables may lack, before all are added to them at once. A
    # reading of the totals adds up so many by itself; 0 leaves none.
    uncounted_transfers: int = Field(default=100_000, ge=0)
    # How long posting tries again while the database is away. Shorter than call_timeout_s.
    retry_s: float = Field(default=10.0, gt=0)
    # How many days ahead of the clock an entry may count that is not of intake's. Room for bank
    # days and a month's end, and none for a year that was misspelt.
    value_ahead_days: int = Field(default=31, ge=1, le=3_660)
    # How long this process's right to write holds without being renewed, which it is four times as
    # often. Another ledger on the same database takes over at most this and a quarter after a kill.
    lease_s: float = Field(default=3.0, ge=0.2, le=60)
    # How soon a hold ends whose time is over while nobody posts.
    expire_every_s: float = Field(default=1.0, gt=0)
    # How soon readers of the feed see what another process has written.
    feed_poll_s: float = Field(default=0.5, gt=0)
    # Entries in one rollup, which is the most that a question about the past adds up by itself.
    rollup_entries: int = Field(default=10_000, gt=0)
    # How often it is looked whether there are as many.
    rollup_poll_s: float = Field(default=5.0, gt=0)
    # The longest time between two checkpoints of the feed.
    checkpoint_s: float = Field(default=2.0, gt=0, le=5)
    # Readings of totals or all balances, and audits, at once; each holds a connection of its own.
    snapshots_max: int = Field(default=4, gt=0, le=32)
    # The longest that one statement of those may take.
    snapshot_statement_timeout_s: float = Field(default=600.0, gt=0)
    # From the end of one audit to the beginning of the next, on the ledger that writes.
    audit_every_s: float = Field(default=86_400.0, gt=0)
    # The longest that reading the totals, or all balances, may take, however slow its reader.
    read_totals_timeout_s: float = Field(default=60.0, gt=0)
    # The longest that donations may tell an audit nothing, while it adds up its batches.
    summarize_silence_s: float = Field(default=600.0, gt=0)

    # The Ed25519 key in PEM that checkpoints of the log are signed with; without it none are.
    log_key_file: Path | None = None
    # A second one, while the key is being changed: checkpoints get both signatures.
    log_next_key_file: Path | None = None
    # The log's name in checkpoints: like a URL without its scheme, and never changed.
    log_origin: str = Field(default="watersmeet.example/ledger", pattern=r"^[!-*,-~]{1,128}$")
    # A checkpoint is signed when so many entries wait for one, or one of them for so long.
    log_entries: int = Field(default=10_000, gt=0)
    log_s: float = Field(default=10.0, gt=0)
