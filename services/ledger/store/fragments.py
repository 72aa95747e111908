"""Pieces of SQL that several statements share."""

from services.ledger.journal.calendar import ZONE

_OFFSET_S = int(ZONE.utcoffset(None).total_seconds())

VALUE_DATE = (
    "coalesce(e.value_date, "
    f"CAST(e.value_time AT TIME ZONE 'UTC' + interval '{_OFFSET_S} seconds' AS date))"
)
"""The value date of `entries e`; those of version 1 do not say it, and count in the ledger's own
calendar.
"""
