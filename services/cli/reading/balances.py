"""Balances as rows."""

from watersmeet.ledger.v1 import ledger_service_pb2 as pb

from services.cli.sheets.sheet import Column, Kind, Value

COLUMNS = (
    Column("account"),
    Column("unit"),
    Column("kind"),
    Column("debits", Kind.AMOUNT),
    Column("credits", Kind.AMOUNT),
    Column("balance", Kind.AMOUNT),
)


def row_of(balance: pb.Balance) -> tuple[Value, ...]:
    """One balance."""
    return (
        balance.code,
        balance.balance.currency_code,
        kind_of(balance.kind),
        balance.debits.micros,
        balance.credits.micros,
        balance.balance.micros,
    )


def kind_of(kind: "pb.AccountKind.ValueType") -> str:
    """An account's kind in a word."""
    return pb.AccountKind.Name(kind).removeprefix("ACCOUNT_KIND_").lower()
