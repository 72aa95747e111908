"""Accounts' names in beancount: readable, and never the same for two codes."""

from hypothesis import example, given
from hypothesis import strategies as st

from services.cli.verifying.beancount import name_of

PARTS = st.text("ab0._-", min_size=1, max_size=5)
CODES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


def test_names_are_what_codes_say() -> None:
    assert name_of("partner/alipay/claimed", "ASSET") == b"Assets:Partner:Alipay:Claimed"
    assert name_of("project/clean-water/fund", "LIABILITY") == (
        b"Liabilities:Project:Clean-water:Fund"
    )
    assert name_of("project/a_b.2/fund", "LIABILITY") == b"Liabilities:Project:ALowbDot2:Fund"
    assert name_of("charity/_x/bank", "EXPENSE") == b"Expenses:Charity:0Linex:Bank"


@given(CODES, CODES)
@example("_", "0_")
@example(".", "0.")
def test_two_codes_have_two_names(one: str, other: str) -> None:
    assert (name_of(one, "ASSET") == name_of(other, "ASSET")) == (one == other)
