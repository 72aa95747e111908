"""Gifts become columns with control totals, in order, whatever the source."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watersmeet._batches import ROWS_MAX, Gift, batches, build_batch
from watersmeet.donations.v1.donation_intake_service_pb2 import DonationBatch

TIME = datetime(2026, 9, 5, 12, 0, 0, 123456, tzinfo=UTC)
GIFT = Gift("A-1", "library", 12_340_000, "CNY", TIME)

gifts = st.builds(
    Gift,
    external_id=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
    project=st.sampled_from(["library", "well", "school"]),
    amount_micros=st.integers(1, 10**15),
    currency=st.sampled_from(["CNY", "USD"]),
    event_time=st.integers(0, 2**51).map(lambda n: TIME + timedelta(microseconds=n - 2**50)),
    campaign=st.sampled_from(["", "harvest"]),
    donor_reference=st.sampled_from(["", "d-1"]),
)


def rows(batch: DonationBatch) -> list[Gift]:
    """The batch read back, as the contract says that it is read."""
    size = len(batch.external_ids)
    campaigns = batch.campaign_indexes or [0] * size
    return [
        Gift(
            external_id=batch.external_ids[i],
            project=batch.projects[batch.project_indexes[i]],
            amount_micros=batch.amounts_micros[i],
            currency=batch.currency_code,
            event_time=datetime(1970, 1, 1, tzinfo=UTC)
            + timedelta(microseconds=batch.event_times_micros[i]),
            campaign=batch.campaigns[campaigns[i]] if batch.campaigns else "",
            donor_reference=batch.donor_references[i] if batch.donor_references else "",
        )
        for i in range(size)
    ]


async def collect(source: object, *, size: int = 3, offset: int = 0) -> list[DonationBatch]:
    return [b async for b in batches(source, rows=size, offset=offset)]  # type: ignore[arg-type]


@pytest.mark.property
@given(st.lists(gifts, min_size=1, max_size=30))
def test_a_batch_reads_back_as_its_gifts(some: list[Gift]) -> None:
    some = [replace(gift, currency="CNY") for gift in some]
    batch = build_batch(some)
    assert rows(batch) == some
    assert batch.control_totals.count == len(some)
    assert batch.control_totals.micros == sum(gift.amount_micros for gift in some)
    assert len(batch.projects) == len(set(batch.projects))


@pytest.mark.property
@given(st.lists(gifts, max_size=30), st.integers(1, 7), st.integers(0, 1000))
async def test_a_source_becomes_batches_without_loss_or_gap(
    some: list[Gift], size: int, offset: int
) -> None:
    made = await collect(some, size=size, offset=offset)
    assert [gift for batch in made for gift in rows(batch)] == some
    for batch in made:
        assert batch.offset == offset
        assert 1 <= batch.control_totals.count == len(batch.external_ids) <= size
        offset += len(batch.external_ids)


def test_what_is_the_same_for_all_is_sent_once() -> None:
    batch = build_batch([GIFT, replace(GIFT, external_id="A-2")])
    assert (list(batch.campaigns), list(batch.campaign_indexes)) == ([], [])
    assert list(batch.donor_references) == []
    named = build_batch([replace(GIFT, campaign="harvest")])
    assert (list(named.campaigns), list(named.campaign_indexes)) == (["harvest"], [])


def test_times_of_any_zone_are_the_same_moment() -> None:
    shanghai = TIME.astimezone(timezone(timedelta(hours=8)))
    assert build_batch([replace(GIFT, event_time=shanghai)]) == build_batch([GIFT])


def test_complete_until_travels_with_the_batch() -> None:
    batch = build_batch([GIFT], complete_until=TIME)
    assert batch.complete_until_time.ToDatetime(UTC) == TIME


async def test_a_full_batch_does_not_wait_for_the_next_gift() -> None:
    seen: list[int] = []

    def source() -> Iterable[Gift]:
        for number in range(1, 4):
            seen.append(number)
            yield replace(GIFT, external_id=str(number))

    async for batch in batches(source(), rows=2, offset=0):
        if batch.offset == 0:
            assert seen == [1, 2]


async def test_prepared_batches_go_as_they_are() -> None:
    prepared = build_batch([GIFT])
    prepared.control_totals.micros = 5  # its own sums, though wrong, are its maker's
    bare = DonationBatch(currency_code="USD", external_ids=["B"], amounts_micros=[7])
    made = await collect([GIFT, prepared, bare, GIFT])
    assert [batch.offset for batch in made] == [0, 1, 2, 3]
    assert made[1].control_totals.micros == 5
    assert (made[2].control_totals.count, made[2].control_totals.micros) == (1, 7)
    assert prepared.offset == 0
    assert not bare.HasField("control_totals")


async def test_a_source_may_be_asynchronous() -> None:
    async def source() -> AsyncIterator[Gift]:
        for number in range(5):
            yield replace(GIFT, external_id=str(number))

    assert [len(batch.external_ids) for batch in await collect(source())] == [3, 2]


@pytest.mark.parametrize(
    "some", [[], [GIFT] * (ROWS_MAX + 1), [GIFT, replace(GIFT, currency="USD")]]
)
def test_batches_that_no_server_takes_are_refused(some: list[Gift]) -> None:
    with pytest.raises(ValueError, match="a batch holds"):
        build_batch(some)


@pytest.mark.parametrize("amount", [1.5, 1.0, True, "1"])
def test_an_amount_is_whole_micros(amount: object) -> None:
    with pytest.raises(TypeError, match="to_micros"):
        Gift("A-1", "library", amount, "CNY", TIME)  # type: ignore[arg-type]


def test_a_time_needs_its_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Gift("A-1", "library", 1, "CNY", TIME.replace(tzinfo=None))


def test_the_donor_stays_out_of_what_is_printed() -> None:
    assert "d-77" not in repr(replace(GIFT, donor_reference="d-77"))
