"""Claims beside what stands, for those who ask."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donations.domain import Key, Rail, micros_of
from services.donations.life.reports import DisputeStatus
from services.donations.life.transitions import State
from services.donations.review.reviewed import Conflict, Content, Window
from services.donations.store.fragments import AS_REPORTED, CAMPAIGN, PROJECT
from services.runtime.errors import Reason

LAST = datetime(9999, 12, 31, tzinfo=UTC)
"""Beyond every time that is received, so that a page without a position is a page behind it."""


class ConflictPlace(NamedTuple):
    """Where a page of claims ended: their order, which is the key's with the time before it."""

    received_time: datetime
    key: Key
    refund_id: str
    claim_hash: bytes


_STATUS = " ".join(f"WHEN '{status.name.lower()}' THEN {status:d}" for status in DisputeStatus)

# What each claim is about is looked up by its key: the gift, and the refund, dispute, stage or
# order if the claim is of one.
_CONFLICTS = f"""
    SELECT k.*, a.code AS partner,
           d.amount_micros AS gift_micros, d.currency AS gift_currency, d.event_time AS gift_time,
           d.donor_token, {PROJECT} AS project, {CAMPAIGN} AS campaign,
           b.recorded_time AS gift_recorded_time,
           la.code AS gift_rail, l.rail_external_id AS gift_rail_id,
           r.amount_micros AS refund_micros, r.currency AS refund_currency,
           r.event_time AS refund_time, r.cumulative,
           t.amount_micros AS dispute_micros, t.currency AS dispute_currency,
           t.event_time AS dispute_time, t.status AS dispute_status,
           s.stage AS stage, s.event_time AS stage_time,
           coalesce(r.recorded_time, t.recorded_time, s.recorded_time) AS fact_recorded_time,
           o.paid_micros, o.given_micros, o.event_time AS order_time, o.participant_token,
           op.currency AS order_currency, op.code AS order_pledge,
           cp.currency AS claim_currency, cp.code AS claim_pledge
    FROM (
        SELECT * FROM conflicts
        WHERE received_time < :end AND received_time >= :start
          AND received_time <= :received_time {{of_partner}}
          AND (received_time, bucket, partner_id, external_id, refund_id, claim_hash)
            < (:received_time, :bucket, :partner_id, :external_id, :refund_id, :claim_hash)
        ORDER BY received_time DESC, bucket DESC, partner_id DESC, external_id DESC,
                 refund_id DESC, claim_hash DESC
        LIMIT :limit
    ) k
    JOIN partners a ON a.id = k.partner_id
    LEFT JOIN LATERAL (
        SELECT * FROM donations g
        WHERE (g.bucket, g.partner_id, g.external_id) = (k.bucket, k.partner_id, k.external_id)
        OFFSET 0
    ) d ON true
    LEFT JOIN batches b ON b.id = d.batch_id {AS_REPORTED}
    LEFT JOIN links l
      ON (l.bucket, l.partner_id, l.external_id) = (d.bucket, d.partner_id, d.external_id)
    LEFT JOIN partners la ON la.id = l.rail_partner_id
    LEFT JOIN refunds r
      ON (r.bucket, r.partner_id, r.external_id, r.refund_id)
       = (k.bucket, k.partner_id, k.external_id, k.refund_id)
     AND k.refund_id <> '' AND k.claim -> 'dispute' IS NULL AND k.claim -> 'stage' IS NULL
    LEFT JOIN disputes t
      ON (t.bucket, t.partner_id, t.external_id, t.dispute_id, t.status)
       = (k.bucket, k.partner_id, k.external_id, k.refund_id,
          CASE k.claim ->> 'dispute' {_STATUS} END)
    LEFT JOIN stages s
      ON (s.bucket, s.partner_id, s.external_id, s.event_id)
       = (k.bucket, k.partner_id, k.external_id, k.refund_id) AND k.claim -> 'stage' IS NOT NULL
    LEFT JOIN pledged_orders o
      ON (o.bucket, o.partner_id, o.order_id) = (k.bucket, k.partner_id, k.external_id)
     AND k.reason = 'ORDER_CONFLICT'
    LEFT JOIN pledges op ON op.id = o.pledge_id
    LEFT JOIN pledges cp ON cp.id = CAST(k.claim ->> 'pledge_id' AS integer)
    ORDER BY k.received_time DESC, k.bucket DESC, k.partner_id DESC, k.external_id DESC,
             k.refund_id DESC, k.claim_hash DESC"""  # noqa: S608  made of constants

