"""Balances as rows."""

from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.type.v1.money_pb2 import Money

from services.cli.render import word
from services.cli.sheets.sheet import Amount, Column, Kind, Value

COLUMNS = (
    Column("account"),
    Column("unit"),
    Column("kind"),
    Column("debits", Kind.AMOUNT),
    Column("credits", Kind.AMOUNT),
    Column("balance", Kind.AMOUNT),
)

HELD_COLUMNS = (*COLUMNS, Column("held", Kind.AMOUNT), Column("available", Kind.AMOUNT))
"""With what open holds would take, and what is left."""


def row_of(balance: pb.Balance) -> tuple[Value, ...]:
    """One balance."""
    return (
        balance.code,
        balance.balance.currency_code,
        word(pb.AccountKind, balance.kind),
        amount_of(balance.debits),
        amount_of(balance.credits),
        amount_of(balance.balance),
    )


def held_row_of(balance: pb.Balance) -> tuple[Value, ...]:
    """One balance, with what is held of it. A ledger of an earlier release does not say that of a
    moment in the past: the cells are dashes then.
    """
    if balance.HasField("held"):
        return (*row_of(balance), amount_of(balance.held), amount_of(balance.available))
    return (*row_of(balance), "—", "—")


def amount_of(money: Money) -> Amount:
    """An amount of the contract, as a sheet has it."""
    return Amount(money.micros, money.currency_code)
