"""Whatever a page token holds, a list of intake answers with a page or says that it is bad."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from watersmeet.donations.v1 import (
    batch_service_pb2,
    catalog_service_pb2,
    donation_intake_service_pb2,
    donor_service_pb2,
    life_service_pb2,
    notification_service_pb2,
    pledge_service_pb2,
    position_service_pb2,
    record_service_pb2,
    review_service_pb2,
)
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub

from services.runtime.errors import Reason
from tests.integration.donations.conftest import Connect
from tests.integration.donations.messages import donation_request
from tests.support.page_tokens import contents, forged, let_tokens_pass, lists_of, outcomes
from tests.unit.donations.gifts import a_gift

LISTS = lists_of(
    batch_service_pb2,
    catalog_service_pb2,
    donation_intake_service_pb2,
    donor_service_pb2,
    life_service_pb2,
    notification_service_pb2,
    pledge_service_pb2,
    position_service_pb2,
    record_service_pb2,
    review_service_pb2,
)
OF_ONE = {"partner": "weibo"}
ASKED: Mapping[str, Any] = {
    "ListDonations": OF_ONE,
    "ListReports": OF_ONE,
    "ListPledges": OF_ONE,
    "ListConflicts": OF_ONE,
}
CATALOG = "/watersmeet.donations.v1.CatalogService/"


@pytest.fixture(autouse=True)
async def _a_gift(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    intake: Any = DonationIntakeServiceStub(connect("partner", "weibo"))
    await intake.RecordDonation(donation_request(a_gift()), timeout=5)
    let_tokens_pass(monkeypatch)


@pytest.mark.parametrize("parts", [[], ["x"], [None], [1.5, True], [{}], [-1], [2**63], ["\0"], 7])
async def test_what_no_list_gives_out_is_refused(connect: Connect, parts: object) -> None:
    found = await outcomes(connect("finance", "local"), LISTS, ASKED, forged(parts))
    if parts == ["x"]:
        for name in ("ListCharities", "ListProjects", "ListCampaigns"):
            assert found.pop(CATALOG + name) is None
    assert set(found.values()) == {Reason.PAGE_TOKEN_INVALID}, found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=contents())
async def test_a_forged_token_is_borne_or_refused(connect: Connect, parts: object) -> None:
    found = await outcomes(connect("finance", "local"), LISTS, ASKED, forged(parts))
    assert set(found.values()) <= {None, Reason.PAGE_TOKEN_INVALID}, found
