"""The projects that gifts can be given to, as the world may know them. Plain Python."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from services.gateway.domain import Purpose
from services.runtime.errors import Fault, Reason

PAGE_PROJECTS = 500
"""Projects of one answer."""


class Certificate(NamedTuple):
    """A certificate of public fundraising. The days are ISO 8601's, China's, and both included."""

    number: str
    valid_from: str
    valid_until: str


class Charity(NamedTuple):
    """Who runs a project. credit_code: empty for one abroad."""

    code: str
    name: str
    credit_code: str
    certificates: tuple[Certificate, ...]


class Project(NamedTuple):
    """A charity's project; or a personal appeal, which has a platform that organises it instead."""

    code: str
    name: str
    purpose: Purpose
    charity: Charity | None
    organiser: str
    close_time: datetime | None


class Page(NamedTuple):
    """Some of the projects by code. last: whether no other comes after them."""

    projects: Sequence[Project]
    last: bool


class Listing:
    """All projects as they were last read. One event loop's."""

    def __init__(self) -> None:
        self._projects: Sequence[Project] | None = None
        self._codes: list[str] = []
        self.version = b""

    def load(self, projects: Sequence[Project]) -> None:
        """Takes the place of what was. projects: by code."""
        self._projects = projects
        self._codes = [project.code for project in projects]
        self.version = sha256(repr(projects).encode()).digest()[:8]

    def page(self, after: str) -> Page:
        """The projects whose codes come after one. Raises Fault(DEPENDENCY_UNAVAILABLE) before
        anything was read.
        """
        if self._projects is None:
            raise Fault(
                Reason.DEPENDENCY_UNAVAILABLE,
                "the catalog has not been read yet; ask again in a second",
                retry_after=1.0,
            )
        start = bisect_right(self._codes, after)
        end = start + PAGE_PROJECTS
        return Page(self._projects[start:end], end >= len(self._projects))
