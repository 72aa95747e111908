"""Audits the books again and again, so that nobody has to remember to."""

import asyncio
from collections.abc import Callable

import structlog

from services.ledger.audit.auditor import Auditor, Report
from services.runtime.database import fault_of
from services.runtime.errors import Fault

_log = structlog.get_logger()

FIRST_S = 600.0
"""A process that has just started has other things to do, and may be started every day."""


class AuditSchedule:
    """Runs in the background of every ledger; the one that writes audits."""

    def __init__(self, auditor: Auditor, is_writing: Callable[[], bool], *, every_s: float) -> None:
        """every_s: from the end of one audit to the beginning of the next."""
        self._auditor = auditor
        self._is_writing = is_writing
        self._every_s = every_s

    async def run(self) -> None:
        """Audits for ever. What an audit finds is in its metrics and in the log."""
        pause = min(FIRST_S, self._every_s)
        while True:
            await asyncio.sleep(pause)
            pause = self._every_s
            if self._is_writing():
                await self.audit()

    async def audit(self) -> Report | None:
        """Audits once; None if that could not be done to the end."""
        try:
            async for result in self._auditor.run():
                if isinstance(result, Report):
                    _log.info("audited", ok=result.ok, sequence=result.head.sequence)
                    return result
        except Exception as error:
            fault = error if isinstance(error, Fault) else fault_of(error)
            if fault is None:
                raise
            _log.warning("the audit could not be made", reason=fault.reason.value)
        return None
