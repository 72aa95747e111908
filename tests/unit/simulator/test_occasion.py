"""Credit codes against codes of organisations that exist, and what an occasion holds."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.cli.simulator.occasion import check_character, credit_code, make_occasion


@pytest.mark.parametrize("code", ["91330100799655058B", "9144030071526726XG"])
def test_check_characters_are_those_of_real_codes(code: str) -> None:
    assert check_character(code[:17]) == code[17]


def test_made_up_codes_differ_and_have_18_characters() -> None:
    codes = {credit_code(number) for number in range(1, 200)}
    assert len(codes) == 199
    assert all(len(code) == 18 for code in codes)


def test_an_occasion_spans_its_days_in_shanghai() -> None:
    occasion = make_occasion(date(2019, 9, 5), projects=65)
    assert occasion.gifts_end_time == datetime(2019, 9, 4, 16, tzinfo=UTC)
    assert occasion.end_time - occasion.start_time == timedelta(days=3)
    assert len({project.code for project in occasion.projects}) == 65
    charities = {charity.code for charity in occasion.charities}
    assert {project.charity for project in occasion.projects} == charities
