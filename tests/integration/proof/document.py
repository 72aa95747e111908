"""docs/audit.md: which check proves which column."""

import re
from collections.abc import Mapping
from pathlib import Path

from tests.integration.proof.tampering import Place

_DOCUMENT = Path(__file__).parents[3] / "docs" / "audit.md"
_ROW = re.compile(r"^\| `(?P<table>\w+)` \| (?P<columns>[^|]+) \| (?P<checks>[^|]+) \| [^|]+ \|$")


def documented(whose: str) -> Mapping[Place, frozenset[str]]:
    """Of one of the databases each column and the checks of which one must fail; none if it proves
    nothing.
    """
    _, _, section = _DOCUMENT.read_text().partition(f"## The {whose} database\n")
    section, _, _ = section.partition("\n## ")
    found: dict[Place, frozenset[str]] = {}
    for line in section.splitlines():
        if row := _ROW.match(line):
            checks = frozenset(re.findall(r"`(\w+)`", row["checks"]))
            assert checks or row["checks"] == "none", line
            for column in re.findall(r"`(\w+)`", row["columns"]):
                place = Place(row["table"], column)
                assert place not in found, place
                found[place] = checks
    return found
