"""When an overloaded service counts as well again."""

from bench.arriving import Arrival
from bench.rows.overload import recovery_s


def arriving(*took_s: float | None, start_s: float = 4.0) -> list[Arrival]:
    """Four calls in each quarter of a second, all of a quarter as it says."""
    return [
        Arrival(start_s + (span + call / 4) / 4, took)
        for span, took in enumerate(took_s)
        for call in range(4)
    ]


def test_it_is_recovered_after_the_last_span_that_was_not_well() -> None:
    calls = arriving(None, 0.01, 0.9, 0.01, 0.01)
    assert recovery_s(calls, 4.0, 5.25) == 0.75


def test_what_came_before_does_not_count() -> None:
    assert recovery_s([Arrival(3.9, None), *arriving(0.01, 0.01)], 4.0, 4.5) == 0.0


def test_what_never_recovers_says_so() -> None:
    assert recovery_s(arriving(0.01, None), 4.0, 4.5) == 0.5