_ALL_CONFLICTS = text(_CONFLICTS.format(of_partner=""))
_PARTNERS_CONFLICTS = text(_CONFLICTS.format(of_partner="AND partner_id = :of_partner"))


class ConflictStore:
    """Raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def conflicts(
        self, partner_id: int | None, window: Window, after: ConflictPlace | None, limit: int
    ) -> list[tuple[ConflictPlace, Conflict]]:
        """Claims of one partner or of all, newest first, behind a place."""
        place = after or ConflictPlace(LAST, Key(0, 0, ""), "", b"")
        values = {
            **bounds(window),
            **place.key._asdict(),
            "received_time": place.received_time,
            "refund_id": place.refund_id,
            "claim_hash": place.claim_hash,
            "of_partner": partner_id,
            "limit": limit,
        }
        query = _ALL_CONFLICTS if partner_id is None else _PARTNERS_CONFLICTS
        async with self._engine.connect() as connection:
            return [
                (_conflict_place(row), _conflict(row))
                for row in await connection.execute(query, values)
            ]


def bounds(window: Window) -> dict[str, object]:
    """The parameters `start` and `end` of a list."""
    return {
        "start": window.start or datetime(1, 1, 2, tzinfo=UTC),
        "end": window.end or LAST,
    }


def _conflict_place(row: Row[Any]) -> ConflictPlace:
    key = Key(row.bucket, row.partner_id, row.external_id)
    return ConflictPlace(row.received_time, key, row.refund_id, row.claim_hash)


def _conflict(row: Row[Any]) -> Conflict:
    gift, order = _gift(row), _order(row)
    return Conflict(
        row.partner,
        row.external_id,
        row.refund_id,
        Reason(row.reason),
        row.received_time,
        _claim(row),
        gift,
        _refund(row),
        _dispute(row),
        _stage(row),
        order,
        row.fact_recorded_time or row.gift_recorded_time,
        (gift is not None and _is_other(row.claim, "donor_token", row.donor_token))
        or (order is not None and _is_other(row.claim, "participant_token", row.participant_token)),
    )


def _claim(row: Row[Any]) -> Content:
    """What `commit/claiming.py` and `commit/order_recording.py` write down."""
    claim: Mapping[str, Any] = row.claim
    if "pledge_id" in claim:
        return Content(
            claim["given_micros"],
            row.claim_currency,
            claim["event_time_micros"],
            paid_micros=claim["paid_micros"],
            pledge=row.claim_pledge,
        )
    return Content(
        claim.get("amount_micros"),
        claim.get("currency", ""),
        claim.get("event_time_micros"),
        claim.get("project", ""),
        claim.get("campaign", ""),
        claim.get("cumulative", False),
        rail=Rail(claim["rail"], claim["rail_id"]) if "rail" in claim else None,
        dispute=DisputeStatus[claim["dispute"].upper()] if "dispute" in claim else None,
        stage=State[claim["stage"].upper()] if "stage" in claim else None,
    )


def _gift(row: Row[Any]) -> Content | None:
    if row.gift_micros is None:
        return None
    return Content(
        row.gift_micros,
        row.gift_currency,
        micros_of(row.gift_time),
        row.project or "",
        row.campaign,
        rail=Rail(row.gift_rail, row.gift_rail_id) if row.gift_rail else None,
    )


def _refund(row: Row[Any]) -> Content | None:
    if row.refund_micros is None:
        return None
    time = micros_of(row.refund_time)
    return Content(row.refund_micros, row.refund_currency, time, cumulative=row.cumulative)


def _dispute(row: Row[Any]) -> Content | None:
    if row.dispute_status is None:
        return None
    return Content(
        row.dispute_micros,
        row.dispute_currency,
        micros_of(row.dispute_time),
        dispute=DisputeStatus(row.dispute_status),
    )


def _stage(row: Row[Any]) -> Content | None:
    if row.stage is None:
        return None
    return Content(None, "", micros_of(row.stage_time), stage=State(row.stage))


def _order(row: Row[Any]) -> Content | None:
    if row.given_micros is None:
        return None
    return Content(
        row.given_micros,
        row.order_currency,
        micros_of(row.order_time),
        paid_micros=row.paid_micros,
        pledge=row.order_pledge,
    )


def _is_other(claim: Mapping[str, Any], name: str, token: bytes) -> bool:
    """Whether a claim's token is another one; all zeros where none is known, as in columns."""
    if name not in claim:
        return False
    claimed = bytes.fromhex(claim[name])
    return (claimed if any(claimed) else b"") != token
