"""`watersmeet balance`: what an account holds, now or then."""

from collections.abc import Iterator
from itertools import takewhile
from typing import Annotated, Any

import typer
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as pb_grpc

from services.cli.as_of import AtEntry, AtTime, ValueDate, as_of_message
from services.cli.asking import asking
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading.accounts import accounts_of
from services.cli.reading.balances import HELD_COLUMNS, held_row_of
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present
from services.cli.sheets.sheet import Sheet
from services.runtime.errors import Fault, Reason

_TIMEOUT_S = 60.0


def balance(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="partner/alipay/claimed, say.")],
    currency: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only this unit. (all it has)")
    ] = None,
    at_entry: AtEntry = None,
    at_time: AtTime = None,
    value_date: ValueDate = None,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """Show what an account holds, now or as of an earlier moment."""
    as_of = as_of_message(at_entry, at_time, value_date)
    with asking(mesh, "ledger") as channel:
        ledger = pb_grpc.LedgerServiceStub(channel)
        units = [currency] if currency else list(_units(ledger, account))
        answers = []
        for unit in units:
            asked = pb.GetBalanceRequest(code=account, currency_code=unit, as_of=as_of)
            answers.append(ledger.GetBalance(asked, timeout=_TIMEOUT_S))
            # The others are of the same moment as the first.
            as_of.sequence = answers[0].as_of_sequence
    sheet = Sheet(
        "balance",
        HELD_COLUMNS,
        [held_row_of(answer.balance) for answer in answers],
        {"as_of_entry": answers[0].as_of_sequence},
    )
    present(sheet, as_json=as_json, as_csv=as_csv, xlsx=xlsx)


def _units(ledger: Any, account: str) -> Iterator[str]:
    """The units in which the account is kept. Raises Fault(ACCOUNT_NOT_FOUND)."""
    # The code itself is the first of those that begin with it.
    begin_so = accounts_of(ledger, account, timeout_s=_TIMEOUT_S)
    found = [one.currency_code for one in takewhile(lambda one: one.code == account, begin_so)]
    if not found:
        raise Fault(
            Reason.ACCOUNT_NOT_FOUND,
            "there is no such account; `watersmeet accounts tree` shows all",
        )
    yield from found
