"""`watersmeet verify` on an archive, beside a bare loop that takes SHA-256 of the same entries."""

import asyncio
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from bench.archive import TRANSFERS_AN_ENTRY, make_archive
from bench.result import Result, alternate, make_result
from bench.row import Plan, Row
from services.cli.verifying.layout import END, ENTRIES, MARK_BYTES

_TRANSFERS_A_SECOND = 250_000


async def run(plan: Plan) -> Result:
    """See Row. With --seconds 4, which is the default, the archive has 1 M transfers."""
    transfers = round(plan.seconds * _TRANSFERS_A_SECOND)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "archive"
        await asyncio.to_thread(make_archive, folder, transfers, seed=1)
        texts = [block[:-MARK_BYTES] for block in (folder / ENTRIES).read_bytes().split(END)[:-1]]

        async def ours(_number: int) -> float:
            started = time.monotonic()
            await asyncio.to_thread(_verify, folder)
            return transfers / (time.monotonic() - started)

        async def reference(_number: int) -> float:
            started = time.monotonic()
            previous = bytes(32)
            for text in texts:
                previous = sha256(previous + text).digest()
            return transfers / (time.monotonic() - started)

        theirs_and_ours = await alternate(plan.repetitions, ours, reference)
    config = {
        "transfers_an_entry": TRANSFERS_AN_ENTRY,
        "entry_bytes": sum(map(len, texts)) // len(texts),
    }
    return make_result(ROW.name, *theirs_and_ours, unit="transfers/s", n=transfers, config=config)


def _verify(folder: Path) -> None:
    """The whole command, from its start to its end, as people run it."""
    command = [sys.executable, "-m", "services.cli.main", "verify", str(folder), "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  our own


ROW = Row("verify", 0.3, run)
