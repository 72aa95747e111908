"""Accounts as rows: what they are, and what binds them."""

from collections.abc import Iterator, Mapping
from typing import Any

from watersmeet.ledger.v1 import ledger_service_pb2 as pb

from services.cli.listed import listed
from services.cli.render import rfc3339, word
from services.cli.sheets.sheet import Column, Kind, Value, named

COLUMNS = (
    Column("account"),
    Column("unit"),
    Column("kind"),
    Column("owner", is_detail=True),
    Column("state"),
    Column("limit"),
    Column("opened", Kind.TIME, is_detail=True),
)


def accounts_of(ledger: Any, prefix: str, *, timeout_s: float) -> Iterator[pb.Account]:
    """The accounts whose codes begin with prefix, by code and unit. ledger: a stub."""
    request = pb.ListAccountsRequest(code_prefix=prefix)
    return listed(ledger.ListAccounts, request, timeout_s=timeout_s)


def row_of(account: pb.Account) -> tuple[Value, ...]:
    """One account."""
    return (
        account.code,
        account.currency_code,
        word(pb.AccountKind, account.kind),
        account.owner,
        word(pb.AccountState, account.state),
        word(pb.AccountLimit, account.limit),
        rfc3339(account.create_time),
    )


def document_of(account: pb.Account) -> Mapping[str, Value]:
    """One account, for programs."""
    return named(COLUMNS, row_of(account))
