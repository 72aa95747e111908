"""The example in the package's README runs as it stands."""

import asyncio
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from .certificates import Authority, Pair
from .intake import Intake, Server

README = Path(__file__).parents[3] / "protos" / "README.md"


async def test_the_example_runs(
    server: Server, intake: Intake, authority: Authority, partner: Pair, tmp_path: Path
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "report.py").write_text(example, encoding="utf-8")
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    (tmp_path / "partner.crt").write_bytes(partner.certificate)
    (tmp_path / "partner.key").write_bytes(partner.key)

    lines = await run(server, tmp_path)
    assert lines[:2] == ["one gift: 20190905-0001", "refused: DONATION_CONFLICT"]
    assert lines[-2:] == ["from 15000 recorded 5000 known 0", "  of them in suspense 0"]
    assert len(intake.gifts) == 20_001

    # The reader runs it a second time: nothing changes.
    lines = await run(server, tmp_path)
    assert lines[:2] == ["one gift: 20190905-0001", "refused: DONATION_CONFLICT"]
    assert intake.event_times == {datetime(2019, 9, 5, 4, tzinfo=UTC)}
    assert len(intake.gifts) == 20_001


async def run(server: Server, folder: Path) -> list[str]:
    """What the example prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        folder / "report.py",
        server.target,
        folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode().splitlines()
