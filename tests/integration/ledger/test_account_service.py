"""AccountService over mutual TLS."""

from typing import Any
from uuid import uuid4

import pytest
from watersmeet.errors.v1 import errors_pb2
from watersmeet.ledger.v1 import account_service_pb2 as pb
from watersmeet.ledger.v1 import account_service_pb2_grpc as pb_grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb

from services.ledger.wire.convert import stamp_of
from services.runtime.errors import Reason
from tests.integration.ledger.conftest import Connect
from tests.integration.ledger.messages import draft, fault_of, money, posting, transfer
from tests.unit.ledger.drafts import NOON

FUND = {"code": "project/well/fund", "currency_code": "CNY"}
BATCH = "0190a5d0-ac96-774b-bcce-b302099a8057"


def change(**fields: Any) -> pb.ChangeAccountRequest:
    return pb.ChangeAccountRequest(
        **{
            "request_id": str(uuid4()),
            **FUND,
            "value_time": stamp_of(NOON),
            "document": "board-12",
            **fields,
        }
    )


@pytest.fixture
def accounts(connect: Connect) -> Any:
    """A stub with which finance calls."""
    return pb_grpc.AccountServiceStub(connect("finance", "local"))


async def problem_of(ledger: Any, *transfers: ledger_pb.Transfer) -> errors_pb2.Problem:
    (result,) = (await ledger.PostEntries(posting(draft(*transfers)))).results
    problem: errors_pb2.Problem = result.problem
    return problem


async def test_a_frozen_account_refuses_postings_until_it_is_open(
    ledger: Any, accounts: Any
) -> None:
    await ledger.PostEntries(posting(draft()))
    request = change(state=ledger_pb.ACCOUNT_STATE_FROZEN)
    answer = await accounts.ChangeAccount(request)
    assert (answer.sequence, answer.replayed) == (2, False)
    assert answer.account.state == ledger_pb.ACCOUNT_STATE_FROZEN
    assert (await accounts.ChangeAccount(request)).replayed
    problem = await problem_of(ledger, transfer())
    assert problem.reason == errors_pb2.ERROR_REASON_ACCOUNT_FROZEN
    assert problem.metadata["account"] == FUND["code"]
    await accounts.ChangeAccount(change(state=ledger_pb.ACCOUNT_STATE_OPEN))
    assert not (await problem_of(ledger, transfer())).reason
    entry = (await ledger.GetEntry(ledger_pb.GetEntryRequest(sequence=2))).entry
    assert entry.cause == ledger_pb.Cause(
        kind=ledger_pb.CAUSE_KIND_ACCOUNT, id="project/well/fund:CNY"
    )
    assert dict(entry.metadata) == {
        "account/state": "FROZEN",
        "by": "finance/local",
        "document": "board-12",
    }
    assert not entry.transfers


async def test_what_intake_counted_goes_into_a_frozen_account(
    ledger: Any, accounts: Any, intake: Any
) -> None:
    await ledger.PostEntries(posting(draft()))
    await accounts.ChangeAccount(change(state=ledger_pb.ACCOUNT_STATE_FROZEN))
    counted = draft(
        cause=ledger_pb.Cause(kind=ledger_pb.CAUSE_KIND_INTAKE_BATCH, id=BATCH), entry_id=BATCH
    )
    (result,) = (await ledger.PostEntries(posting(counted))).results
    assert result.problem.reason == errors_pb2.ERROR_REASON_PERMISSION_DENIED
    (result,) = (await intake.PostEntries(posting(counted))).results
    assert result.sequence == 3


@pytest.mark.parametrize(
    ("key", "value"), [("time_zone", "PRC"), ("complete_until/alipay", "2999-01-01T00:00:00Z")]
)
async def test_what_only_intake_knows_nobody_else_states(
    ledger: Any, intake: Any, key: str, value: str
) -> None:
    """Or a closed month would be open under its calendar's other name."""
    stated = draft(metadata={key: value})
    (result,) = (await ledger.PostEntries(posting(stated))).results
    assert result.problem.reason == errors_pb2.ERROR_REASON_PERMISSION_DENIED
    assert result.problem.metadata["field"] == f"metadata[{key}]"
    (result,) = (await intake.PostEntries(posting(stated))).results
    assert result.sequence == 1


