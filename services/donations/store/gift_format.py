"""Gift rows in PostgreSQL's binary form: what COPY writes, and what a batch's digest begins with.

The digest of a batch's gifts is SHA-256 over its rows in key order, as COPY takes them: for each
row the int16 number of its fields, FIELDS and the batch's id, each as an int32 length and the value
in its type's binary form. `store/summary.py` makes it again in SQL, from the rows; and for batches
of version 1, without the number of fields, the donor's token and the batch's id.
"""

import hashlib
from uuid import UUID

from services.donations.gifts.batch import EMPTY_DIGEST
from services.donations.gifts.rows import GiftRows
from services.donations.store import copyformat
from services.donations.store.copyformat import Column, Table

FIELDS = (
    "bucket",
    "partner_id",
    "external_id",
    "amount_micros",
    "currency",
    "project_id",
    "campaign_id",
    "event_time",
    "donor_token",
)
"""What of a gift is written, but for its batch."""


def columns_of(rows: GiftRows) -> list[Column]:
    """The columns of FIELDS."""
    return [
        copyformat.smallint(rows.buckets),
        copyformat.smallint(rows.partner_ids),
        copyformat.text(rows.external_ids),
        copyformat.bigint(rows.amounts_micros),
        _currencies(rows),
        copyformat.integer(rows.project_ids),
        copyformat.integer(rows.campaign_ids),
        copyformat.timestamptz(rows.event_times_micros),
        copyformat.bytea(rows.donor_tokens, rows.token_lengths()),
    ]


def _currencies(rows: GiftRows) -> Column:
    codes = {target.currency for target in rows.targets}
    if len(codes) == 1:  # as nearly always
        return copyformat.constant(codes.pop().encode("ascii"))
    return copyformat.text(rows.currencies())


def table_of(rows: GiftRows, batch_id: UUID) -> Table:
    """The columns of FIELDS, and the batch's id."""
    return Table([*columns_of(rows), copyformat.constant(batch_id.bytes)])


def digest_of(rows: GiftRows, batch_id: UUID) -> bytes:
    """The digest of a batch that holds exactly these gifts."""
    if not len(rows):
        return EMPTY_DIGEST
    return hashlib.sha256(table_of(rows, batch_id).rows()).digest()
