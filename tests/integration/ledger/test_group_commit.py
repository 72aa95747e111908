"""Which calls share a transaction of the writer."""

import asyncio
from collections.abc import Iterator

import pytest

from services.ledger.domain import EntryDraft, Posting
from services.ledger.journal.plan import Plan
from services.ledger.store.posting import PostingTransaction
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import Parts, open_parts
from tests.support.clock import FixedClock
from tests.unit.ledger.drafts import draft


async def test_concurrent_calls_share_a_transaction(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []
    append = PostingTransaction.append

    async def counted(self: PostingTransaction, plan: Plan) -> None:
        groups.append(len(plan.entries))
        await append(self, plan)

    monkeypatch.setattr(PostingTransaction, "append", counted)
    await asyncio.gather(*(parts.post_all(draft()) for _ in range(40)))
    assert sum(groups) == 40
    assert len(groups) <= 5


async def test_small_calls_wait_for_company_and_who_is_alone_does_not(
    urls: DatabaseUrls, clock: FixedClock
) -> None:
    late: list[asyncio.Task[list[Posting]]] = []

    async def pause(_: float) -> None:
        if not late:
            late.append(asyncio.create_task(parts.post_all(draft())))
        await asyncio.sleep(0)

    async with open_parts(urls.service, clock, pause=pause) as parts:
        await parts.post_all(draft())
        assert not late
        large = [draft() for _ in range(200)]
        await asyncio.gather(parts.post_all(*large), parts.post_all(*large[:100]))
        assert not late
        heads: list[int] = []
        parts.writer._committed = lambda plan: heads.append(plan.head.sequence)
        await asyncio.gather(parts.post_all(draft()), parts.post_all(draft()))
        await late[0]
        assert heads == [204]
        assert (await parts.audit()).ok


async def test_a_large_call_leaves_others_their_turns_while_it_is_made_ready(parts: Parts) -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    at: list[int] = []

    def drafts() -> Iterator[EntryDraft]:
        for _ in range(500):
            at.append(turns)
            yield draft()

    others = asyncio.create_task(take_turns())
    try:
        await parts.writer.post(drafts())
    finally:
        others.cancel()
    assert at[-1] - at[0] >= 5
