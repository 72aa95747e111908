"""Claims: reports of a known id with other content, kept for finance; they change nothing."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.donations.domain import Key
from services.donations.store.driver import Driver
from services.donations.store.fragments import transposed
from services.donations.store.sealing import sealing
from services.runtime.errors import Reason


class Claim(NamedTuple):
    """What was reported. refund_id: empty where it is about a gift. content: without personal data.

    The same claim again is the same row.
    """

    key: Key
    refund_id: str
    reason: Reason
    content: Mapping[str, object]


# In key order, as everything is written.
_KEEP = sealing(
    "conflicts",
    """
    INSERT INTO conflicts (bucket, partner_id, external_id, refund_id, claim_hash, reason, claim,
                           received_time, seal_id)
    SELECT bucket, partner_id, external_id, refund_id, claim_hash, reason, claim::jsonb, %s,
           %s::uuid
    FROM unnest(%s::smallint[], %s::smallint[], %s::text[], %s::text[], %s::bytea[], %s::text[],
                %s::text[])
      AS k(bucket, partner_id, external_id, refund_id, claim_hash, reason, claim)
    ON CONFLICT DO NOTHING""",
    "count(*)",
).encode()


async def keep(driver: Driver, claims: Sequence[Claim], batch_id: UUID, now: datetime) -> None:
    """Writes claims that are not yet known.

    batch_id: this transaction's own, whether or not it comes to a batch.
    """
    if not claims:
        return
    rows = sorted(
        (
            *claim.key,
            claim.refund_id,
            hashlib.sha256(text.encode()).digest(),
            claim.reason.value,
            text,
        )
        for claim in claims
        for text in [json.dumps(claim.content, sort_keys=True, separators=(",", ":"))]
    )
    await driver.execute(_KEEP, [now, batch_id, *transposed(rows, 7)])
