"""The table of permissions is complete, and says what it should."""

from importlib import import_module
from pathlib import Path

import pytest
import watersmeet
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, Role
from services.runtime.permissions import PERMISSIONS, require_permission

INTAKE = "/watersmeet.donations.v1.DonationIntakeService"
NOTIFICATIONS = "/watersmeet.donations.v1.NotificationService"
LEDGER = "/watersmeet.ledger.v1.LedgerService"


def methods_of(file: FileDescriptor) -> set[str]:
    return {
        f"/{service.full_name}/{method.name}"
        for service in file.services_by_name.values()
        for method in service.methods
    }


def our_methods() -> set[str]:
    root = Path(next(iter(watersmeet.__path__)))
    protos = [path.relative_to(root.parent) for path in root.glob("**/*.proto")]
    assert len(protos) > 5, "the stubs are where they should be"
    modules = (".".join(path.with_suffix("").parts) + "_pb2" for path in protos)
    return set().union(*(methods_of(import_module(module).DESCRIPTOR) for module in modules))


def test_every_method_has_a_row_and_every_row_a_method() -> None:
    served = our_methods() | methods_of(health_pb2.DESCRIPTOR)
    served |= methods_of(reflection_pb2.DESCRIPTOR)
    assert set(PERMISSIONS) == served


def test_every_grant_is_a_role_or_a_caller_of_one() -> None:
    for grants in PERMISSIONS.values():
        assert grants
        assert {grant.partition("/")[0] for grant in grants} <= set(Role)


@pytest.mark.parametrize(
    ("caller", "method", "allowed"),
    [
        (Caller(Role.PARTNER, "alipay"), f"{INTAKE}/RecordDonation", True),
        (Caller(Role.SERVICE, "gateway"), f"{INTAKE}/RecordDonation", False),
        (Caller(Role.SERVICE, "gateway"), f"{INTAKE}/AcceptNotification", True),
        (Caller(Role.SERVICE, "ledger"), f"{INTAKE}/AcceptNotification", False),
        (Caller(Role.SERVICE, "gateway"), f"{NOTIFICATIONS}/AcceptNotifications", True),
        (Caller(Role.SERVICE, "ledger"), f"{NOTIFICATIONS}/AcceptNotifications", False),
        (Caller(Role.PARTNER, "gateway"), f"{NOTIFICATIONS}/AcceptNotifications", False),
        # A partner that calls itself gateway is still a partner.
        (Caller(Role.PARTNER, "gateway"), f"{INTAKE}/AcceptNotification", False),
        (Caller(Role.PARTNER, "alipay"), f"{LEDGER}/PostEntries", False),
        (Caller(Role.SERVICE, "donations"), f"{LEDGER}/PostEntries", True),
        (Caller(Role.OPERATOR, "local"), f"{LEDGER}/PostEntries", False),
        (Caller(Role.FINANCE, "local"), f"{LEDGER}/GetTrialBalance", True),
        (Caller(Role.PARTNER, "alipay"), "/watersmeet.gateway.v1.TotalsService/GetTotals", True),
        (Caller(Role.OPERATOR, "local"), "/watersmeet.ledger.v1.LedgerService/Unheard", False),
    ],
)
def test_grants(caller: Caller, method: str, allowed: bool) -> None:
    if allowed:
        require_permission(method, caller)
        return
    with pytest.raises(Fault) as caught:
        require_permission(method, caller)
    assert caught.value.reason is Reason.PERMISSION_DENIED
