"""`watersmeet trial-balance`: all accounts, and whether debits equal credits."""

from typing import Annotated

import typer
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import statement_service_pb2 as statement_pb
from watersmeet.ledger.v1 import statement_service_pb2_grpc as statement_grpc

from services.cli.as_of import AtEntry, AtTime, ValueDate, as_of_message
from services.cli.asking import asking
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading.balances import COLUMNS, amount_of, row_of
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present
from services.cli.sheets.sheet import Sheet, Value

_TIMEOUT_S = 600.0
_DOES_NOT_TIE = 1


def trial_balance(
    currency: Annotated[str, typer.Option(metavar="CODE", help="Only this unit. (all)")] = "",
    at_entry: AtEntry = None,
    at_time: AtTime = None,
    value_date: ValueDate = None,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """Show all balances, and the sums that must tie.

    Exit status 0: debits equal credits in each unit. 1: they do not.
    """
    request = statement_pb.StreamTrialBalanceRequest(
        currency_code=currency, as_of=as_of_message(at_entry, at_time, value_date)
    )
    balances: list[pb.Balance] = []
    sums: list[pb.TrialBalanceSum] = []
    sequence = 0
    with asking(mesh, "ledger") as channel:
        stub = statement_grpc.StatementServiceStub(channel)
        for message in stub.StreamTrialBalance(request, timeout=_TIMEOUT_S):
            balances += message.balances
            sums += message.sums
            sequence = message.as_of_sequence
    ties = all(both.debits == both.credits for both in sums)
    facts: dict[str, Value] = {"as_of_entry": sequence}
    for both in sums:
        unit = both.debits.currency_code
        facts[f"{unit}_debits"] = amount_of(both.debits)
        facts[f"{unit}_credits"] = amount_of(both.credits)
    if sums:
        facts["verdict"] = "debits equal credits" if ties else "DEBITS AND CREDITS DIFFER"
    sheet = Sheet("trial balance", COLUMNS, map(row_of, balances), facts)
    present(sheet, as_json=as_json, as_csv=as_csv, xlsx=xlsx)
    if not ties:
        raise typer.Exit(_DOES_NOT_TIE)
