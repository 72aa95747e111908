"""How much of the database's time the sweeper takes."""

import pytest

from services.donations.commit.sweeper import PAUSE_S, rest_s


@pytest.mark.parametrize(
    ("looked_s", "rest"), [(0.0, PAUSE_S), (0.001, PAUSE_S), (0.1, 0.9), (5.0, 45.0), (25.0, 60.0)]
)
def test_looking_takes_a_tenth_of_the_time_though_nothing_waits_for_minutes(
    looked_s: float, rest: float
) -> None:
    assert rest_s(looked_s) == pytest.approx(rest)
