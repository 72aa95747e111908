"""What another process of intake has just added to the catalog, which this one has not read."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.donations.catalog.certificates import Certificate
from services.donations.catalog.memory import Campaign, Charity, Project
from services.donations.commit.submission import Submission
from services.donations.domain import Outcome, moment_of
from services.donations.gifts.columns import columns_of
from tests.integration.donations.parts import DECIDER, Parts
from tests.unit.donations.gifts import NOW_MICROS, a_gift

DAY = timedelta(days=1)
NEW = Project("new", "New", "aid")


async def outcomes(parts: Parts, *gifts: Any) -> list[Outcome]:
    """Of gifts that are submitted at once. The catalog was read within the last second."""
    await parts.catalog.refresh()
    return await sent(parts, *gifts)


async def sent(parts: Parts, *gifts: Any) -> list[Outcome]:
    """Of gifts that are submitted at once, by the catalog that is in memory."""
    calls = (parts.committer.commit(Submission(columns=columns_of([gift]))) for gift in gifts)
    return [Outcome(int(done.outcomes[0])) for done in await asyncio.gather(*calls)]


async def test_a_gift_to_what_was_just_created_is_attributed(parts: Parts) -> None:
    now = parts.clock()
    week = Campaign("new-week", "New week", now - DAY, now + DAY, "Asia/Shanghai")
    assert await outcomes(parts, a_gift("1", project="new")) == [Outcome.SUSPENDED]
    await parts.catalog_store.create_project(NEW, DECIDER, now)
    assert await sent(
        parts, a_gift("2", project="new"), a_gift("3"), a_gift("4", project="unheard-of")
    ) == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.SUSPENDED]
    await parts.catalog_store.create_campaign(week, now)
    assert await sent(parts, a_gift("5", campaign="new-week")) == [Outcome.ACCEPTED]
    # What was suspended before stays, and is known again.
    assert await sent(parts, a_gift("1", project="new")) == [Outcome.REPLAYED]
    await parts.require_balanced()
    rows = await parts.query("SELECT external_id FROM suspended ORDER BY external_id")
    assert [row.external_id for row in rows] == ["1", "4"]


async def test_a_certificate_that_was_just_entered_holds(parts: Parts) -> None:
    now = parts.clock()
    await parts.catalog_store.create_charity(Charity("love", "Love", "51100000500000000X"), now)
    await parts.catalog_store.create_project(Project("tree", "Tree", "love"), DECIDER, now)
    assert await outcomes(parts, a_gift("1", project="tree")) == [Outcome.SUSPENDED]
    certificate = Certificate((now - DAY).date(), (now + DAY).date(), "A-1")
    await parts.catalog_store.add_certificate("love", certificate, now)
    assert await sent(parts, a_gift("2", project="tree")) == [Outcome.ACCEPTED]


async def test_a_closing_that_was_just_put_off_has_not_come(parts: Parts) -> None:
    store, now = parts.catalog_store, parts.clock()
    gone = moment_of(NOW_MICROS - 3_600_000_000)
    await store.create_project(NEW, DECIDER, now - DAY)
    await store.close_project("new", gone, DECIDER, gone - DAY)
    assert await outcomes(parts, a_gift("1", project="new")) == [Outcome.SUSPENDED]
    await store.close_project("new", now + DAY, DECIDER, gone - DAY)
    assert await sent(parts, a_gift("2", project="new")) == [Outcome.ACCEPTED]


async def test_a_database_that_goes_while_the_catalog_is_read_again_fails_the_call(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await parts.catalog.refresh()
    await parts.catalog_store.create_project(NEW, DECIDER, parts.clock())

    async def away() -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(parts.catalog, "refresh", away)
        with pytest.raises(ConnectionError):
            await sent(parts, a_gift("1", project="new"))
    assert not await parts.query("SELECT 1 FROM donations")
    assert await sent(parts, a_gift("1", project="new")) == [Outcome.ACCEPTED]
