"""A partner that pledges: its stubs, and a pledge of one of its merchants."""

from typing import Any

import pytest
from watersmeet.donations.v1.donation_intake_service_pb2 import OUTCOME_ACCEPTED
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.donations.v1.pledge_service_pb2_grpc import PledgeServiceStub

from tests.integration.donations.conftest import Connect
from tests.integration.donations.pledge_messages import TWO, create, draft
from tests.unit.donations.pledges.pledging import a_pledge


@pytest.fixture
def weibo(connect: Connect) -> Any:
    return PledgeServiceStub(connect("partner", "weibo"))


@pytest.fixture
def intake(connect: Connect) -> Any:
    return DonationIntakeServiceStub(connect("partner", "weibo"))


@pytest.fixture
async def spring(weibo: Any) -> None:
    """The pledge `spring`: 0.3 % to two projects, two to one."""
    answer = await weibo.CreatePledges(create(draft(a_pledge(shares=TWO))), timeout=5)
    assert [result.outcome for result in answer.results] == [OUTCOME_ACCEPTED]
