"""What one check of an audit found."""

from dataclasses import dataclass

from services.runtime.errors import Fault

_TOLD_MAX = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One check. covered: how many things it looked at. detail: a sentence or two."""

    name: str
    ok: bool
    covered: int
    detail: str


class Findings:
    """What does not agree: the first few in words, and how many there are."""

    def __init__(self) -> None:
        self._told: list[str] = []
        self._count = 0

    def add(self, finding: str) -> None:
        """Notes one thing that does not agree."""
        self._count += 1
        if len(self._told) < _TOLD_MAX:
            self._told.append(finding)

    def check(self, name: str, covered: int, in_order: str) -> Check:
        """The check that ended. in_order: what to say if nothing was found."""
        if self._count == 0:
            return Check(name, ok=True, covered=covered, detail=in_order)
        return Check(name, ok=False, covered=covered, detail=self._in_words())

    def unfinished(self, name: str, covered: int, fault: Fault) -> Check:
        """The check that a fault ended; what was found until then is told, too."""
        detail = f"could not be made to the end: {fault.reason}: {fault.message}"
        if self._count:
            detail += f"; until then: {self._in_words()}"
        return Check(name, ok=False, covered=covered, detail=detail)

    def _in_words(self) -> str:
        more = self._count - len(self._told)
        return "; ".join(self._told) + (f"; and {more:,} more" if more else "")
