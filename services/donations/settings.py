"""What intake is told from outside: WATERSMEET_DONATIONS_… in the environment."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Addresses, DatabaseSettings, ServerSettings


class Settings(ServerSettings, DatabaseSettings):
    """Intake's settings; each has a default but addresses, certificates and the donors' key."""

    model_config = SettingsConfigDict(env_prefix="WATERSMEET_DONATIONS_")

    # Where the ledger listens, to which batches are posted; several ledgers on one database, of
    # which one writes, with commas between.
    ledger_address: Addresses
    # At least 32 secret bytes, which make donors' references into tokens. Keep it: another key
    # makes other tokens, and then a repeated report looks like one with other content.
    donor_key_file: Path
    # A folder of key-encryption keys, `<id>.key` of 32 secret bytes each; the last by name wraps
    # donors' own keys. Without it no contacts are kept.
    donor_keys_dir: Path | None = None
    # platforms.toml; without it no platform's notice is taken.
    platforms_file: Path | None = None
    # Writers at once. Each has a connection of its own.
    lanes: int = Field(default=2, gt=0, le=16)
    # Rows that one transaction takes, unless one submission alone has more.
    group_rows: int = Field(default=40_000, gt=0)
    # Rows queued and being committed; streams wait, and a call beyond is refused with QUEUE_FULL.
    queue_rows: int = Field(default=200_000, gt=0)
    # How long a lane waits for company when little is queued.
    gather_s: float = Field(default=0.002, ge=0, le=1)
    # Batches of one stream that are held at a time.
    stream_in_flight: int = Field(default=8, gt=0, le=64)
    # What is kept of each platform's forged and malformed notices in an hour.
    quarantine_bytes_an_hour: int = Field(default=64 * 1024 * 1024, gt=0)
