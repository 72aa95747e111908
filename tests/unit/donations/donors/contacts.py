"""Donors as tests think of them."""

from datetime import UTC, datetime, timedelta

from services.donations.donors.donor import Contact, donor_key

LEARNED = datetime(2019, 9, 5, 8, tzinfo=UTC)
NOW = LEARNED + timedelta(hours=1)
CONTACT = Contact("李小明", "+86 138 0013 8000", "li@example.org", "贵州省 贵阳市 1 号")
DONOR = donor_key(1, b"0123456789abcdef")
OTHER = donor_key(1, b"fedcba9876543210")