async def test_a_limit(ledger: Any, accounts: Any) -> None:
    await ledger.PostEntries(posting(draft()))
    limit = ledger_pb.ACCOUNT_LIMIT_DEBITS_WITHIN_CREDITS
    assert (await accounts.ChangeAccount(change(limit=limit))).account.limit == limit
    spent = transfer(
        None,
        debit_account=FUND["code"],
        credit_account="charity/amity/bank",
        amount=money(1_000_001),
    )
    problem = await problem_of(ledger, spent)
    assert problem.reason == errors_pb2.ERROR_REASON_LIMIT_EXCEEDED
    assert dict(problem.metadata) == {
        "account": FUND["code"],
        "currency": "CNY",
        "available_micros": "1000000",
    }
    listed = (
        await ledger.ListAccounts(ledger_pb.ListAccountsRequest(code_prefix="project/"))
    ).accounts
    assert [(account.state, account.limit) for account in listed] == [
        (ledger_pb.ACCOUNT_STATE_OPEN, limit)
    ]


async def test_an_account_with_a_limit_is_open_again_after_it_was_frozen(
    ledger: Any, accounts: Any
) -> None:
    pledged = transfer(
        None,
        debit_account="sponsor/acme/pledged",
        credit_account="sponsor/acme/pool",
        campaign="",
        project="",
    )
    assert not (await problem_of(ledger, pledged)).reason
    for state in (ledger_pb.ACCOUNT_STATE_FROZEN, ledger_pb.ACCOUNT_STATE_OPEN):
        await accounts.ChangeAccount(change(code="sponsor/acme/pool", state=state))
    assert not (await problem_of(ledger, pledged)).reason


async def test_the_chart_gives_limits(ledger: Any) -> None:
    created = await ledger.CreateAccount(
        ledger_pb.CreateAccountRequest(
            request_id=str(uuid4()), code="sponsor/acme/pool", currency_code="CNY"
        )
    )
    assert created.account.limit == ledger_pb.ACCOUNT_LIMIT_DEBITS_WITHIN_CREDITS
    assert created.account.state == ledger_pb.ACCOUNT_STATE_OPEN


async def test_minutes_are_an_account_of_their_own(ledger: Any) -> None:
    given = transfer(
        None,
        debit_account="project/well/minutes",
        credit_account="charity/amity/minutes",
        amount=money(90_000_000, "MIN"),
    )
    assert not (await problem_of(ledger, given)).reason
    trial = await ledger.GetTrialBalance(ledger_pb.GetTrialBalanceRequest(currency_code="MIN"))
    assert [sums.debits for sums in trial.sums] == [money(90_000_000, "MIN")]
    request = ledger_pb.CreateAccountRequest(
        request_id=str(uuid4()), code="project/well/minutes", currency_code="CNY"
    )
    assert (await fault_of(ledger.CreateAccount(request))).reason is Reason.UNIT_MISMATCH


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, Reason.FIELD_REQUIRED),
        ({"state": 9}, Reason.FIELD_INVALID),
        ({"limit": 9}, Reason.FIELD_INVALID),
        ({"state": 2, "code": ""}, Reason.FIELD_REQUIRED),
        ({"state": 2, "code": "nowhere"}, Reason.ACCOUNT_NOT_IN_CHART),
        ({"state": 2, "code": "project/road/fund"}, Reason.ACCOUNT_NOT_FOUND),
        ({"state": 3}, Reason.ACCOUNT_NOT_EMPTY),
        ({"limit": 3}, Reason.LIMIT_EXCEEDED),
        ({"state": 2, "value_time": None}, Reason.FIELD_REQUIRED),
        ({"state": 2, "document": "x" * 257}, Reason.FIELD_INVALID),
        ({"state": 2, "request_id": "7"}, Reason.REQUEST_ID_INVALID),
    ],
)
async def test_decisions_that_are_none(
    ledger: Any, accounts: Any, fields: dict[str, Any], reason: Reason
) -> None:
    await ledger.PostEntries(posting(draft()))
    assert (await fault_of(accounts.ChangeAccount(change(**fields)))).reason is reason
    assert len((await ledger.ListEntries(ledger_pb.ListEntriesRequest())).entries) == 1


async def test_decisions_are_not_posted_as_entries(ledger: Any) -> None:
    cause = ledger_pb.Cause(kind=ledger_pb.CAUSE_KIND_ACCOUNT, id="project/well/fund:CNY")
    one = draft(cause=cause)
    del one.transfers[:]
    (result,) = (await ledger.PostEntries(posting(one))).results
    assert result.problem.reason == errors_pb2.ERROR_REASON_FIELD_INVALID
    assert result.problem.metadata["field"] == "cause.kind"


async def test_only_finance_decides(connect: Connect) -> None:
    for role, who in (("operator", "local"), ("service", "donations"), ("partner", "alipay")):
        stub: Any = pb_grpc.AccountServiceStub(connect(role, who))
        fault = await fault_of(stub.ChangeAccount(change(state=2)))
        assert fault.reason is Reason.PERMISSION_DENIED
