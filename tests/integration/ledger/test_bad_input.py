"""Bad input over mutual TLS: each gets a reason and a field, and changes nothing."""

from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.errors.v1 import errors_pb2
from watersmeet.ledger.v1 import feed_service_pb2 as feed_pb
from watersmeet.ledger.v1 import feed_service_pb2_grpc as feed_grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as pb_grpc

from services.runtime.errors import Reason
from tests.integration.ledger.conftest import Connect
from tests.integration.ledger.messages import draft, fault_of, money, posting, transfer

ID = "0190a5d0-ac96-774b-bcce-b302099a8057"
TIMEOUT_S = 20.0

BAD_DRAFTS: dict[str, tuple[pb.EntryDraft, Reason, str]] = {
    "no id": (draft(entry_id=""), Reason.FIELD_REQUIRED, "entry_id"),
    "no cause": (draft(cause=None), Reason.FIELD_REQUIRED, "cause.kind"),
    "a cause of no kind": (
        draft(cause=pb.Cause(kind=77, id="x")),  # type: ignore[arg-type]
        Reason.FIELD_INVALID,
        "cause.kind",
    ),
    "no cause id": (
        draft(cause=pb.Cause(kind=pb.CAUSE_KIND_MANUAL)),
        Reason.FIELD_INVALID,
        "cause.id",
    ),
    "no value time": (draft(value_time=None), Reason.FIELD_REQUIRED, "value_time"),
    "a time of no calendar": (
        draft(value_time={"seconds": 2**60}),
        Reason.FIELD_INVALID,
        "value_time",
    ),
    "nanos of two seconds": (
        draft(value_time={"seconds": 1_567_684_800, "nanos": 2_000_000_000}),
        Reason.FIELD_INVALID,
        "value_time",
    ),
    "an hour of no calendar": (
        draft(transfer(), pb.Transfer(hour=Timestamp(seconds=2**60))),
        Reason.FIELD_INVALID,
        "transfers[1].hour",
    ),
    "no hour": (
        draft(transfer(hour=None), transfer(hour=None, count=2)),
        Reason.FIELD_REQUIRED,
        "transfers[0].hour",
    ),
    "no amount": (draft(transfer(amount=None)), Reason.AMOUNT_NOT_POSITIVE, "transfers[0].amount"),
    "no currency": (draft(transfer(amount=money(1, ""))), Reason.CURRENCY_UNKNOWN, "transfers[0]"),
    "a count below zero": (draft(transfer(count=-1)), Reason.FIELD_INVALID, "transfers[0].count"),
    "no accounts": (
        draft(transfer(debit_account="")),
        Reason.ACCOUNT_NOT_IN_CHART,
        "transfers[0]",
    ),
}


@pytest.mark.parametrize("case", BAD_DRAFTS)
async def test_a_bad_draft_is_a_problem_and_changes_nothing(ledger: Any, case: str) -> None:
    bad, reason, field = BAD_DRAFTS[case]
    (result,) = (await ledger.PostEntries(posting(bad))).results
    assert errors_pb2.ErrorReason.Name(result.problem.reason) == f"ERROR_REASON_{reason}"
    assert result.problem.metadata["field"] == field
    assert not (await ledger.ListEntries(pb.ListEntriesRequest())).entries
    assert not (await ledger.ListAccounts(pb.ListAccountsRequest())).accounts


