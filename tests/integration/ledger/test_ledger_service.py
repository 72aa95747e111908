"""LedgerService over mutual TLS."""

import asyncio
from typing import Any
from uuid import uuid4

from watersmeet.errors.v1 import errors_pb2
from watersmeet.ledger.v1 import feed_service_pb2 as feed_pb
from watersmeet.ledger.v1 import feed_service_pb2_grpc as feed_grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as pb_grpc
from watersmeet.type.v1.purpose_pb2 import PURPOSE_CHARITY

from services.ledger.domain import NO_HASH
from services.ledger.wire.convert import stamp_of
from services.runtime.errors import Reason
from services.runtime.server import Server
from tests.integration.ledger.conftest import Connect
from tests.integration.ledger.messages import (
    draft,
    fault_of_reading,
    money,
    posting,
    transfer,
)
from tests.support.clock import FixedClock
from tests.unit.ledger.drafts import NOON

ID = "0190a5d0-ac96-774b-bcce-b302099a8057"
TIMEOUT_S = 20.0


async def test_an_entry_comes_back_as_it_was_posted(
    ledger: Any, intake: Any, clock: FixedClock
) -> None:
    sent = draft(
        transfer(),
        transfer(amount=money(5, "USD"), hour=None, debit_account="charity/a/bank"),
        entry_id=ID.upper(),
        metadata={"gifts": "2", "complete_until/alipay": "2019-09-05T12:00:00Z"},
    )
    (result,) = (await intake.PostEntries(posting(sent))).results
    assert (result.entry_id, result.sequence, result.replayed) == (ID.upper(), 1, False)
    assert not result.HasField("problem")
    entry = (await ledger.GetEntry(pb.GetEntryRequest(sequence=1))).entry
    assert entry == pb.Entry(
        sequence=1,
        entry_id=ID,
        cause=sent.cause,
        value_time=sent.value_time,
        recorded_time=stamp_of(clock()),
        metadata=sent.metadata,
        transfers=sent.transfers,
        previous_hash=bytes(32),
        hash=result.hash,
        version=2,
        value_date="2019-09-05",
        book_date="2019-09-05",
    )
    assert (await ledger.GetEntry(pb.GetEntryRequest(entry_id=ID))).entry == entry
    (listed,) = (await ledger.ListEntries(pb.ListEntriesRequest())).entries
    assert listed == entry


async def test_a_call_answers_for_each_entry(ledger: Any) -> None:
    good, other = draft(), draft()
    await ledger.PostEntries(posting(good))
    conflict = draft(transfer(amount=money(2)), entry_id=good.entry_id)
    results = (
        await ledger.PostEntries(
            posting(
                good,
                draft(entry_id="not-a-uuid"),
                conflict,
                draft(transfer(amount=money(-1))),
                other,
                draft(transfer(credit_account="nowhere")),
                other,
            )
        )
    ).results
    assert [result.sequence for result in results] == [1, 0, 0, 0, 2, 0, 2]
    assert [result.replayed for result in results] == [True, *[False] * 5, True]
    assert [errors_pb2.ErrorReason.Name(result.problem.reason) for result in results] == [
        "ERROR_REASON_UNSPECIFIED",
        "ERROR_REASON_FIELD_INVALID",
        "ERROR_REASON_ENTRY_CONFLICT",
        "ERROR_REASON_AMOUNT_NOT_POSITIVE",
        "ERROR_REASON_UNSPECIFIED",
        "ERROR_REASON_ACCOUNT_NOT_IN_CHART",
        "ERROR_REASON_UNSPECIFIED",
    ]
    assert results[1].entry_id == "not-a-uuid"
    assert results[3].problem.metadata["field"] == "transfers[0].amount"
    assert all(result.problem.message for result in results if result.HasField("problem"))


async def test_an_account_is_opened_once(ledger: Any, clock: FixedClock) -> None:
    request = pb.CreateAccountRequest(
        request_id=str(uuid4()), code="charity/amity/bank", currency_code="CNY"
    )
    opened = (await ledger.CreateAccount(request)).account
    clock.advance(60)
    again = (await ledger.CreateAccount(request)).account
    assert opened == again
    assert opened == pb.Account(
        code="charity/amity/bank",
        currency_code="CNY",
        kind=pb.ACCOUNT_KIND_ASSET,
        owner="amity",
        create_time=stamp_of(NOON),
        state=pb.ACCOUNT_STATE_OPEN,
        limit=pb.ACCOUNT_LIMIT_NONE,
    )
    named = pb.GetAccountRequest(code="charity/amity/bank", currency_code="CNY")
    assert (await ledger.GetAccount(named)).account == opened
    balance = await ledger.GetBalance(
        pb.GetBalanceRequest(code="charity/amity/bank", currency_code="CNY")
    )
    assert balance.balance.balance == money(0)


