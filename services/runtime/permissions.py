"""Who may call what: one table, and what is not in it is denied.

A grant is a role ("partner": every partner) or one caller ("service/gateway").
"""

from collections.abc import Iterator, Mapping

from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, Role

Grants = frozenset[str]

_ALL: Grants = frozenset(Role)
_PARTNER: Grants = frozenset({"partner"})
_OFFICE: Grants = frozenset({"finance", "operator"})
_PARTNER_AND_OFFICE: Grants = _PARTNER | _OFFICE
_FOLLOWER: Grants = _OFFICE | {"service/gateway"}

_SERVICES: Mapping[str, Mapping[str, Grants]] = {
    "grpc.health.v1.Health": {
        "Check": _ALL,
        "Watch": _ALL,
    },
    "grpc.reflection.v1alpha.ServerReflection": {
        "ServerReflectionInfo": frozenset({"operator", "service"}),
    },
    "watersmeet.donations.v1.DonationIntakeService": {
        "RecordDonation": _PARTNER,
        "StreamDonations": _PARTNER,
        "RecordRefund": _PARTNER,
        "AcceptNotification": frozenset({"service/gateway"}),
        "GetDonation": _PARTNER_AND_OFFICE,
        "ListDonations": _PARTNER_AND_OFFICE,
    },
    "watersmeet.donations.v1.LifeService": {
        "RecordDispute": _PARTNER,
        "RecordStages": frozenset({"finance", "service/ledger"}),
        "ListReports": _PARTNER_AND_OFFICE,
    },
    "watersmeet.donations.v1.CatalogService": {
        "CreateCharity": _OFFICE,
        "CreateProject": _OFFICE,
        "CreateCampaign": _OFFICE,
        "AddCertificate": _OFFICE,
        "CloseProject": _OFFICE,
        "GetCharity": _ALL,
        "GetProject": _ALL,
        "GetCampaign": _ALL,
        "ListCharities": _ALL,
        "ListProjects": _ALL,
        "ListCampaigns": _ALL,
    },
    "watersmeet.donations.v1.DonorService": {
        "PutDonor": _PARTNER,
        "GetDonor": _PARTNER | {"finance"},
        "EraseDonor": _PARTNER_AND_OFFICE,
    },
    "watersmeet.donations.v1.PledgeService": {
        "CreatePledges": _PARTNER,
        "EndPledge": _PARTNER,
        "RecordOrders": _PARTNER,
        "GiveRemainder": _PARTNER,
        "GetPledge": _PARTNER_AND_OFFICE,
        "ListPledges": _PARTNER_AND_OFFICE,
        "GetOrder": _PARTNER_AND_OFFICE,
    },
    "watersmeet.donations.v1.NotificationService": {
        "AcceptNotifications": frozenset({"service/gateway"}),
    },
    "watersmeet.donations.v1.ReviewService": {
        "ListConflicts": _PARTNER_AND_OFFICE,
        "ListQuarantine": _OFFICE,
        "GetQuarantined": frozenset({"finance"}),
        "ReplayQuarantine": frozenset({"finance"}),
    },
    "watersmeet.donations.v1.AllocationService": {
        "ListSuspense": _PARTNER_AND_OFFICE,
        "AllocateDonations": frozenset({"finance"}),
    },
    "watersmeet.donations.v1.PositionService": {
        "CheckPositions": frozenset({"service/ledger", "finance"}),
    },
    "watersmeet.donations.v1.RecordService": {
        "CheckRecords": frozenset({"service/ledger", "finance"}),
    },
    "watersmeet.donations.v1.BatchService": {
        "SummarizeBatches": frozenset({"service/ledger", "finance"}),
    },
    "watersmeet.ledger.v1.LedgerService": {
        "PostEntries": frozenset({"service/donations", "finance"}),
        "CreateAccount": frozenset({"finance"}),
        "GetAccount": _OFFICE,
        "ListAccounts": _OFFICE,
        "GetEntry": _OFFICE,
        "ListEntries": _OFFICE,
        "GetBalance": _OFFICE,
        "GetTrialBalance": _OFFICE,
        "StreamEntries": _FOLLOWER,
        "ReadTotals": _FOLLOWER,
    },
    "watersmeet.ledger.v1.FeedService": {
        "StreamTotals": _FOLLOWER,
    },
    "watersmeet.ledger.v1.StatementService": {
        "GetStatement": _OFFICE,
        "StreamStatement": _OFFICE,
        "StreamTrialBalance": _OFFICE,
    },
    "watersmeet.ledger.v1.AccountService": {
        "ChangeAccount": frozenset({"finance"}),
    },
    "watersmeet.ledger.v1.HoldService": {
        "CommitHold": frozenset({"finance"}),
        "VoidHold": frozenset({"finance"}),
        "GetHold": _OFFICE,
        "ListHolds": _OFFICE,
    },
    "watersmeet.ledger.v1.PeriodService": {
        "DecidePeriod": frozenset({"finance"}),
        "GetPeriod": _OFFICE,
        "ListPeriods": _OFFICE,
        "ListLateArrivals": _OFFICE,
    },
    "watersmeet.ledger.v1.ReversalService": {
        "ReverseEntry": frozenset({"finance"}),
    },
    "watersmeet.ledger.v1.AuditService": {
        "RunAudit": _OFFICE,
    },
    "watersmeet.ledger.v1.LogService": {
        "GetCheckpoint": _ALL,
        "ListCheckpoints": _ALL,
        "ListLogKeys": _ALL,
        "GetInclusionProof": _ALL,
        "GetConsistencyProof": _ALL,
        "StreamArchive": _OFFICE,
    },
    "watersmeet.gateway.v1.TotalsService": {
        "GetTotals": _ALL,
        "WatchTotals": _ALL,
    },
}


def _rows() -> Iterator[tuple[str, Grants]]:
    for service, methods in _SERVICES.items():
        for method, grants in methods.items():
            yield f"/{service}/{method}", grants


PERMISSIONS: Mapping[str, Grants] = dict(_rows())
"""Full method name, as gRPC states it, to its grants."""


def require_permission(method: str, caller: Caller) -> None:
    """Raises Fault(PERMISSION_DENIED) unless the table grants method to caller."""
    grants = PERMISSIONS.get(method, frozenset())
    if caller.role not in grants and str(caller) not in grants:
        raise Fault(
            Reason.PERMISSION_DENIED,
            f"{caller} may not call {method}; "
            "use a certificate of a role that may, or ask the mesh's operator for the grant",
        )
