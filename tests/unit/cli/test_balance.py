"""`watersmeet balance`: what is held, and what an earlier release does not say."""

import json

import grpc
import pytest
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as pb_grpc
from watersmeet.type.v1.money_pb2 import Money

from services.cli.reading.balances import HELD_COLUMNS, held_row_of
from services.cli.sheets.sheet import Amount
from tests.unit.cli.conftest import ServeMesh, run


def cny(micros: int) -> Money:
    return Money(currency_code="CNY", micros=micros)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, ("—", "—")),
        ({"held": cny(0), "available": cny(5)}, (Amount(0, "CNY"), Amount(5, "CNY"))),
    ],
)
def test_what_is_not_known_is_a_dash_and_never_zero(
    fields: dict[str, Money], shown: tuple[object, object]
) -> None:
    balance = pb.Balance(
        code="sponsor/lin/pool", kind=pb.ACCOUNT_KIND_LIABILITY, balance=cny(5), **fields
    )
    row = held_row_of(balance)
    assert row[-2:] == shown
    assert len(row) == len(HELD_COLUMNS)


class FakeLedger(pb_grpc.LedgerServiceServicer):
    """An account in two units. Each answer is of a later entry than the one before."""

    def __init__(self) -> None:
        self.asked: list[pb.GetBalanceRequest] = []

    def ListAccounts(
        self, request: pb.ListAccountsRequest, context: grpc.ServicerContext
    ) -> pb.ListAccountsResponse:
        units = ("CNY", "JPY")
        return pb.ListAccountsResponse(
            accounts=[pb.Account(code="x", currency_code=unit) for unit in units]
        )

    def GetBalance(
        self, request: pb.GetBalanceRequest, context: grpc.ServicerContext
    ) -> pb.GetBalanceResponse:
        self.asked.append(request)
        asked_of = request.as_of.sequence
        return pb.GetBalanceResponse(
            balance=pb.Balance(code="x", kind=pb.ACCOUNT_KIND_ASSET, balance=cny(5)),
            as_of_sequence=asked_of or 6 + len(self.asked),
        )


def test_balances_in_several_units_are_of_one_moment(serve_mesh: ServeMesh) -> None:
    fake = FakeLedger()
    state = serve_mesh(ledger=(pb_grpc.add_LedgerServiceServicer_to_server, fake))
    result = run(state, "balance", "x", "--value-date", "2019-09-05", "--json")
    assert result.exit_code == 0, result.exception
    assert json.loads(result.stdout)["as_of_entry"] == 7
    first, second = (one.as_of for one in fake.asked)
    assert (first.WhichOneof("recorded"), second.sequence) == (None, 7)
    assert first.value_date == second.value_date == "2019-09-05"
