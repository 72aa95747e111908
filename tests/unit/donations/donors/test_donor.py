"""What a contact must fulfil, and what a refusal says of it."""

from datetime import UTC, datetime, timedelta

import pytest

from services.donations.donors.donor import (
    BYTES_MAX,
    Contact,
    Purpose,
    Reading,
    require_contact,
    require_reading,
    require_reference,
    require_update_time,
)
from services.runtime.errors import Fault, Reason
from tests.unit.donations.donors.contacts import CONTACT, NOW

REQUEST_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize(
    ("contact", "field"),
    [
        (Contact(), "contact"),
        *(
            (Contact(**{name: "x" * (size + 1)}), f"contact.{name}")
            for name, size in BYTES_MAX.items()
        ),
        (Contact(name="汇" * 67), "contact.name"),
        (Contact(phone="138\n0013"), "contact.phone"),
        (Contact(email="\0"), "contact.email"),
    ],
)
def test_a_bad_contact_is_refused_by_its_fields_name_alone(contact: Contact, field: str) -> None:
    with pytest.raises(Fault) as caught:
        require_contact(contact)
    assert caught.value.reason in (Reason.FIELD_INVALID, Reason.FIELD_REQUIRED)
    assert caught.value.metadata == {"field": field}
    assert "汇" not in repr(caught.value)
    assert "0013" not in repr(caught.value)


@pytest.mark.parametrize(
    "contact",
    [
        CONTACT,
        Contact(address="东城区\u3000一号"),
        Contact(**{name: "x" * size for name, size in BYTES_MAX.items()}),
    ],
)
def test_contacts_of_any_script_are_kept_as_they_are(contact: Contact) -> None:
    assert require_contact(contact) is contact


@pytest.mark.parametrize("reference", ["", "x" * 129, "汇" * 43])
def test_a_reference_is_1_to_128_bytes(reference: str) -> None:
    with pytest.raises(Fault) as caught:
        require_reference(reference)
    assert caught.value.metadata == {"field": "donor_reference"}
    assert require_reference("x" * 128) == "x" * 128


@pytest.mark.parametrize(
    "moment", [datetime(1999, 12, 31, tzinfo=UTC), NOW + timedelta(minutes=10, microseconds=1)]
)
def test_nobody_learns_of_anything_long_ago_or_tomorrow(moment: datetime) -> None:
    with pytest.raises(Fault) as caught:
        require_update_time(moment, NOW)
    assert caught.value.metadata == {"field": "update_time"}
    latest = NOW + timedelta(minutes=10)
    assert require_update_time(latest, NOW) == latest


@pytest.mark.parametrize(
    ("purpose", "case", "field"),
    [
        (0, "RCPT-1", "purpose"),
        (5, "RCPT-1", "purpose"),
        (1, "", "case_reference"),
        (1, "李小明", "case_reference"),
    ],
)
def test_finance_says_why_it_reads(purpose: int, case: str, field: str) -> None:
    with pytest.raises(Fault) as caught:
        require_reading("finance/local", purpose, case, REQUEST_ID)
    assert caught.value.metadata == {"field": field}
    assert require_reading("finance/local", 1, "RCPT-1", REQUEST_ID) == Reading(
        "finance/local", Purpose.RECEIPT, "RCPT-1", REQUEST_ID
    )
