"""`watersmeet account`: an account that is opened, and what binds it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from watersmeet.ledger.v1 import account_service_pb2 as pb
from watersmeet.ledger.v1 import account_service_pb2_grpc as pb_grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as ledger_grpc

from services.cli.asking import asking
from services.cli.console import make_console
from services.cli.deciding import (
    THIS_PERSON,
    Document,
    Person,
    Request,
    Yes,
    confirm,
    document_of,
    say_when,
    told_entry,
    told_request,
)
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading import accounts
from services.cli.render import print_json, word
from services.cli.sheets.present import AsJson

_TIMEOUT_S = 30.0

account = typer.Typer(
    help="Open an account, and decide what binds it, as finance.", no_args_is_help=True
)

Code = Annotated[str, typer.Argument(metavar="ACCOUNT", help="sponsor/lin/pool, say.")]
Currency = Annotated[str, typer.Option(metavar="CODE", help="Its unit.")]


class Limit(StrEnum):
    """What `limit` takes."""

    NONE = "none"
    DEBITS_WITHIN_CREDITS = "debits-within-credits"
    CREDITS_WITHIN_DEBITS = "credits-within-debits"


@account.command("open")
def open_account(
    code: Code,
    currency: Currency = "CNY",
    request: Request = None,
    person: Person = THIS_PERSON,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Open an account before anything moves on it. The others open with their first entry."""
    with asking(mesh, "ledger", "finance", person) as channel:
        opened = (
            ledger_grpc.LedgerServiceStub(channel)
            .CreateAccount(
                ledger_pb.CreateAccountRequest(
                    request_id=str(told_request(request)), code=code, currency_code=currency
                ),
                timeout=_TIMEOUT_S,
            )
            .account
        )
    if as_json:
        print_json(accounts.document_of(opened))
    else:
        make_console().print(_told(opened), markup=False)


def _offer(name: str, becomes: "ledger_pb.AccountState.ValueType", does: str) -> None:
    @account.command(name, help=does)
    def decide(
        code: Code,
        currency: Currency = "CNY",
        document: Document = "",
        request: Request = None,
        person: Person = THIS_PERSON,
        mesh: Mesh = DEFAULT_MESH,
        as_json: AsJson = False,
    ) -> None:
        asked = pb.ChangeAccountRequest(
            code=code, currency_code=currency, state=becomes, document=document
        )
        _decide(asked, request, person, mesh, as_json=as_json)


_offer(
    "freeze", ledger_pb.ACCOUNT_STATE_FROZEN, "Let nothing in or out until it is unfrozen again."
)
_offer("unfreeze", ledger_pb.ACCOUNT_STATE_OPEN, "Let entries move a frozen account's money again.")


@account.command()
def close(
    code: Code,
    currency: Currency = "CNY",
    document: Document = "",
    request: Request = None,
    yes: Yes = False,
    person: Person = THIS_PERSON,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Close an account that holds nothing, for good."""
    confirm(f"Close {code} in {currency} for good?", yes=yes)
    asked = pb.ChangeAccountRequest(
        code=code,
        currency_code=currency,
        state=ledger_pb.ACCOUNT_STATE_CLOSED,
        document=document,
    )
    _decide(asked, request, person, mesh, as_json=as_json)


@account.command()
def limit(
    code: Code,
    limit: Annotated[Limit, typer.Argument(help="What it may not exceed.")],
    currency: Currency = "CNY",
    document: Document = "",
    request: Request = None,
    person: Person = THIS_PERSON,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Give an account another limit. What is held counts as if it had moved."""
    asked = pb.ChangeAccountRequest(
        code=code,
        currency_code=currency,
        limit=ledger_pb.AccountLimit.Value(f"ACCOUNT_LIMIT_{limit.name}"),
        document=document,
    )
    _decide(asked, request, person, mesh, as_json=as_json)


def _decide(
    asked: pb.ChangeAccountRequest,
    request: Request,
    person: str | None,
    mesh: Path,
    *,
    as_json: bool,
) -> None:
    """Decides, and says what binds the account now."""
    with asking(mesh, "ledger", "finance", person) as channel:
        say_when(asked, request)
        answer = pb_grpc.AccountServiceStub(channel).ChangeAccount(asked, timeout=_TIMEOUT_S)
    if as_json:
        print_json({**accounts.document_of(answer.account), **document_of(answer, asked)})
    else:
        entry = told_entry(answer.sequence, replayed=answer.replayed)
        make_console().print(f"{_told(answer.account)} {entry}", markup=False)


def _told(one: ledger_pb.Account) -> str:
    words = f"{one.code} in {one.currency_code} is {word(ledger_pb.AccountState, one.state)}"
    if one.limit == ledger_pb.ACCOUNT_LIMIT_NONE:
        return f"{words}, without a limit."
    return f"{words}, and holds its {word(ledger_pb.AccountLimit, one.limit)}."
