"""What is remembered of accounts' ids."""

from services.ledger.domain import AccountName
from services.ledger.store.accounts import AccountIds

FUND = AccountName("project/well/fund", "CNY")
CLAIMED = AccountName("partner/alipay/claimed", "CNY")


def test_ids_are_known_until_all_begins_anew() -> None:
    ids = AccountIds()
    ids.remember({FUND: 1}, ids.era)
    assert ids.known([FUND, CLAIMED]) == {FUND: 1}
    ids.forget()
    assert ids.known([FUND]) == {}


def test_what_was_read_in_an_era_that_is_over_is_not_learned() -> None:
    ids = AccountIds()
    began = ids.era
    ids.remember({FUND: 1}, began)
    ids.forget()  # a connection to another database was opened while the next was being read
    ids.remember({CLAIMED: 2}, began)
    assert ids.known([FUND, CLAIMED]) == {}
    ids.remember({CLAIMED: 3}, ids.era)
    assert ids.known([FUND, CLAIMED]) == {CLAIMED: 3}
