"""A rate holds over any time, however its tokens are taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.quotas.bucket import TokenBucket


def test_it_begins_full_and_fills_up_to_its_burst() -> None:
    bucket = TokenBucket(10, 20, now=0)
    bucket.take(20, 0)
    assert bucket.wait_s(1, 0) == pytest.approx(0.1)
    assert bucket.wait_s(1, 0.1) == 0
    assert bucket.wait_s(20, 1_000) == 0
    bucket.take(20, 1_000)
    assert bucket.wait_s(1, 1_000) == pytest.approx(0.1), "an hour saves up no more than a burst"


def test_more_than_a_burst_waits_for_a_full_bucket_and_is_paid_for_afterwards() -> None:
    bucket = TokenBucket(10, 20, now=0)
    bucket.take(5, 0)
    assert bucket.wait_s(100, 0) == pytest.approx(0.5)
    bucket.take(100, 0.5)
    assert bucket.wait_s(1, 0.5) == pytest.approx(8.1)


@given(
    rate=st.floats(0.5, 1e6),
    burst=st.floats(1, 1e6),
    steps=st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 1e5)), max_size=40),
)
def test_no_more_passes_than_the_rate_and_one_burst(
    rate: float, burst: float, steps: list[tuple[float, float]]
) -> None:
    now, passed, largest = 0.0, 0.0, 0.0
    bucket = TokenBucket(rate, burst, now)
    for later, tokens in steps:
        now += later
        if bucket.wait_s(tokens, now) == 0:
            bucket.take(tokens, now)
            passed += tokens
            largest = max(largest, tokens)
            # What is larger than a burst is lent, once, and earned before anything else passes.
            allowed = burst + rate * now + max(0.0, largest - burst)
            assert passed <= allowed * (1 + 1e-9) + 1e-3


@given(
    rate=st.floats(0.5, 1e6),
    burst=st.floats(1, 1e6),
    before=st.floats(0, 1e6),
    tokens=st.floats(0.1, 1e6),
)
def test_after_the_wait_that_it_names_it_has_enough(
    rate: float, burst: float, before: float, tokens: float
) -> None:
    bucket = TokenBucket(rate, burst, 0.0)
    bucket.take(before, 0.0)
    wait_s = bucket.wait_s(tokens, 0.0)
    assert bucket.wait_s(tokens, wait_s * (1 + 1e-9)) == 0
