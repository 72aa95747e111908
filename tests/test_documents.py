"""Documents point at what exists."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
PLACE = re.compile(r"`((?:services|protos|deploy|tests|docs|bench)/[\w./-]+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_places_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = [document.parent / link for link in LINK.findall(text)]
    named += [ROOT / place for place in PLACE.findall(text)]
    missing = [str(path) for path in named if not path.exists()]
    assert missing == []


def test_there_are_documents() -> None:
    assert ROOT / "README.md" in DOCUMENTS
    assert ROOT / "docs/architecture.md" in DOCUMENTS
