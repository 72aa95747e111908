"""One group is written while the next is made ready: whatever becomes of the first."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ledger.domain import EntryDraft, Posting
from services.ledger.journal.plan import Outcome, Plan
from services.ledger.posting.writer import WriterLimits
from services.ledger.store.posting import PostingStore
from services.ledger.store.rendered import Rendered
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import Engines, Parts, open_parts, parts_on
from tests.integration.ledger.stand_ins import Breaker, kill_connections
from tests.support.clock import FixedClock
from tests.support.emptying import Emptier
from tests.support.examples import fewer_every_day
from tests.unit.ledger.books import assert_chain
from tests.unit.ledger.drafts import NOON, draft, gift
from tests.unit.ledger.strategies import drafts

EXAMPLES = fewer_every_day(4)
WHOLE = WriterLimits(group_transfers=2)
"""So that two gifts are a whole group."""


async def assert_in_order(parts: Parts) -> None:
    assert_chain(await parts.entries())
    report = await parts.audit()
    assert report.ok, report.checks


@pytest.mark.property
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.lists(drafts(), max_size=3),
    calls=st.lists(st.lists(drafts(), min_size=1, max_size=3), min_size=1, max_size=12),
    of_another=st.lists(drafts(), max_size=3),
    size=st.integers(1, 6),
    at_once_max=st.sampled_from([0, 100]),
)
async def test_calls_at_once_are_posted_whole_and_once(
    engines: Engines,
    emptier: Emptier,
    first: list[EntryDraft],
    calls: list[list[EntryDraft]],
    of_another: list[EntryDraft],
    size: int,
    at_once_max: int,
) -> None:
    emptier.delete()
    clock = FixedClock(NOON)
    limits = WriterLimits(group_transfers=size)
    async with (
        parts_on(engines, clock, limits=limits, at_once_max=at_once_max) as parts,
        parts_on(engines, clock, at_once_max=at_once_max) as another,
    ):
        sent = [first] if first else []
        outcomes = [await parts.post(*first)] if first else []
        posting = [parts.post(*call) for call in calls]
        if of_another:
            posting.insert(len(calls) // 2, another.post(*of_another))
            calls.insert(len(calls) // 2, of_another)
        outcomes += await asyncio.gather(*posting)
        await assert_told(parts, [*sent, *calls], outcomes)
        await assert_in_order(parts)


async def assert_told(
    parts: Parts, sent: Sequence[Sequence[EntryDraft]], outcomes: Sequence[Sequence[Outcome]]
) -> None:
    """Each entry id stands once, and each draft is told how it does."""
    entries = {entry.draft.entry_id: entry for entry in await parts.entries()}
    new: Counter[str] = Counter()
    for call, answer in zip(sent, outcomes, strict=True):
        for one, outcome in zip(call, answer, strict=True):
            entry = entries[one.entry_id]
            if isinstance(outcome, Fault):
                assert outcome.reason is Reason.ENTRY_CONFLICT
                assert entry.draft != one
                continue
            assert (outcome.sequence, outcome.hash) == (entry.sequence, entry.hash)
            assert entry.draft == one
            new[one.entry_id] += not outcome.replayed
    assert new == Counter(dict.fromkeys(entries, 1))


@dataclass
class Watch:
    """Holds groups up that are ready, until told otherwise. ready, written: their last sequences.
    two: set once two are ready.
    """

    ready: list[int] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    two: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Watch]:
    """Begins to watch all groups."""
    go_on, render = PostingStore.continue_chain, PostingStore.render

    def begin() -> Watch:
        watched = Watch()

        async def noted(self: PostingStore, plan: Plan) -> Rendered | None:
            rendered = await render(self, plan)
            watched.ready.append(plan.head.sequence)
            if len(watched.ready) == 2:
                watched.two.set()
            return rendered

        async def held_up(self: PostingStore, term: int, rendered: Rendered) -> bool:
            watched.written.append(rendered.plan.head.sequence)
            await watched.goes_on.wait()
            return await go_on(self, term, rendered)

        monkeypatch.setattr(PostingStore, "render", noted)
        monkeypatch.setattr(PostingStore, "continue_chain", held_up)
        return watched

    return begin


@pytest.mark.parametrize(("at_once_max", "begun"), [(0, [4, 6]), (100, [4])])
async def test_a_whole_group_is_made_ready_while_the_last_is_written(
    urls: DatabaseUrls,
    clock: FixedClock,
    watch: Callable[[], Watch],
    at_once_max: int,
    begun: list[int],
) -> None:
    """And a large one is handed to the database then."""
    async with open_parts(urls.service, clock, limits=WHOLE, at_once_max=at_once_max) as parts:
        await parts.post_all(draft(), draft())
        watched = watch()
        calls = [asyncio.create_task(parts.post_all(draft(), draft())) for _ in range(3)]
        await watched.two.wait()
        await asyncio.sleep(0)  # what is begun has its turn
        # And no third one before one of the two is written.
        assert (watched.ready, watched.written) == ([4, 6], begun)
        watched.goes_on.set()
        postings = await asyncio.gather(*calls)
        assert [posting.sequence for call in postings for posting in call] == [3, 4, 5, 6, 7, 8]
        assert (watched.ready, watched.written) == ([4, 6, 8], [4, 6, 8])
        await assert_in_order(parts)


async def test_the_next_group_is_half_a_whole_one_at_least_and_as_large_as_the_last(
    urls: DatabaseUrls, clock: FixedClock, watch: Callable[[], Watch]
) -> None:
    limits = WriterLimits(group_transfers=8)
    async with open_parts(urls.service, clock, limits=limits) as parts:

        def post(count: int) -> asyncio.Task[list[Posting]]:
            return asyncio.create_task(parts.post_all(*(draft() for _ in range(count))))

        await post(1)
        watched = watch()
        calls = [post(6)]
        async with asyncio.timeout(20):
            while watched.written != [7]:  # noqa: ASYNC110  nobody announces it
                await asyncio.sleep(0.001)
            calls += [post(3), post(2)]
            while parts.writer._queued_transfers != 5:  # noqa: ASYNC110  nor this
                await asyncio.sleep(0.001)
            assert watched.ready == [7]
            calls.append(post(1))
            await watched.two.wait()
        assert watched.ready == [7, 13]
        watched.goes_on.set()
        await asyncio.gather(*calls)
        assert watched.written == [7, 13]
        await assert_in_order(parts)


async def test_less_than_a_group_gathers_until_the_last_is_written(
    urls: DatabaseUrls, clock: FixedClock
) -> None:
    heads: list[int] = []
    async with open_parts(urls.service, clock, limits=WriterLimits(group_transfers=100)) as parts:
        await parts.post_all(draft())
        parts.writer._committed = lambda plan: heads.append(plan.head.sequence)
        await asyncio.gather(*(parts.post_all(draft()) for _ in range(40)))
    assert heads[-1] == 41
    assert len(heads) <= 3


@pytest.mark.parametrize("at_once_max", [0, 100])
async def test_a_lost_answer_to_the_first_of_two(
    urls: DatabaseUrls, clock: FixedClock, at_once_max: int
) -> None:
    async with (
        Breaker(urls.service).listening() as breaker,
        open_parts(breaker.url, clock, limits=WHOLE, at_once_max=at_once_max) as parts,
    ):
        await parts.post_all(draft(gift(1)), draft(gift(1)))
        breaker.cuts = 1
        calls = [parts.post_all(draft(gift(1)), draft(gift(1))) for _ in range(4)]
        postings = [posting for call in await asyncio.gather(*calls) for posting in call]
        assert breaker.lost == 1
        assert sorted(posting.sequence for posting in postings) == list(range(3, 11))
        assert not any(posting.replayed for posting in postings)
        await assert_in_order(parts)


@pytest.mark.parametrize("at_once_max", [0, 100])
async def test_both_groups_fail_with_the_database_and_are_tried_again(
    urls: DatabaseUrls, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, at_once_max: int
) -> None:
    go_on = PostingStore.continue_chain
    killed: list[int] = []

    async def kill(self: PostingStore, term: int, rendered: Rendered) -> bool:
        if not killed:
            killed.append(await asyncio.to_thread(kill_connections, urls.service, "two-writer"))
        return await go_on(self, term, rendered)

    async with open_parts(
        urls.service, clock, name="two", limits=WHOLE, at_once_max=at_once_max
    ) as parts:
        await parts.post_all(draft(), draft())
        monkeypatch.setattr(PostingStore, "continue_chain", kill)
        calls = [parts.post_all(draft(), draft()) for _ in range(4)]
        postings = [posting for call in await asyncio.gather(*calls) for posting in call]
        assert killed[0] >= 1
        assert sorted(posting.sequence for posting in postings) == list(range(3, 11))
        await assert_in_order(parts)


async def test_a_writer_that_stops_finishes_both_groups(
    urls: DatabaseUrls, clock: FixedClock, watch: Callable[[], Watch]
) -> None:
    async with open_parts(urls.service, clock, limits=WHOLE) as parts:
        await parts.post_all(draft(), draft())
        watched = watch()
        calls = [asyncio.create_task(parts.post(draft(), draft())) for _ in range(3)]
        await watched.two.wait()
        parts.writing.cancel()
        watched.goes_on.set()
        *posted, refused = await asyncio.gather(*calls, return_exceptions=True)
        assert [[type(outcome) for outcome in outcomes] for outcomes in posted] == [
            [Posting] * 2
        ] * 2
        assert isinstance(refused, Fault)
        assert refused.reason is Reason.SHUTTING_DOWN
        assert len(await parts.entries()) == 6


@pytest.mark.parametrize("at_once_max", [0, 100])
async def test_a_plan_that_was_not_written_is_not_counted_beside_its_like(
    urls: DatabaseUrls, clock: FixedClock, at_once_max: int
) -> None:
    """A connection that opens makes the accounts' ids be forgotten; the clock does not go on."""
    limits = WriterLimits(uncounted_transfers=3)
    async with open_parts(urls.service, clock, limits=limits, at_once_max=at_once_max) as parts:
        for _ in range(2):
            await parts.post_all(draft(gift(1)))
        parts.posting._accounts.forget()
        for _ in range(2):
            await parts.post_all(draft(gift(1)))
        await assert_in_order(parts)


async def test_behind_a_group_that_cannot_be_made_ready_nothing_is_planned(
    urls: DatabaseUrls, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = PostingStore.render
    made: list[int] = []

    async def fail_first(self: PostingStore, plan: Plan) -> Rendered | None:
        made.append(plan.head.sequence)
        if len(made) == 1:
            raise ValueError("a defect")
        return await render(self, plan)

    async with open_parts(urls.service, clock) as parts:
        await parts.post_all(draft())
        monkeypatch.setattr(PostingStore, "render", fail_first)
        with pytest.raises(ValueError, match="a defect"):
            await parts.post(draft())
        await parts.post_all(draft())
        assert made == [2, 2], "once for each group"
        await assert_in_order(parts)
