"""The batches that the donations service adds up, held against the entries, both ways."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from services.ledger.audit.batches import BatchSummary, LineKind
from services.ledger.audit.check import Check
from services.ledger.domain import Cause, CauseKind
from services.runtime.errors import Fault, Reason
from tests.integration.ledger.batches import batch, entry_of, line
from tests.integration.ledger.parts import Parts
from tests.unit.ledger.drafts import NOON, draft, new_id


async def batches_check(
    parts: Parts, *summaries: BatchSummary, fault: Fault | None = None
) -> Check:
    report = await parts.audit(*summaries, fault=fault)
    *others, found = report.checks
    assert all(check.ok for check in others), others
    assert report.ok is found.ok
    return found


async def test_batches_in_order(parts: Parts) -> None:
    summaries = [batch(), batch(line(micros=1), line(micros=2)), batch(posted=False)]
    await parts.post_all(*map(entry_of, reversed(summaries)), draft())
    check = await batches_check(parts, *summaries)
    assert check.ok
    assert check.covered == 3


async def test_many_batches_and_long_ones(parts: Parts) -> None:
    summaries = [batch(line(micros=n + 1)) for n in range(450)]
    long = [batch(*(line(micros=n + 1) for n in range(12_000))) for _ in range(3)]
    for start in range(0, 450, 150):
        await parts.post_all(*map(entry_of, summaries[start : start + 150]))
    for summary in long:
        await parts.post_all(entry_of(summary))
    check = await batches_check(parts, *summaries, *long)
    assert check.ok, check
    assert check.covered == 453


@pytest.mark.parametrize("place", [0, 1, 205, 449])
async def test_one_missing_batch_among_many(parts: Parts, place: int) -> None:
    summaries = [batch(line()) for _ in range(450)]
    for start in range(0, 450, 150):
        await parts.post_all(*map(entry_of, summaries[start : start + 150]))
    missing = summaries.pop(place)
    check = await batches_check(parts, *summaries)
    assert not check.ok
    assert check.detail == (
        f"entry {place + 1} is of batch {missing.batch_id}, which the donations service does not "
        "know"
    )


async def test_a_batch_may_be_posted_as_several_entries(parts: Parts) -> None:
    summary = batch()
    first, second = (
        replace(summary, lines=part) for part in (summary.lines[:1], summary.lines[1:])
    )
    await parts.post_all(entry_of(first), entry_of(second))
    assert (await batches_check(parts, summary)).ok


async def test_a_batch_in_which_only_a_watermark_was_new(parts: Parts) -> None:
    summary = replace(batch(gifts=0), lines=[])
    facts = {**entry_of(summary).metadata, "complete_until/alipay": NOON.isoformat()}
    entry = entry_of(summary)._replace(transfers=(), metadata=facts)
    counted = batch(line())
    await parts.post_all(entry_of(counted), entry)
    async with aclosing(parts.reader.totals(10)) as pages:
        assert (await anext(pages)).watermarks == {"alipay": NOON}
    report = await parts.audit(*sorted([counted, summary], key=lambda found: found.batch_id))
    assert report.ok, report


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"micros": 11}, "its rows add up to 11 (1), and entry 1 moved 10 (1)"),
        ({"tally": 0}, "its rows add up to 10 (0), and entry 1 moved 10 (1)"),
        ({"project": "road"}, "project/road/fund to partner/alipay/claimed"),
        ({"campaign": ""}, "its rows add up to 10 (1), and entry 1 moved 0 (0)"),
        ({"partner": "tencent"}, "partner/tencent/claimed"),
        ({"currency": "USD"}, "in USD its rows add up"),
        ({"kind": LineKind.REFUND}, "from partner/alipay/claimed to project/well/fund"),
    ],
)
async def test_a_line_that_differs(parts: Parts, change: dict[str, object], told: str) -> None:
    summary = batch(line())
    await parts.post_all(entry_of(summary))
    other = replace(summary, lines=[line()._replace(**change)])  # type: ignore[arg-type]
    check = await batches_check(parts, other)
    assert not check.ok
    assert f"batch {summary.batch_id}: " in check.detail
    assert told in check.detail


async def test_lines_that_are_missing_or_too_many(parts: Parts) -> None:
    summary = batch()
    await parts.post_all(entry_of(summary))
    assert not (await batches_check(parts, replace(summary, lines=summary.lines[:3]))).ok
    more = replace(summary, lines=[*summary.lines, line()])
    assert not (await batches_check(parts, more)).ok


async def test_a_digest_or_a_number_of_gifts_that_differs(parts: Parts) -> None:
    summary = batch()
    await parts.post_all(entry_of(summary))
    for other in (replace(summary, gifts=5), replace(summary, digest=bytes(32))):
        check = await batches_check(parts, other)
        assert not check.ok
        assert "entry 1 states 4 gifts with digest" in check.detail


async def test_an_entry_that_states_neither(parts: Parts) -> None:
    summary = batch()
    await parts.post_all(entry_of(summary)._replace(metadata={}))
    assert "states None gifts" in (await batches_check(parts, summary)).detail


async def test_a_batch_posted_twice(parts: Parts) -> None:
    summary = batch()
    await parts.post_all(entry_of(summary), entry_of(summary))
    check = await batches_check(parts, summary)
    assert not check.ok
    assert "entry 1 and entry 2 moved 20 (2)" in check.detail


async def test_a_batch_marked_posted_without_its_entry(parts: Parts) -> None:
    summary = batch()
    check = await batches_check(parts, summary)
    assert not check.ok
    assert check.detail == f"batch {summary.batch_id} is marked posted and has no entry"


async def test_an_entry_of_another_cause_does_not_stand_for_a_batch(parts: Parts) -> None:
    summary = batch()
    cause = Cause(CauseKind.MANUAL, summary.batch_id)
    await parts.post_all(entry_of(summary)._replace(cause=cause))
    assert not (await batches_check(parts, summary)).ok


async def test_batches_that_wait_are_counted_and_no_fault(parts: Parts) -> None:
    posted = batch()
    await parts.post_all(entry_of(posted))
    check = await batches_check(parts, posted, batch(posted=False), batch(posted=False))
    assert check.ok
    assert check.covered == 1
    assert "2 more are not posted yet" in check.detail


async def test_a_batch_posted_since_the_audit_began(parts: Parts) -> None:
    before, since = batch(), batch()
    await parts.post_all(entry_of(before))

    async def stream() -> AsyncIterator[BatchSummary]:
        await parts.post_all(entry_of(since))
        yield before
        yield since

    *_, check = (await parts.audit_with(stream)).checks
    assert check.ok, check
    assert check.covered == 2
    assert "1 of them posted since the audit began" in check.detail


async def test_a_batch_posted_since_with_other_sums_is_found(parts: Parts) -> None:
    since = batch(line(micros=1))

    async def stream() -> AsyncIterator[BatchSummary]:
        await parts.post_all(entry_of(replace(since, lines=[line(micros=2)])))
        yield since

    *_, check = (await parts.audit_with(stream)).checks
    assert not check.ok
    assert "its rows add up to 1 (1), and entry 1 moved 2 (1)" in check.detail


@pytest.mark.parametrize("known", [0, 1])
async def test_donations_that_are_away_make_the_check_fail(parts: Parts, known: int) -> None:
    summary = batch()
    await parts.post_all(entry_of(summary))
    away = Fault(Reason.DEPENDENCY_UNAVAILABLE, "the service cannot be reached")
    check = await batches_check(parts, *[summary][:known], fault=away)
    assert not check.ok
    assert "could not be made to the end: DEPENDENCY_UNAVAILABLE" in check.detail


async def test_an_id_that_no_batch_has_is_told_for_each_entry(parts: Parts) -> None:
    lost = [batch() for _ in range(7)]
    await parts.post_all(*map(entry_of, lost))
    check = await batches_check(parts)
    assert not check.ok
    assert check.detail.endswith("and 2 more")
    assert str(new_id()) not in check.detail
