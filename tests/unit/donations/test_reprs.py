"""Nothing that holds personal data shows it when it is printed, as tracebacks and logs do."""

from datetime import UTC, datetime

import pytest

from services.donations.domain import Gift
from services.donations.donors.donor import Contact, DonorKey, Sealed, WrappedKey
from services.donations.donors.keys import KeyRing
from services.donations.gifts.tokens import DonorTokens
from services.donations.platforms.protocol import GiftReport, Notice
from services.donations.store.quarantine import QuarantinedNotice
from services.runtime.errors import Reason

CANARY = "oCANARYuMuAJO"
SECRET = b"oCANARYuMuAJO-oCANARYuMuAJO-oCAN"
NOW = datetime(2019, 9, 5, 12, tzinfo=UTC)
HEADERS = {"x-donor": CANARY}


@pytest.mark.parametrize(
    "holder",
    [
        Contact(CANARY, CANARY, CANARY, CANARY),
        Sealed(WrappedKey("1", SECRET), SECRET, NOW, NOW),
        KeyRing({"1": SECRET}),
        DonorTokens(SECRET),
        DonorKey(1, 1, b"token"),
        Notice("POST", CANARY, HEADERS, SECRET),
        QuarantinedNotice(
            "alipay", Reason.SIGNATURE_INVALID, "why", NOW, "POST", CANARY, HEADERS, SECRET
        ),
        GiftReport("1", "water", "", 1, "CNY", NOW, CANARY),
        Gift("weibo", "1", "water", "", 1, "CNY", 1, SECRET),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_what_holds_it_does_not_show_it(holder: object) -> None:
    assert CANARY not in f"{holder!r} {holder}"