async def test_bad_calls(ledger: Any, connect: Connect) -> None:
    feed: Any = feed_grpc.FeedServiceStub(connect("finance", "local"))
    name = {"code": "project/well/fund", "currency_code": "CNY"}
    request_id = str(uuid4())
    await ledger.PostEntries(posting(draft()))
    token = (await ledger.ListAccounts(pb.ListAccountsRequest(page_size=1))).next_page_token
    cases: list[tuple[Any, Reason, str | None]] = [
        (
            ledger.PostEntries(pb.PostEntriesRequest(entries=[draft()])),
            Reason.REQUEST_ID_INVALID,
            None,
        ),
        (ledger.PostEntries(posting()), Reason.FIELD_REQUIRED, "entries"),
        (ledger.PostEntries(posting(*[draft()] * 1001)), Reason.FIELD_INVALID, "entries"),
        (
            ledger.PostEntries(posting(draft(metadata={"a": "x" * 5_000_000}))),
            Reason.MESSAGE_TOO_LARGE,
            None,
        ),
        (ledger.CreateAccount(pb.CreateAccountRequest(**name)), Reason.REQUEST_ID_INVALID, None),
        (
            ledger.CreateAccount(
                pb.CreateAccountRequest(request_id=request_id, code="bank", currency_code="CNY")
            ),
            Reason.ACCOUNT_NOT_IN_CHART,
            None,
        ),
        (
            ledger.CreateAccount(
                pb.CreateAccountRequest(
                    request_id=request_id, code=name["code"], currency_code="XYZ"
                )
            ),
            Reason.CURRENCY_UNKNOWN,
            None,
        ),
        (ledger.GetAccount(pb.GetAccountRequest(code="a")), Reason.FIELD_REQUIRED, "currency_code"),
        (
            ledger.GetBalance(pb.GetBalanceRequest(currency_code="CNY")),
            Reason.FIELD_REQUIRED,
            "code",
        ),
        (
            ledger.GetBalance(pb.GetBalanceRequest(code="project/x/fund", currency_code="CNY")),
            Reason.ACCOUNT_NOT_FOUND,
            None,
        ),
        (
            ledger.GetAccount(pb.GetAccountRequest(code=name["code"], currency_code="USD")),
            Reason.ACCOUNT_NOT_FOUND,
            None,
        ),
        (ledger.GetEntry(pb.GetEntryRequest()), Reason.FIELD_REQUIRED, "name"),
        (ledger.GetEntry(pb.GetEntryRequest(entry_id="7")), Reason.FIELD_INVALID, "entry_id"),
        (ledger.GetEntry(pb.GetEntryRequest(entry_id=ID)), Reason.ENTRY_NOT_FOUND, None),
        (ledger.GetEntry(pb.GetEntryRequest(sequence=2)), Reason.ENTRY_NOT_FOUND, None),
        (
            ledger.ListEntries(pb.ListEntriesRequest(page_size=-1)),
            Reason.FIELD_INVALID,
            "page_size",
        ),
        (
            ledger.ListEntries(pb.ListEntriesRequest(page_token=token)),
            Reason.PAGE_TOKEN_INVALID,
            "page_token",
        ),
        (
            ledger.ListAccounts(pb.ListAccountsRequest(page_token=token, code_prefix="p")),
            Reason.PAGE_TOKEN_INVALID,
            "page_token",
        ),
        (
            ledger.ListEntries(pb.ListEntriesRequest(account="project/x/fund")),
            Reason.ACCOUNT_NOT_FOUND,
            None,
        ),
        (
            ledger.ListEntries(pb.ListEntriesRequest(cause=pb.Cause(id="x"))),
            Reason.FIELD_REQUIRED,
            "cause.kind",
        ),
        (
            ledger.StreamEntries(pb.StreamEntriesRequest(after_sequence=2), timeout=TIMEOUT_S),
            Reason.SEQUENCE_AHEAD,
            None,
        ),
        (
            ledger.StreamEntries(pb.StreamEntriesRequest(after_sequence=-1), timeout=TIMEOUT_S),
            Reason.FIELD_INVALID,
            "after_sequence",
        ),
        (
            feed.StreamTotals(feed_pb.StreamTotalsRequest(after_sequence=2), timeout=TIMEOUT_S),
            Reason.SEQUENCE_AHEAD,
            None,
        ),
        (
            feed.StreamTotals(feed_pb.StreamTotalsRequest(after_sequence=-1), timeout=TIMEOUT_S),
            Reason.FIELD_INVALID,
            "after_sequence",
        ),
        (
            feed.StreamTotals(
                feed_pb.StreamTotalsRequest(numbered_cells=65_537), timeout=TIMEOUT_S
            ),
            Reason.FIELD_INVALID,
            "numbered_cells",
        ),
    ]
    for call, reason, field in cases:
        fault = await fault_of(call)
        assert (fault.reason, fault.metadata.get("field")) == (reason, field)
        assert fault.message
    (entry,) = (await ledger.ListEntries(pb.ListEntriesRequest())).entries
    assert entry.sequence == 1


async def test_others_may_not_post(connect: Connect) -> None:
    for role, name in (("partner", "alipay"), ("operator", "local"), ("service", "gateway")):
        stub: Any = pb_grpc.LedgerServiceStub(connect(role, name))
        fault = await fault_of(stub.PostEntries(posting(draft())))
        assert fault.reason is Reason.PERMISSION_DENIED
    donations: Any = pb_grpc.LedgerServiceStub(connect("service", "donations"))
    assert (await donations.PostEntries(posting(draft()))).results[0].sequence == 1
