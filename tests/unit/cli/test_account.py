"""`watersmeet account` and `accounts list`: what they show, and what each decision says."""

import json
import uuid
from pathlib import Path

import grpc
import pytest
from watersmeet.ledger.v1 import account_service_pb2 as pb
from watersmeet.ledger.v1 import account_service_pb2_grpc as pb_grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as ledger_grpc

from tests.unit.cli.conftest import ServeMesh, caller_of, run

ACCOUNTS = [
    ledger_pb.Account(
        code=code,
        currency_code=currency,
        kind=ledger_pb.ACCOUNT_KIND_LIABILITY,
        owner="lin",
        state=ledger_pb.ACCOUNT_STATE_FROZEN,
        limit=ledger_pb.ACCOUNT_LIMIT_DEBITS_WITHIN_CREDITS,
    )
    for code, currency in (("sponsor/lin/pool", "CNY"), ("sponsor/lin/pool", "JPY"), ("x", "CNY"))
]


class FakeLedger(ledger_grpc.LedgerServiceServicer, pb_grpc.AccountServiceServicer):
    """Pages of one, whatever is asked for; keeps what is decided."""

    def __init__(self) -> None:
        self.decided: list[pb.ChangeAccountRequest] = []
        self.opened: list[ledger_pb.CreateAccountRequest] = []
        self.callers: set[str] = set()
        self.prefixes: set[str] = set()

    def ListAccounts(
        self, request: ledger_pb.ListAccountsRequest, context: grpc.ServicerContext
    ) -> ledger_pb.ListAccountsResponse:
        self.prefixes.add(request.code_prefix)
        start = int(request.page_token or 0)
        token = str(start + 1) if start + 1 < len(ACCOUNTS) else ""
        return ledger_pb.ListAccountsResponse(accounts=[ACCOUNTS[start]], next_page_token=token)

    def CreateAccount(
        self, request: ledger_pb.CreateAccountRequest, context: grpc.ServicerContext
    ) -> ledger_pb.CreateAccountResponse:
        self.opened.append(request)
        self.callers.add(caller_of(context))
        return ledger_pb.CreateAccountResponse(account=ACCOUNTS[0])

    def ChangeAccount(
        self, request: pb.ChangeAccountRequest, context: grpc.ServicerContext
    ) -> pb.ChangeAccountResponse:
        self.decided.append(request)
        self.callers.add(caller_of(context))
        return pb.ChangeAccountResponse(account=ACCOUNTS[0], sequence=5)


@pytest.fixture
def fake() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
def state(serve_mesh: ServeMesh, fake: FakeLedger) -> Path:
    """The state directory of a mesh with the fake for its ledger."""
    return serve_mesh(ledger=(add_both, fake))


def add_both(fake: FakeLedger, server: grpc.Server) -> None:
    ledger_grpc.add_LedgerServiceServicer_to_server(fake, server)
    pb_grpc.add_AccountServiceServicer_to_server(fake, server)


def test_all_pages_of_accounts_are_listed(state: Path, fake: FakeLedger) -> None:
    result = run(state, "accounts", "list", "sponsor/", "--csv")
    assert result.exit_code == 0, result.exception
    lines = result.stdout.splitlines()
    assert lines[0] == "account,unit,kind,owner,state,limit,opened"
    told = "liability,lin,frozen,debits within credits,1970-01-01T00:00:00Z"
    assert lines[1:] == [f"{one.code},{one.currency_code},{told}" for one in ACCOUNTS]
    assert fake.prefixes == {"sponsor/"}


@pytest.mark.parametrize(
    ("command", "becomes", "limit"),
    [
        (("freeze", "sponsor/lin/pool"), ledger_pb.ACCOUNT_STATE_FROZEN, 0),
        (("unfreeze", "sponsor/lin/pool"), ledger_pb.ACCOUNT_STATE_OPEN, 0),
        (("close", "sponsor/lin/pool", "--yes"), ledger_pb.ACCOUNT_STATE_CLOSED, 0),
        (("limit", "sponsor/lin/pool", "none"), 0, ledger_pb.ACCOUNT_LIMIT_NONE),
        (
            ("limit", "sponsor/lin/pool", "credits-within-debits"),
            0,
            ledger_pb.ACCOUNT_LIMIT_CREDITS_WITHIN_DEBITS,
        ),
    ],
)
def test_each_command_decides_what_it_says(
    state: Path, fake: FakeLedger, command: tuple[str, ...], becomes: int, limit: int
) -> None:
    result = run(state, "account", *command, "--currency", "JPY", "--document", "memo-1")
    assert result.exit_code == 0, result.exception
    (asked,) = fake.decided
    assert (asked.code, asked.currency_code) == ("sponsor/lin/pool", "JPY")
    assert (asked.state, asked.limit, asked.document) == (becomes, limit, "memo-1")
    assert asked.value_time.ToMilliseconds() == uuid.UUID(asked.request_id).int >> 80
    assert fake.callers == {"spiffe://watersmeet/finance/local"}
    assert result.stdout == (
        "sponsor/lin/pool in CNY is frozen, and holds its debits within credits. Entry 5 says so.\n"
    )


def test_an_account_is_closed_for_good_only_after_a_yes(state: Path, fake: FakeLedger) -> None:
    assert run(state, "account", "close", "x", says="n\n").exit_code == 1
    assert fake.decided == []
    assert run(state, "account", "close", "x", says="y\n").exit_code == 0
    assert len(fake.decided) == 1


def test_an_account_is_opened(state: Path, fake: FakeLedger) -> None:
    result = run(state, "account", "open", "sponsor/lin/pool", "--json")
    assert result.exit_code == 0, result.exception
    (asked,) = fake.opened
    assert (asked.code, asked.currency_code) == ("sponsor/lin/pool", "CNY")
    assert f"request {uuid.UUID(asked.request_id)}" in result.stderr
    assert json.loads(result.stdout)["limit"] == "debits within credits"