async def test_balances_and_the_trial_balance(ledger: Any) -> None:
    await ledger.PostEntries(posting(draft(transfer(amount=money(7)), transfer(amount=money(5)))))
    held = await ledger.GetBalance(
        pb.GetBalanceRequest(code="project/well/fund", currency_code="CNY")
    )
    expected = pb.Balance(
        code="project/well/fund",
        kind=pb.ACCOUNT_KIND_LIABILITY,
        debits=money(0),
        credits=money(12),
        balance=money(12),
        held=money(0),
        available=money(12),
    )
    assert held == pb.GetBalanceResponse(balance=expected, as_of_sequence=1)
    trial = await ledger.GetTrialBalance(pb.GetTrialBalanceRequest())
    assert trial.balances[1] == expected
    assert list(trial.sums) == [pb.TrialBalanceSum(debits=money(12), credits=money(12))]
    assert trial.as_of_sequence == 1


async def test_pages(ledger: Any) -> None:
    await ledger.PostEntries(
        posting(
            *(
                draft(transfer(credit_account=f"project/p{n}/fund", project=f"p{n}"))
                for n in range(25)
            )
        )
    )
    sequences: list[int] = []
    request = pb.ListEntriesRequest(page_size=10, account="partner/alipay/claimed")
    sizes = []
    while True:
        page = await ledger.ListEntries(request)
        sequences += [entry.sequence for entry in page.entries]
        sizes.append(len(page.entries))
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert sequences == list(range(1, 26))
    assert sizes == [10, 10, 5]

    codes: list[str] = []
    accounts = pb.ListAccountsRequest(page_size=13, code_prefix="project/")
    while True:
        found = await ledger.ListAccounts(accounts)
        codes += [account.code for account in found.accounts]
        accounts.page_token = found.next_page_token
        if not found.next_page_token:
            break
    assert codes == sorted(f"project/p{n}/fund" for n in range(25))


async def test_a_page_of_large_entries_ends_early(ledger: Any) -> None:
    large = {f"k{n}": "融" * 256 for n in range(32)}  # 24 kB
    for _ in range(2):
        await ledger.PostEntries(posting(*(draft(metadata=large) for _ in range(100))))
    request = pb.ListEntriesRequest(page_size=1000)
    pages = []
    while True:
        page = await ledger.ListEntries(request)
        assert page.ByteSize() < 4 * 1024 * 1024
        pages.append(len(page.entries))
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert sum(pages) == 200
    assert len(pages) == 2


async def test_totals_and_then_the_feed(intake: Any, connect: Connect) -> None:
    gateway: Any = pb_grpc.LedgerServiceStub(connect("service", "gateway"))
    (empty,) = [page async for page in gateway.ReadTotals(pb.ReadTotalsRequest())]
    assert empty == pb.ReadTotalsResponse(as_of_hash=NO_HASH)
    stated = {"complete_until/alipay": "2019-09-05T12:00:00Z"}
    (stated_by,) = (await intake.PostEntries(posting(draft(metadata=stated)))).results
    (page,) = [page async for page in gateway.ReadTotals(pb.ReadTotalsRequest())]
    cell = pb.TotalCell(
        campaign="95week",
        project="well",
        partner="alipay",
        hour=stamp_of(NOON),
        state=pb.TOTAL_STATE_CLAIMED,
        amount=money(),
        count=1,
        purpose=PURPOSE_CHARITY,
    )
    assert page == pb.ReadTotalsResponse(
        as_of_sequence=1,
        as_of_time=stamp_of(NOON),
        as_of_hash=stated_by.hash,
        cells=[cell],
        watermarks={"alipay": stamp_of(NOON)},
    )
    stream = gateway.StreamEntries(pb.StreamEntriesRequest(after_sequence=1), timeout=TIMEOUT_S)
    first = await stream.read()
    assert first.checkpoint == pb.Checkpoint(sequence=1, time=stamp_of(NOON), hash=stated_by.hash)
    await intake.PostEntries(posting(draft()))
    while (news := await stream.read()).HasField("checkpoint"):
        pass
    assert news.posted.entry.sequence == 2
    assert list(news.posted.changes) == [cell]
    stream.cancel()


