"""`watersmeet accounts`: which accounts there are."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.tree import Tree
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as pb_grpc
from watersmeet.ledger.v1 import statement_service_pb2 as statement_pb
from watersmeet.ledger.v1 import statement_service_pb2_grpc as statement_grpc

from services.cli.asking import asking
from services.cli.console import make_console
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading import accounts as reading
from services.cli.reading.balances import COLUMNS, row_of
from services.cli.render import with_unit, word
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present
from services.cli.sheets.sheet import Sheet

_TIMEOUT_S = 600.0

accounts = typer.Typer(help="Show which accounts there are.", no_args_is_help=True)


Prefix = Annotated[
    str, typer.Argument(metavar="[PREFIX]", help="Only codes that begin so: partner/, say.")
]


@accounts.command("list")
def list_accounts(
    prefix: Prefix = "",
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """List accounts with their states and limits; `account` changes these."""
    with asking(mesh, "ledger") as channel:
        ledger = pb_grpc.LedgerServiceStub(channel)
        rows = map(reading.row_of, reading.accounts_of(ledger, prefix, timeout_s=_TIMEOUT_S))
        sheet = Sheet("accounts", reading.COLUMNS, rows)
        present(sheet, as_json=as_json, as_csv=as_csv, xlsx=xlsx)


@accounts.command()
def tree(
    prefix: Prefix = "",
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """Show the accounts as a tree of their codes, with what each holds now."""
    with asking(mesh, "ledger") as channel:
        ledger = pb_grpc.LedgerServiceStub(channel)
        opened = list(reading.accounts_of(ledger, prefix, timeout_s=_TIMEOUT_S))
        held = {
            (balance.code, balance.balance.currency_code): balance
            for message in statement_grpc.StatementServiceStub(channel).StreamTrialBalance(
                statement_pb.StreamTrialBalanceRequest(), timeout=_TIMEOUT_S
            )
            for balance in message.balances
        }
    balances = [held.get((one.code, one.currency_code), _empty(one)) for one in opened]
    if as_json or as_csv or xlsx is not None:
        sheet = Sheet("accounts", COLUMNS, map(row_of, balances))
        present(sheet, as_json=as_json, as_csv=as_csv, xlsx=xlsx)
    else:
        none = f"No account's code begins with {prefix}." if prefix else "No accounts yet."
        make_console().print(_tree(balances) if balances else escape(none))


def _empty(account: pb.Account) -> pb.Balance:
    balance = pb.Balance(code=account.code, kind=account.kind)
    for side in (balance.debits, balance.credits, balance.balance):
        side.currency_code = account.currency_code
    return balance


def _tree(balances: list[pb.Balance]) -> Tree:
    root = Tree("accounts", hide_root=True)
    branches: dict[str, Tree] = {"": root}
    for balance in balances:
        path = ""
        for part in balance.code.split("/"):
            parent, path = branches[path], f"{path}/{part}"
            if path not in branches:
                branches[path] = parent.add(part)
        kind = word(pb.AccountKind, balance.kind)
        branches[path].add(f"{with_unit(balance.balance)}  [dim]{kind}[/]")
    return root
