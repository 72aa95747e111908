"""`watersmeet balance`: what is held, and what an earlier release does not say."""

import pytest
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.type.v1.money_pb2 import Money

from services.cli.reading.balances import HELD_COLUMNS, held_row_of
from services.cli.sheets.sheet import Amount


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
