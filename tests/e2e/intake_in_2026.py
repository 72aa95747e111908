"""Intake whose clock stands at the senders' time: `python -m tests.e2e.intake_in_2026`.

The tests' senders sign their notices as of one moment, and platforms' signatures grow stale.
"""

import asyncio
import sys

from services.donations.__main__ import compose, migrate
from services.donations.settings import Settings
from services.runtime.server import run_service
from tests.unit.donations.platforms.senders import NOW


async def main() -> None:
    settings = Settings.from_environment()
    await asyncio.to_thread(migrate, settings)
    async with compose(settings, lambda: NOW) as (server, catalog):
        await server.run(ready=catalog.refresh)


if __name__ == "__main__":
    sys.exit(run_service(main))
