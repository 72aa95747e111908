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

HEAD_HOLDS = (
    "term = %(term)s AND sequence = %(after)s AND hash = %(after_hash)s"
    " AND (asked_time IS NULL OR asked_time < %(recorded_time)s)"
)
"""Whether a plan may be written that was made from what is remembered: the term goes on, the chain
ends where it did, and nobody was told how the books stood at its time.
"""

HEAD_MOVES = (
    "sequence = %(sequence)s, hash = %(hash)s, recorded_time = %(recorded_time)s,"
    " uncounted_after = %(uncounted_after)s, uncounted_through = %(uncounted_through)s"
)
"""Where the chain ends, and of which entries the totals' tables lack the changes: what
`additions.head_of` says.
"""
