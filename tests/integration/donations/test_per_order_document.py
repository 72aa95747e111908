"""docs/per-order-giving.md is true: its example runs as it stands, and prints what it says."""

import asyncio
import re
import shutil
import sys
from pathlib import Path

from services.runtime.server import Server
from tests.support.identities import Certificates

DOCUMENT = Path(__file__).parents[3] / "docs" / "per-order-giving.md"


async def test_the_worked_example_prints_what_the_document_says(
    server: Server, certificates: Certificates, tmp_path: Path
) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    [example] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    [printed] = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    (tmp_path / "orders.py").write_text(example, encoding="utf-8")
    files = certificates.settings_for("partner", "weibo")
    for setting, name in (
        ("ca_file", "ca.crt"),
        ("certificate_file", "partner.crt"),
        ("key_file", "partner.key"),
    ):
        shutil.copy(files[setting], tmp_path / name)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        tmp_path / "orders.py",
        server.address,
        tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert out.decode() == printed
