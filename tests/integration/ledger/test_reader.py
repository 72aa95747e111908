"""What the books answer."""

import asyncio
from datetime import timedelta

import pytest

from services.ledger.domain import INT64_MAX, AccountKind, AccountName, Cause, CauseKind
from services.ledger.reading.reader import Reader
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.postgres import DatabaseUrls
from tests.integration.ledger.parts import Parts, open_parts
from tests.integration.ledger.stand_ins import kill_connections
from tests.support.clock import FixedClock
from tests.unit.ledger.drafts import NOON, draft, gift, new_id, refund, suspended

BATCH = "0190a5d0-ac96-774b-bcce-b302099a8057"


async def test_balances(parts: Parts) -> None:
    await parts.post_all(draft(gift(7), gift(5, currency="USD")), draft(refund(3), suspended(2)))
    held = {}
    for code in ("partner/alipay/claimed", "partner/alipay/suspense", "project/well/fund"):
        balance, sequence = await parts.reader.balance(AccountName(code, "CNY"))
        assert sequence == 2
        held[code] = (balance.kind, balance.debits, balance.credits, balance.micros)
    assert held == {
        "partner/alipay/claimed": (AccountKind.ASSET, 9, 3, 6),
        "partner/alipay/suspense": (AccountKind.LIABILITY, 0, 2, 2),
        "project/well/fund": (AccountKind.LIABILITY, 3, 7, 4),
    }
    dollars, _ = await parts.reader.balance(AccountName("project/well/fund", "USD"))
    assert dollars.micros == 5


async def test_balances_of_many_callers_are_read_after_they_asked(parts: Parts) -> None:
    projects = [f"p{n}" for n in range(20)]
    for round_ in range(1, 4):
        await parts.post_all(*(draft(gift(n + 1, project=p)) for n, p in enumerate(projects)))
        names = [AccountName(f"project/{p}/fund", "CNY") for p in projects]
        answers = await asyncio.gather(*map(parts.reader.balance, [*names, *names]))
        assert [balance.name for balance, _ in answers] == [*names, *names]
        assert [balance.micros for balance, _ in answers[:20]] == [
            round_ * (n + 1) for n in range(20)
        ]


async def test_a_name_that_no_account_can_have_hurts_nobody_else(parts: Parts) -> None:
    await parts.post_all(draft(gift(7)))
    names = [("project/well/fund", "CNY"), ("project/\0", "CNY"), ('"}', "{"), ("\ud800", "CNY")]
    answers = await asyncio.gather(
        *(parts.reader.balance(AccountName(*name)) for name in names), return_exceptions=True
    )
    assert isinstance(answers[0], tuple)
    for fault in answers[1:]:
        assert isinstance(fault, Fault)
        assert fault.reason is Reason.ACCOUNT_NOT_FOUND


async def test_balances_outlive_their_connection(urls: DatabaseUrls, clock: FixedClock) -> None:
    async with open_parts(urls.service, clock, name="cut") as parts:
        await parts.post_all(draft(gift(7)))
        name = AccountName("project/well/fund", "CNY")
        before = await parts.reader.balance(name)
        assert await asyncio.to_thread(kill_connections, urls.service, "cut") >= 1
        assert await parts.reader.balance(name) == before


@pytest.mark.parametrize(
    "name", [("project/road/fund", "CNY"), ("project/well/fund", "USD"), ("nonsense", "XXX")]
)
async def test_an_unknown_account_is_not_zero(parts: Parts, name: tuple[str, str]) -> None:
    await parts.post_all(draft())
    for ask in (parts.reader.balance, parts.reader.account):
        with pytest.raises(Fault) as caught:
            await ask(AccountName(*name))
        assert caught.value.reason is Reason.ACCOUNT_NOT_FOUND


async def test_trial_balance(parts: Parts) -> None:
    await parts.post_all(draft(gift(7), gift(5, currency="USD"), suspended(2)), draft(refund(3)))
    trial = await parts.reader.trial_balance("")
    assert trial.sequence == 2
    assert [(b.name.code, b.name.currency, b.micros) for b in trial.balances] == [
        ("partner/alipay/claimed", "CNY", 6),
        ("partner/alipay/claimed", "USD", 5),
        ("partner/alipay/suspense", "CNY", 2),
        ("project/well/fund", "CNY", 4),
        ("project/well/fund", "USD", 5),
    ]
    assert [(s.currency, s.debits, s.credits) for s in trial.sums] == [
        ("CNY", 12, 12),
        ("USD", 5, 5),
    ]
    dollars = await parts.reader.trial_balance("USD")
    assert [balance.name.currency for balance in dollars.balances] == ["USD", "USD"]
    assert [sums.currency for sums in dollars.sums] == ["USD"]


async def test_an_empty_trial_balance_knows_its_sequence(parts: Parts) -> None:
    trial = await parts.reader.trial_balance("")
    assert (list(trial.balances), list(trial.sums), trial.sequence) == ([], [], 0)


