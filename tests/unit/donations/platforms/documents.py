"""Code blocks of the documents, for tests that hold the documents to be true."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[4] / "docs"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(document: str, language: str) -> list[str]:
    """The document's code blocks in that language, in their order."""
    text = (DOCS / document).read_text(encoding="utf-8")
    return [body for kind, body in _BLOCK.findall(text) if kind == language]
