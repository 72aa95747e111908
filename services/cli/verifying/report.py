"""What a verification found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_TOLD_MAX = 50


class Finding(NamedTuple):
    """One thing that is wrong. file: of the archive. entry: its number; line: of the file, from 1;
    0 where there is none.
    """

    file: str
    what: str
    entry: int = 0
    line: int = 0

    def __str__(self) -> str:
        places = [self.file]
        if self.entry:
            places.append(f"entry {self.entry:,}")
        if self.line:
            places.append(f"line {self.line:,}")
        return f"{', '.join(places)}: {self.what}"


@dataclass
class Report:
    """The whole of it. signed_until: the entries that a verified checkpoint covers.

    keys_are_given: whether signatures were held to keys from outside of the archive.
    kept: checkpoints from outside that the archive continues.
    """

    entries: int = 0
    transfers: int = 0
    accounts: int = 0
    checkpoints: int = 0
    signed_until: int = 0
    head_hash: str = ""
    keys_are_given: bool = False
    kept: int = 0
    findings: list[Finding] = field(default_factory=list)
    more: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def add(self, finding: Finding) -> None:
        """Notes one thing that is wrong; beyond fifty they are only counted."""
        if len(self.findings) < _TOLD_MAX:
            self.findings.append(finding)
        else:
            self.more += 1

    def extend(self, findings: Sequence[Finding]) -> None:
        """Notes several."""
        for finding in findings:
            self.add(finding)
