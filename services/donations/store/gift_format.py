"""Gift rows in PostgreSQL's binary form: what COPY writes, and what a batch's digest is taken over.

A batch's digest is SHA-256 over its rows in key order: for each row the fields of DIGESTED, each as
an int32 length and the value in its type's binary form. The donor's token is left out, so that the
digest holds when a donor is forgotten. `store/summary.py` makes it again in SQL, from the rows.
"""

import hashlib
from uuid import UUID

from services.donations.gifts.batch import EMPTY_DIGEST
from services.donations.gifts.rows import GiftRows
from services.donations.store import copyformat
from services.donations.store.copyformat import Column

DIGESTED = (
    "bucket",
    "partner_id",
    "external_id",
    "amount_micros",
    "currency",
    "project_id",
    "campaign_id",
    "event_time",
)


def digested_columns(rows: GiftRows) -> list[Column]:
    """The columns of DIGESTED."""
    return [
        copyformat.smallint(rows.buckets),
        copyformat.smallint(rows.partner_ids),
        copyformat.text(rows.external_ids),
        copyformat.bigint(rows.amounts_micros),
        copyformat.text(rows.currencies()),
        copyformat.integer(rows.project_ids),
        copyformat.integer(rows.campaign_ids),
        copyformat.timestamptz(rows.event_times_micros),
    ]


def token_column(rows: GiftRows) -> Column:
    """The donors' tokens."""
    return copyformat.bytea(rows.donor_tokens, rows.token_lengths())


def batch_column(rows: GiftRows, batch_id: UUID) -> Column:
    """The batch's id in every row."""
    return copyformat.constant(batch_id.bytes, len(rows))


def digest_of(rows: GiftRows) -> bytes:
    """The digest of a batch that holds exactly these rows."""
    if not len(rows):
        return EMPTY_DIGEST
    return hashlib.sha256(copyformat.fields(digested_columns(rows))).digest()
