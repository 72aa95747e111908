"""The nouns. A donor is a token at a partner; a contact is personal data, which no repr shows."""

import unicodedata
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from services.donations.domain import BUCKETS, micros_of
from services.donations.gifts.validation import (
    EARLIEST_MICROS,
    is_external_id,
    latest_micros,
    require_donor_reference,
)
from services.runtime.errors import Fault, Reason


class PutOutcome(IntEnum):
    """What became of a contact that was sent; numbered as in the proto."""

    STORED = 1
    REPLAYED = 2
    OUTDATED = 3


class Purpose(IntEnum):
    """Why finance reads a contact; numbered as in the proto and in the database."""

    RECEIPT = 1
    REFUND = 2
    INQUIRY = 3
    LEGAL = 4


class DonorKey(NamedTuple):
    """What names a donor in the database. Keys sort as the database's primary key does."""

    bucket: int
    partner_id: int
    token: bytes


@dataclass(frozen=True, slots=True)
class Contact:
    """How to reach a donor. Empty where a partner says nothing."""

    name: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    address: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A donor's own key, wrapped. key_id: of the key-encryption key that wraps it."""

    key_id: str
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A contact as it is kept.

    update_time: when the partner learned of it. recorded_time: when it was kept.
    """

    key: WrappedKey
    content: bytes = field(repr=False)
    update_time: datetime
    recorded_time: datetime


@dataclass(frozen=True, slots=True)
class Erased:
    """What is left of a donor who was erased."""

    erase_time: datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """Who of finance reads a contact, and why. case_reference: in the reader's own files."""

    reader: str
    purpose: Purpose
    case_reference: str
    request_id: str


BYTES_MAX: Mapping[str, int] = {"name": 200, "phone": 40, "email": 254, "address": 600}


def donor_key(partner_id: int, token: bytes) -> DonorKey:
    """The key of a donor: spread over the buckets as gifts are, though by the token."""
    return DonorKey(zlib.crc32(token) % BUCKETS, partner_id, token)


def require_reference(text: str) -> str:
    """Returns a partner's reference to a donor if it may be one; raises Fault otherwise."""
    if not text:
        raise Fault(
            Reason.FIELD_REQUIRED, "send your own reference to the donor", field="donor_reference"
        )
    return require_donor_reference(text)


def require_contact(contact: Contact) -> Contact:
    """Returns the contact if it may be kept; raises Fault, which names the field, otherwise."""
    for part in fields(contact):
        text: str = getattr(contact, part.name)
        where = f"contact.{part.name}"
        if len(text.encode()) > BYTES_MAX[part.name]:
            raise Fault(
                Reason.FIELD_INVALID,
                f"{where} must be at most {BYTES_MAX[part.name]} bytes",
                field=where,
            )
        if any(unicodedata.category(character) == "Cc" for character in text):
            raise Fault(
                Reason.FIELD_INVALID, f"{where} must hold no control characters", field=where
            )
    if contact == Contact():
        raise Fault(Reason.FIELD_REQUIRED, "send a name, phone, email or address", field="contact")
    return contact


def require_update_time(moment: datetime, now: datetime) -> datetime:
    """Returns the moment if a partner can have learned something then; raises Fault otherwise."""
    micros = micros_of(moment)
    if micros < EARLIEST_MICROS:
        raise Fault(
            Reason.FIELD_INVALID,
            "update_time must not lie before the year 2000",
            field="update_time",
        )
    if micros > latest_micros(now):
        raise Fault(
            Reason.FIELD_INVALID,
            "update_time is more than ten minutes ahead of the server's clock; check yours",
            field="update_time",
        )
    return moment


def require_reading(reader: str, purpose: int, case_reference: str, request_id: str) -> Reading:
    """A reading that says why; raises Fault if it does not."""
    if not purpose:
        raise Fault(Reason.FIELD_REQUIRED, "say why the contact is read", field="purpose")
    try:
        known = Purpose(purpose)
    except ValueError:
        raise Fault(
            Reason.FIELD_INVALID, "purpose is none that the contract has", field="purpose"
        ) from None
    if not case_reference:
        raise Fault(
            Reason.FIELD_REQUIRED,
            "name the case in your own files that the contact is read for",
            field="case_reference",
        )
    if not is_external_id(case_reference):
        raise Fault(
            Reason.FIELD_INVALID,
            "case_reference must be 1 to 64 printable ASCII characters without spaces",
            field="case_reference",
        )
    return Reading(reader, known, case_reference, request_id)
