"""What the system says in the end: the gateway's totals, the ledger's balances, the audit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC

import grpc
from watersmeet.donations.v1 import batch_service_pb2 as batch
from watersmeet.donations.v1 import life_service_pb2 as life
from watersmeet.donations.v1.batch_service_pb2_grpc import BatchServiceStub
from watersmeet.donations.v1.life_service_pb2_grpc import LifeServiceStub
from watersmeet.gateway.v1 import totals_service_pb2 as totals
from watersmeet.gateway.v1.totals_service_pb2_grpc import TotalsServiceStub
from watersmeet.ledger.v1 import audit_service_pb2 as audit
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger
from watersmeet.ledger.v1.audit_service_pb2_grpc import AuditServiceStub
from watersmeet.ledger.v1.ledger_service_pb2_grpc import LedgerServiceStub
from watersmeet.type.v1 import purpose_pb2 as purpose

from services.cli.simulator.expectation import Cell, Purpose, State

_TIMEOUT_S = 10.0
_AUDIT_TIMEOUT_S = 120.0
_PAGE_ROWS = 1_000

_STATES = {
    ledger.TOTAL_STATE_CLAIMED: State.CLAIMED,
    ledger.TOTAL_STATE_SUSPENSE: State.SUSPENSE,
    ledger.TOTAL_STATE_REFUNDED: State.REFUNDED,
    ledger.TOTAL_STATE_DISPUTED: State.DISPUTED,
}

_PURPOSES = {
    purpose.PURPOSE_CHARITY: Purpose.CHARITY,
    purpose.PURPOSE_APPEAL: Purpose.APPEAL,
    purpose.PURPOSE_UNATTRIBUTED: Purpose.UNATTRIBUTED,
}


@dataclass(frozen=True, slots=True)
class GatewayTotals:
    """The gateway's totals by partner, project, state, currency, purpose and hour, without zeros.

    sequence: the last ledger entry that they count.
    """

    micros: Mapping[Cell, int]
    counts: Mapping[Cell, int]
    sequence: int


@dataclass(frozen=True, slots=True)
class LedgerBalances:
    """The ledger's trial balance, by account code and currency: (debits, credits) in micros.

    sequence: the last entry, which is also how many there are. ties: whether the sums of all debits
    and of all credits are equal in each currency, as the ledger states them and added up here.
    """

    accounts: Mapping[tuple[str, str], tuple[int, int]]
    sequence: int
    ties: bool


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """One check of the auditor."""

    name: str
    ok: bool
    covered: int
    detail: str


@dataclass(frozen=True, slots=True)
class Audit:
    """The auditor's report."""

    ok: bool
    checks: tuple[AuditCheck, ...]


class Books:
    """Reads a mesh's books over finance's channels. Every method raises grpc.aio.AioRpcError."""

    def __init__(
        self, donations: grpc.aio.Channel, ledger: grpc.aio.Channel, gateway: grpc.aio.Channel
    ) -> None:
        self._batches = BatchServiceStub(donations)
        self._life = LifeServiceStub(donations)
        self._ledger = LedgerServiceStub(ledger)
        self._audit = AuditServiceStub(ledger)
        self._totals = TotalsServiceStub(gateway)

    async def gateway_totals(self) -> GatewayTotals:
        """All totals as the gateway has them now. Raises KeyError for a state of another issue."""
        request = totals.GetTotalsRequest(
            group_by=[totals.DIMENSION_PARTNER, totals.DIMENSION_PROJECT, totals.DIMENSION_HOUR]
        )
        answer = await self._totals.GetTotals(request, timeout=_TIMEOUT_S)
        cells = {
            Cell(
                row.partner,
                row.project,
                _STATES[row.state],
                row.amount.currency_code,
                _PURPOSES[row.purpose],
                row.hour.ToDatetime(UTC),
            ): row
            for row in answer.rows
        }
        assert len(cells) == len(answer.rows), "one row a cell"
        return GatewayTotals(
            {cell: row.amount.micros for cell, row in cells.items() if row.amount.micros},
            {cell: row.count for cell, row in cells.items() if row.count},
            answer.as_of.sequence,
        )

    async def ledger_balances(self) -> LedgerBalances:
        """All accounts as the ledger has them now."""
        answer = await self._ledger.GetTrialBalance(
            ledger.GetTrialBalanceRequest(), timeout=_TIMEOUT_S
        )
        accounts = {
            (b.code, b.debits.currency_code): (b.debits.micros, b.credits.micros)
            for b in answer.balances
        }
        assert len(accounts) == len(answer.balances), "one account a code and currency"
        added: dict[str, tuple[int, int]] = {}
        for (_, currency), (debited, credited) in accounts.items():
            debits, credits_ = added.get(currency, (0, 0))
            added[currency] = debits + debited, credits_ + credited
        stated = {s.debits.currency_code: (s.debits.micros, s.credits.micros) for s in answer.sums}
        ties = stated == added and all(debits == credits_ for debits, credits_ in added.values())
        return LedgerBalances(accounts, answer.as_of_sequence, ties)

    async def counted_elsewhere(self, partners: Iterable[str]) -> int:
        """How many of these partners' reports are about gifts that another partner's count."""
        count = 0
        for partner in partners:
            request = life.ListReportsRequest(partner=partner, page_size=_PAGE_ROWS)
            while True:
                page = await self._life.ListReports(request, timeout=_TIMEOUT_S)
                count += sum(not report.counts for report in page.reports)
                if not page.next_page_token:
                    break
                request.page_token = page.next_page_token
        return count

    async def everything_is_posted(self) -> bool:
        """Whether the ledger has an entry for every batch of gifts and refunds."""
        stream = self._batches.SummarizeBatches(
            batch.SummarizeBatchesRequest(), timeout=_AUDIT_TIMEOUT_S
        )
        return all([summary.posted async for summary in stream])

    async def audit(self) -> Audit:
        """Has the ledger audit itself against the donations service."""
        stream = self._audit.RunAudit(audit.RunAuditRequest(), timeout=_AUDIT_TIMEOUT_S)
        async for answer in stream:
            if answer.HasField("report"):
                checks = tuple(
                    AuditCheck(check.name, check.ok, check.covered, check.detail)
                    for check in answer.report.checks
                )
                return Audit(answer.report.ok, checks)
        raise RuntimeError("the audit ended without a report")
