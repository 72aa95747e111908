"""What the gateway is told from outside: WATERSMEET_GATEWAY_… in the environment."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Address, Addresses, ServerSettings


class Settings(ServerSettings):
    """The gateway's settings. Only the two addresses and the certificate have no default."""

    model_config = SettingsConfigDict(env_prefix="WATERSMEET_GATEWAY_")

    # Several ledgers on one database with commas between; each of them can be followed.
    ledger_address: Addresses
    donations_address: Address

    # The ledger says something every few seconds; silent for so long, it is taken for gone.
    ledger_silence_s: float = Field(default=15.0, gt=0)

    # Watches of totals at once; one more is refused with QUEUE_FULL. Fewer than
    # max_concurrent_calls, so that watchers leave room for other calls.
    watchers_max: int = Field(default=500, gt=0)
    # Of those, one caller's.
    watchers_each_max: int = Field(default=100, gt=0)

    # Plain HTTP, for a proxy that ends TLS in front of it.
    http_listen: Address = "127.0.0.1:0"
    # Open connections; one more is closed at once.
    http_connections_max: int = Field(default=2_000, gt=0)
    # Requests at once; and apart from them platforms' notices, and how much memory those may hold.
    # One notice may have 1 MiB, and nearly all have 2 KiB.
    http_requests_max: int = Field(default=500, gt=0)
    callbacks_max: int = Field(default=1_000, gt=0)
    callbacks_bytes_max: int = Field(default=64 * 1024 * 1024, ge=2 * 1024 * 1024)
    # How long a client may take to send a request's headers or to send the next request, to send a
    # body, and to take an answer.
    http_idle_s: float = Field(default=30.0, gt=0)
    http_body_s: float = Field(default=10.0, gt=0)
    http_answer_s: float = Field(default=30.0, gt=0)
    # What intake has for one notice. Platforms wait five seconds for an answer.
    callback_timeout_s: float = Field(default=4.0, gt=0)
