"""What became of a file's rows."""

from collections import Counter
from dataclasses import dataclass, field

_PROJECTS_MAX = 1_000


@dataclass(slots=True)
class Summary:
    """Counts of rows by outcome.

    accepted: recorded now, attributed. suspended: recorded now, in suspense. replayed: recorded
    before. conflicting, refused: not recorded. recorded_micros: by currency, what the accepted,
    suspended and replayed rows sum to.
    """

    accepted: int = 0
    suspended: int = 0
    replayed: int = 0
    conflicting: int = 0
    refused: int = 0
    recorded_micros: Counter[str] = field(default_factory=Counter)
    # By project: rows in suspense, and the line of the first. Of so many projects, then together.
    suspended_rows: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """All rows that are done with."""
        return self.recorded + self.not_accepted

    @property
    def recorded(self) -> int:
        """Rows whose gifts stand in the books."""
        return self.accepted + self.suspended + self.replayed

    @property
    def not_accepted(self) -> int:
        """Rows whose gifts do not stand in the books as the file has them."""
        return self.conflicting + self.refused

    def suspend(self, project: str, line: int) -> None:
        """Notes a row in suspense by its project."""
        if project not in self.suspended_rows and len(self.suspended_rows) >= _PROJECTS_MAX:
            project = "(further projects)"
        count, first = self.suspended_rows.get(project, (0, line))
        self.suspended_rows[project] = (count + 1, first)
