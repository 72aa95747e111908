"""The services' own enums are numbered as the protos that they go over the wire as.

Converters pass the numbers on; a member that had another number, or was missing, would become
another one without a word.
"""

from enum import IntEnum

import pytest
from google.protobuf.descriptor import EnumDescriptor
from watersmeet.donations.v1 import (
    batch_service_pb2,
    donation_intake_service_pb2,
    donor_service_pb2,
)
from watersmeet.gateway.v1 import totals_service_pb2
from watersmeet.ledger.v1 import ledger_service_pb2, period_service_pb2
from watersmeet.type.v1 import purpose_pb2

from services.donations import domain as donations
from services.donations.donors import donor
from services.donations.life.reports import DisputeStatus
from services.donations.life.transitions import State
from services.gateway import domain as gateway
from services.gateway.query import Dimension
from services.ledger import domain as ledger
from services.ledger.audit import batches
from services.ledger.journal import periods

PURPOSE = purpose_pb2.Purpose.DESCRIPTOR
TOTAL_STATE = ledger_service_pb2.TotalState.DESCRIPTOR
LINE_KIND = batch_service_pb2.BatchLineKind.DESCRIPTOR


def numbers_of(descriptor: EnumDescriptor) -> dict[str, int]:
    """Numbers by name, without the prefix that all names share, and without the unspecified."""
    [zero] = [value.name for value in descriptor.values if value.number == 0]
    prefix = zero.removesuffix("UNSPECIFIED")
    return {
        value.name.removeprefix(prefix): value.number for value in descriptor.values if value.number
    }


@pytest.mark.parametrize(
    ("own", "wire"),
    [
        (donations.Outcome, donation_intake_service_pb2.Outcome.DESCRIPTOR),
        (donations.LineKind, LINE_KIND),
        (donations.Purpose, PURPOSE),
        (donor.PutOutcome, donor_service_pb2.PutDonorOutcome.DESCRIPTOR),
        (donor.Purpose, donor_service_pb2.ReadingPurpose.DESCRIPTOR),
        (DisputeStatus, donation_intake_service_pb2.DisputeStatus.DESCRIPTOR),
        (gateway.TotalState, TOTAL_STATE),
        (gateway.Purpose, PURPOSE),
        (Dimension, totals_service_pb2.Dimension.DESCRIPTOR),
        (batches.LineKind, LINE_KIND),
        (ledger.AccountKind, ledger_service_pb2.AccountKind.DESCRIPTOR),
        (ledger.AccountState, ledger_service_pb2.AccountState.DESCRIPTOR),
        (ledger.AccountLimit, ledger_service_pb2.AccountLimit.DESCRIPTOR),
        (ledger.CauseKind, ledger_service_pb2.CauseKind.DESCRIPTOR),
        (ledger.TotalState, TOTAL_STATE),
        (ledger.Purpose, PURPOSE),
        (periods.PeriodState, period_service_pb2.PeriodState.DESCRIPTOR),
        (periods.PeriodAction, period_service_pb2.PeriodAction.DESCRIPTOR),
    ],
)
def test_every_member_has_its_number(own: type[IntEnum], wire: EnumDescriptor) -> None:
    assert {member.name: member.value for member in own} == numbers_of(wire)


def test_states_of_gifts_are_those_of_totals() -> None:
    totals = numbers_of(TOTAL_STATE)
    assert {state.name: state.value for state in State}.items() <= totals.items()