async def test_a_sum_beyond_64_bits_is_said_to_be(parts: Parts) -> None:
    await parts.post_all(
        draft(gift(INT64_MAX)), draft(gift(INT64_MAX, partner="tencent", project="road"))
    )
    with pytest.raises(Fault) as caught:
        await parts.reader.trial_balance("CNY")
    assert caught.value.reason is Reason.BALANCE_OVERFLOW


async def test_entries_by_sequence_and_id(parts: Parts) -> None:
    drafts = [draft(), draft(suspended(), metadata={"gifts": "1"})]
    await parts.post_all(*drafts)
    second = await parts.reader.entry(2)
    assert second.draft == drafts[1]
    assert await parts.reader.entry(drafts[1].entry_id) == second
    for unknown in (0, 3, -1, new_id()):
        with pytest.raises(Fault) as caught:
            await parts.reader.entry(unknown)
        assert caught.value.reason is Reason.ENTRY_NOT_FOUND


async def test_entries_of_an_account_and_a_cause(parts: Parts) -> None:
    batch, memo = Cause(CauseKind.INTAKE_BATCH, BATCH), Cause(CauseKind.MANUAL, BATCH)
    await parts.post_all(
        draft(gift(), gift(), cause=batch),
        draft(gift(project="road", currency="USD"), cause=memo),
        draft(suspended(partner="tencent"), cause=batch),
        draft(refund(project="road"), gift(project="road"), cause=memo),
    )

    async def listed(account: str, cause: Cause | None, limit: int = 10) -> list[int]:
        found: list[int] = []
        while True:
            after = found[-1] if found else 0
            page = await parts.reader.entries(
                account=account, cause=cause, after=after, limit=limit
            )
            assert len(page.entries) <= limit
            found += [entry.sequence for entry in page.entries]
            if not page.more:
                return found

    for limit in (1, 2, 10):
        assert await listed("", None, limit) == [1, 2, 3, 4]
        assert await listed("partner/alipay/claimed", None, limit) == [1, 2, 4]
        assert await listed("project/road/fund", None, limit) == [2, 4]
        assert await listed("", batch, limit) == [1, 3]
        assert await listed("partner/alipay/claimed", batch, limit) == [1]
        assert await listed("", Cause(CauseKind.MANUAL, "other"), limit) == []
    with pytest.raises(Fault) as caught:
        await listed("project/unknown/fund", None)
    assert caught.value.reason is Reason.ACCOUNT_NOT_FOUND


async def test_accounts_by_prefix_in_pages(parts: Parts) -> None:
    await parts.post_all(draft(*(gift(1, project=f"p{n}") for n in range(5)), gift(currency="USD")))
    found: list[AccountName] = []
    while True:
        after = found[-1] if found else None
        page = await parts.reader.accounts(prefix="project/", after=after, limit=2)
        if not page:
            break
        found += [account.name for account in page]
    assert found == sorted(found)
    assert [name.code for name in found if name.currency == "CNY"] == [
        f"project/p{n}/fund" for n in range(5)
    ]
    # Neither % nor _ is anything but itself.
    assert await parts.reader.accounts(prefix="pro_", after=None, limit=9) == []


async def test_watermarks_are_the_greatest_that_were_stated(parts: Parts) -> None:
    def stated(hours: int) -> dict[str, str]:
        return {"complete_until/alipay": (NOON + timedelta(hours=hours)).isoformat()}

    await parts.post_all(draft(metadata=stated(2)), draft(metadata=stated(1)))
    await parts.post_all(
        draft(metadata={"complete_until/tencent": "2019-09-05T20:00:00.5+08:00", **stated(0)})
    )
    (page,) = [page async for page in parts.reader.totals(100)]
    assert page.watermarks == {
        "alipay": NOON + timedelta(hours=2),
        "tencent": NOON + timedelta(milliseconds=500),
    }
    assert page.head.recorded_time == parts.clock()


async def test_empty_totals_are_one_empty_page(parts: Parts) -> None:
    (page,) = [page async for page in parts.reader.totals(100)]
    assert (page.head.sequence, page.head.recorded_time, list(page.rows)) == (0, None, [])


async def test_a_slow_reader_of_totals_gives_its_snapshot_back(parts: Parts) -> None:
    await parts.post_all(draft(*(gift(1, project=f"p{n}") for n in range(20))))
    patience_s = 1.5  # enough for the first pages, also on a busy machine
    hasty = Reader(parts.reading, parts.balances, parts.snapshots, read_totals_timeout_s=patience_s)
    slow = [hasty.totals(1) for _ in range(2)]  # all the snapshots that there are
    for pages in slow:
        await anext(pages)
    assert len([page async for page in parts.reader.totals(100)]) == 1  # waited, and had one
    await asyncio.sleep(patience_s)  # until the later of the two has run out of time, too
    for pages in slow:
        with pytest.raises(Fault) as caught:
            _ = [page async for page in pages]
        assert caught.value.reason is Reason.DEADLINE_EXCEEDED


async def test_a_reader_that_goes_away_gives_its_snapshot_back(parts: Parts) -> None:
    await parts.post_all(draft(*(gift(1, project=f"p{n}") for n in range(20))))
    async with asyncio.timeout(5):
        for _ in range(6):
            pages = parts.reader.totals(1)
            await anext(pages)
            await pages.aclose()