async def test_totals_and_then_what_changed_them(intake: Any, connect: Connect) -> None:
    follower: Any = feed_grpc.FeedServiceStub(connect("service", "gateway"))
    (begin,) = (await intake.PostEntries(posting(draft()))).results
    stream = follower.StreamTotals(feed_pb.StreamTotalsRequest(after_sequence=1), timeout=TIMEOUT_S)
    first = await stream.read()
    assert first.checkpoint == pb.Checkpoint(sequence=1, time=stamp_of(NOON), hash=begin.hash)
    metadata = {"complete_until/alipay": "2019-09-05T12:00:00Z"}
    posted = await intake.PostEntries(posting(draft(), draft(metadata=metadata)))
    while not (news := await stream.read()).changes:
        assert news.HasField("checkpoint")
    stream.cancel()
    assert list(news.changes) == [
        feed_pb.TotalsChange(
            after_sequence=1,
            as_of_sequence=3,
            as_of_time=stamp_of(NOON),
            after_hash=begin.hash,
            as_of_hash=posted.results[-1].hash,
            cells=[
                pb.TotalCell(
                    campaign="95week",
                    project="well",
                    partner="alipay",
                    hour=stamp_of(NOON),
                    state=pb.TOTAL_STATE_CLAIMED,
                    amount=money(2 * money().micros),
                    count=2,
                    purpose=PURPOSE_CHARITY,
                )
            ],
            watermarks={"alipay": stamp_of(NOON)},
        )
    ]


async def test_a_follower_who_keeps_numbers_is_told_a_name_once(
    intake: Any, connect: Connect
) -> None:
    follower: Any = feed_grpc.FeedServiceStub(connect("service", "gateway"))
    request = feed_pb.StreamTotalsRequest(numbered_cells=10)
    stream = follower.StreamTotals(request, timeout=TIMEOUT_S)

    async def told() -> feed_pb.TotalsChange:
        await intake.PostEntries(posting(draft()))
        while not (news := await stream.read()).changes:
            assert news.HasField("checkpoint")
        (change,) = news.changes
        return change

    first, second = await told(), await told()
    stream.cancel()
    assert [(cell.amount, cell.count) for cell in first.cells] == [(money(), 1)]
    assert list(first.numbers) == list(second.cells) == []
    assert (list(second.numbers), list(second.micros), list(second.counts)) == (
        [0],
        [money().micros],
        [1],
    )


async def test_totals_come_in_messages_of_five_thousand_cells(ledger: Any) -> None:
    for start in range(0, 5_001, 1_000):
        await ledger.PostEntries(
            posting(
                draft(
                    *(
                        transfer(credit_account=f"project/p{n}/fund", project=f"p{n}")
                        for n in range(start, min(start + 1_000, 5_001))
                    )
                )
            )
        )
    pages = [page async for page in ledger.ReadTotals(pb.ReadTotalsRequest())]
    assert [len(page.cells) for page in pages] == [5_000, 1]
    assert {page.as_of_sequence for page in pages} == {6}


async def test_fifty_clients_post_and_follow_at_once(ledger: Any, connect: Connect) -> None:
    follower: Any = pb_grpc.LedgerServiceStub(connect("service", "gateway"))
    shared = draft()

    async def post(number: int) -> list[int]:
        stub: Any = pb_grpc.LedgerServiceStub(channels[number % len(channels)])
        answer = await stub.PostEntries(posting(shared, *(draft() for _ in range(4))))
        return [result.sequence for result in answer.results]

    async def follow() -> list[int]:
        sequences: list[int] = []
        stream = follower.StreamEntries(pb.StreamEntriesRequest(), timeout=TIMEOUT_S)
        async for message in stream:
            if message.HasField("posted"):
                sequences.append(message.posted.entry.sequence)
            if len(sequences) == 201:
                break
        stream.cancel()
        return sequences

    channels = [connect("service", "donations") for _ in range(5)]
    answers, sequences = await asyncio.gather(
        asyncio.gather(*(post(number) for number in range(50))), follow()
    )
    assert sequences == list(range(1, 202))
    posted = [sequence for answer in answers for sequence in answer[1:]]
    assert len({answer[0] for answer in answers}) == 1
    assert sorted([answers[0][0], *posted]) == sequences


async def test_a_stopping_server_ends_its_streams(server: Server, ledger: Any) -> None:
    stream = ledger.StreamEntries(pb.StreamEntriesRequest(), timeout=TIMEOUT_S)
    await stream.read()
    stopping = asyncio.create_task(server.stop())
    fault = await fault_of_reading(stream)
    await stopping
    assert fault.reason is Reason.SHUTTING_DOWN
