"""What gifts can be given to, kept in memory so that no gift waits for the database to learn it.

Read again when a code comes that is not known, though at most every second, and every half minute.
What another process adds meanwhile is missed for as long; so before a gift is put in suspense, its
transaction looks whether the catalog has grown (commit/recording.py).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, Protocol

import structlog

from services.donations.catalog.certificates import ALWAYS, Certificate
from services.donations.domain import Purpose, SuspenseReason, micros_of
from services.donations.gifts.columns import Target
from services.runtime.database import fault_of

_log = structlog.get_logger()

REFRESH_S = 30.0
REFRESH_PAUSE_S = 1.0

_ALWAYS_MICROS = 2**62
_NEVER_MICROS = -(2**62)
_KEPT_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Charity:
    """An organisation that may raise funds.

    credit_code: empty for one abroad. certificates: of its qualification, in the order of days.
    """

    code: str
    name: str
    credit_code: str = ""
    certificates: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """What money is restricted to: a charity's project, or a personal appeal.

    charity: of a project; empty for an appeal. organiser: the partner that answers for an appeal;
    empty for a project. close_time: from then on its gifts go to suspense.
    """

    code: str
    name: str
    charity: str = ""
    close_time: datetime | None = None
    purpose: Purpose = Purpose.CHARITY
    organiser: str = ""


@dataclass(frozen=True, slots=True)
class Campaign:
    """An occasion of giving, from start_time until before end_time."""

    code: str
    name: str
    start_time: datetime
    end_time: datetime
    time_zone: str


class Extent(NamedTuple):
    """How much the catalog holds that gifts are attributed by. It only ever grows, so that what
    was read of another extent is not all that there is.
    """

    projects: int = 0
    campaigns: int = 0
    certificates: int = 0
    closures: int = 0


class StaleCatalog(Exception):
    """Gifts would stand in suspense by a catalog that has grown; read it again, and place them."""


class KnownProject(NamedTuple):
    """A project as gifts see it.

    qualified: when its charity may raise funds publicly, as certificates.qualified says it; always
    for a personal appeal.
    """

    id: int
    purpose: Purpose
    close_time: datetime | None
    qualified: tuple[int, ...] = ALWAYS


class KnownCampaign(NamedTuple):
    """A campaign as gifts see it."""

    id: int
    start_time: datetime
    end_time: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is known at one moment, by code."""

    partners: Mapping[str, int] = field(default_factory=dict)
    projects: Mapping[str, KnownProject] = field(default_factory=dict)
    campaigns: Mapping[str, KnownCampaign] = field(default_factory=dict)
    extent: Extent = field(default_factory=Extent)


class Standing(NamedTuple):
    """Where gifts to one target stand.

    purpose: of the project; UNATTRIBUTED if there is none.
    reason: why all of them stand in suspense, 0 if they do not. The moments, in micros since 1970,
    say which of them do because of when they were made: at project_close and after, before
    campaign_start, or at campaign_end and after, or while its charity is not qualified
    (certificates.qualified).
    """

    partner_id: int
    project_id: int
    campaign_id: int
    purpose: Purpose
    reason: int
    project_close: int
    campaign_start: int
    campaign_end: int
    qualified: tuple[int, ...]


class CatalogReader(Protocol):
    """The part of the store that the catalog reads."""

    async def snapshot(self) -> Snapshot:
        """All that is known now."""

    async def add_partner(self, code: str) -> int:
        """The partner's id, made on first use."""


class Catalog:
    """The catalog in memory."""

    def __init__(self, store: CatalogReader, clock: Callable[[], float] | None = None) -> None:
        """clock: seconds, monotonic; the running loop's if None."""
        self._store = store
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._snapshot = Snapshot()
        # Of targets that are known, until the catalog is read anew: batches name the same ones.
        self._kept: dict[Target, Standing] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    @property
    def extent(self) -> Extent:
        """Of what is known here."""
        return self._snapshot.extent

    @property
    def known(self) -> Snapshot:
        """All that is known here."""
        return self._snapshot

    async def refresh(self) -> None:
        """Reads everything again. Raises the database's errors."""
        async with self._reading:
            await self._read()

    async def keep_fresh(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Reads everything again every half minute, for ever; for a background task.

        While the database is away, what is known is what was.
        """
        while True:
            await sleep(REFRESH_S)
            try:
                await self.refresh()
            except Exception as error:
                fault = fault_of(error)
                if fault is None:
                    raise
                _log.warning("the catalog could not be read", reason=fault.reason.value)

    async def standings(self, targets: Iterable[Target]) -> list[Standing]:
        """Where gifts to each target stand. Unknown codes are looked up, then stand in suspense."""
        targets = list(targets)
        kept = [self._kept[target] for target in targets if target in self._kept]
        if len(kept) == len(targets):
            return kept
        known = self._snapshot
        if any(
            target.project not in known.projects
            or (target.campaign and target.campaign not in known.campaigns)
            for target in targets
        ):
            await self._look_up()
        for partner in {target.partner for target in targets}:
            await self.partner_id(partner)
        standings = [self._standing(target) for target in targets]
        if len(self._kept) < _KEPT_MAX:
            pairs = zip(targets, standings, strict=True)
            self._kept.update((target, one) for target, one in pairs if not one.reason)
        return standings

    async def partner_id(self, code: str) -> int:
        """The partner's id, made on first use: for callers whose certificate names the partner."""
        known = self._snapshot.partners.get(code)
        if known is not None:
            return known
        made = await self._store.add_partner(code)
        snapshot = self._snapshot
        self._snapshot = replace(snapshot, partners={**snapshot.partners, code: made})
        return made

    async def known_partner_id(self, code: str) -> int | None:
        """The partner's id; None if it never reported anything."""
        if code not in self._snapshot.partners:
            await self._look_up()
        return self._snapshot.partners.get(code)

    async def _look_up(self) -> None:
        """Reads everything again unless that was just done."""
        seen = self._read_at
        async with self._reading:
            just_read = self._clock() - self._read_at < REFRESH_PAUSE_S
            if self._read_at == seen and not just_read:
                await self._read()

    async def _read(self) -> None:
        snapshot = await self._store.snapshot()
        # A partner that another task added meanwhile is not forgotten.
        partners = {**self._snapshot.partners, **snapshot.partners}
        self._snapshot = replace(snapshot, partners=partners)
        self._kept.clear()
        self._read_at = self._clock()

    def _standing(self, target: Target) -> Standing:
        known = self._snapshot
        project = known.projects.get(target.project)
        campaign = known.campaigns.get(target.campaign)
        reason = 0
        if project is None:
            reason = (
                SuspenseReason.PROJECT_UNKNOWN if target.project else SuspenseReason.PROJECT_MISSING
            )
        elif target.campaign and campaign is None:
            reason = SuspenseReason.CAMPAIGN_UNKNOWN
        closes = project.close_time if project else None
        return Standing(
            known.partners[target.partner],
            project.id if project else 0,
            campaign.id if campaign else 0,
            project.purpose if project else Purpose.UNATTRIBUTED,
            int(reason),
            micros_of(closes) if closes else _ALWAYS_MICROS,
            micros_of(campaign.start_time) if campaign else _NEVER_MICROS,
            micros_of(campaign.end_time) if campaign else _ALWAYS_MICROS,
            project.qualified if project else (),
        )
