"""Claims beside what stands, and quarantined notices, for those who ask."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.donations.domain import Key, Outcome, micros_of
from services.donations.review.reviewed import (
    REPLAYS_MAX,
    Conflict,
    Content,
    Quarantined,
    Replay,
    WholeNotice,
    Window,
)
from services.donations.store.fragments import AS_REPORTED, CAMPAIGN, PROJECT
from services.runtime import database
from services.runtime.errors import Reason

# Beyond every time that is received, so that a page without a position is a page behind it.
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


class ConflictPlace(NamedTuple):
    """Where a page of claims ended: their order, which is the key's with the time before it."""

    received_time: datetime
    key: Key
    refund_id: str
    claim_hash: bytes


class NoticePlace(NamedTuple):
    """Where a page of notices ended."""

    received_time: datetime
    digest: bytes


# Each claim's gift, refund and order are looked up by their keys.
_CONFLICTS = f"""
    SELECT k.*, a.code AS partner,
           d.amount_micros AS gift_micros, d.currency AS gift_currency, d.event_time AS gift_time,
           d.donor_token, {PROJECT} AS project, {CAMPAIGN} AS campaign,
           b.recorded_time AS gift_recorded_time,
           r.amount_micros AS refund_micros, r.currency AS refund_currency,
           r.event_time AS refund_time, r.cumulative, r.recorded_time AS refund_recorded_time,
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
    LEFT JOIN refunds r
      ON (r.bucket, r.partner_id, r.external_id, r.refund_id)
       = (k.bucket, k.partner_id, k.external_id, k.refund_id) AND k.refund_id <> ''
    LEFT JOIN pledged_orders o
      ON (o.bucket, o.partner_id, o.order_id) = (k.bucket, k.partner_id, k.external_id)
     AND k.reason = 'ORDER_CONFLICT'
    LEFT JOIN pledges op ON op.id = o.pledge_id
    LEFT JOIN pledges cp ON cp.id = CAST(k.claim ->> 'pledge_id' AS integer)
    ORDER BY k.received_time DESC, k.bucket DESC, k.partner_id DESC, k.external_id DESC,
             k.refund_id DESC, k.claim_hash DESC"""  # noqa: S608  made of constants

_ALL_CONFLICTS = text(_CONFLICTS.format(of_partner=""))
_PARTNERS_CONFLICTS = text(_CONFLICTS.format(of_partner="AND partner_id = :of_partner"))

_SUMMARY = """
    SELECT q.digest, q.platform, q.reason, q.message, q.received_time,
           octet_length(q.body) AS body_bytes, r.replays, r.resolved {more}
    FROM quarantine q
    CROSS JOIN LATERAL (
        SELECT count(*) AS replays, coalesce(bool_or(reason IS NULL), false) AS resolved
        FROM quarantine_replays WHERE digest = q.digest
    ) r"""

_NOTICES = f"""{_SUMMARY.format(more="")}
    WHERE q.received_time < :end AND q.received_time >= :start
      AND q.received_time <= :received_time
      AND (q.received_time, q.digest) < (:received_time, :digest)
      AND (:include_resolved OR NOT r.resolved) {{of_platform}}
    ORDER BY q.received_time DESC, q.digest DESC LIMIT :limit"""

_ALL_NOTICES = text(_NOTICES.format(of_platform=""))
_PLATFORMS_NOTICES = text(_NOTICES.format(of_platform="AND q.platform = :platform"))

_ONE_NOTICE = text(
    _SUMMARY.format(more=", q.http_method, q.query, q.headers, q.body")
    + " WHERE q.digest = :digest"
)

_REPLAYS = text(
    """
    SELECT request_id, caller, replay_time, outcomes, reason, message FROM quarantine_replays
    WHERE digest = :digest ORDER BY replay_time, request_id LIMIT :limit"""
)

_REPLAY = text(
    """
    SELECT request_id, caller, replay_time, outcomes, reason, message FROM quarantine_replays
    WHERE digest = :digest AND request_id = CAST(:request_id AS uuid)"""
)

_KEEP_REPLAY = text(
    """
    INSERT INTO quarantine_replays (digest, request_id, caller, replay_time, outcomes, reason,
                                    message)
    VALUES (:digest, CAST(:request_id AS uuid), :caller, :replay_time,
            CAST(:outcomes AS smallint[]), :reason, :message)
    ON CONFLICT DO NOTHING"""
)


class ReviewStore:
    """Every method raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def conflicts(
        self, partner_id: int | None, window: Window, after: ConflictPlace | None, limit: int
    ) -> list[tuple[ConflictPlace, Conflict]]:
        """Claims of one partner or of all, newest first, behind a place."""
        place = after or ConflictPlace(_LAST, Key(0, 0, ""), "", b"")
        values = {
            **_bounds(window),
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

    async def notices(
        self,
        platform: str,
        window: Window,
        *,
        include_resolved: bool,
        after: NoticePlace | None,
        limit: int,
    ) -> list[Quarantined]:
        """Notices of one platform or, if it is empty, of all; newest first, behind a place."""
        place = after or NoticePlace(_LAST, b"")
        values = {
            **_bounds(window),
            **place._asdict(),
            "platform": platform,
            "include_resolved": include_resolved,
            "limit": limit,
        }
        query = _PLATFORMS_NOTICES if platform else _ALL_NOTICES
        async with self._engine.connect() as connection:
            return [_quarantined(row) for row in await connection.execute(query, values)]

    async def notice(self, digest: bytes) -> WholeNotice | None:
        """A notice, whole; None if there is none of this digest."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(_ONE_NOTICE, {"digest": digest})).one_or_none()
            if row is None:
                return None
            values = {"digest": digest, "limit": REPLAYS_MAX}
            replays = (await connection.execute(_REPLAYS, values)).all()
        return WholeNotice(
            _quarantined(row),
            row.http_method,
            row.query.decode(),
            row.headers,
            row.body,
            [_replay(replay) for replay in replays],
        )

    async def replay(self, digest: bytes, request_id: str) -> Replay | None:
        """What a replay came to; None if there was none of this request id."""
        async with self._engine.connect() as connection:
            return await _kept_replay(connection, digest, request_id)

    async def keep_replay(self, digest: bytes, replay: Replay) -> Replay:
        """Writes down what a replay came to; returns what is kept, if another call was first."""
        values = {
            "digest": digest,
            "request_id": replay.request_id,
            "caller": replay.caller,
            "replay_time": replay.replay_time,
            "outcomes": [int(outcome) for outcome in replay.outcomes],
            "reason": None if replay.reason is None else replay.reason.value,
            "message": replay.message,
        }
        async with database.transaction(self._engine) as connection:
            await connection.execute(_KEEP_REPLAY, values)
            kept = await _kept_replay(connection, digest, replay.request_id)
        assert kept is not None, "it was written, or was there before"
        return kept


def _bounds(window: Window) -> dict[str, object]:
    return {
        "start": window.start or datetime(1, 1, 2, tzinfo=UTC),
        "end": window.end or _LAST,
    }


def _conflict_place(row: Row[Any]) -> ConflictPlace:
    key = Key(row.bucket, row.partner_id, row.external_id)
    return ConflictPlace(row.received_time, key, row.refund_id, row.claim_hash)


def _conflict(row: Row[Any]) -> Conflict:
    gift, refund, order = _gift(row), _refund(row), _order(row)
    return Conflict(
        row.partner,
        row.external_id,
        row.refund_id,
        Reason(row.reason),
        row.received_time,
        _claim(row),
        gift,
        refund,
        order,
        row.refund_recorded_time or row.gift_recorded_time,
        (gift is not None and _is_other(row.claim, "donor_token", row.donor_token))
        or (order is not None and _is_other(row.claim, "participant_token", row.participant_token)),
    )


def _claim(row: Row[Any]) -> Content:
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
        claim["amount_micros"],
        claim["currency"],
        claim["event_time_micros"],
        claim.get("project", ""),
        claim.get("campaign", ""),
        claim.get("cumulative", False),
    )


def _gift(row: Row[Any]) -> Content | None:
    if row.gift_micros is None:
        return None
    time = micros_of(row.gift_time)
    return Content(row.gift_micros, row.gift_currency, time, row.project or "", row.campaign)


def _refund(row: Row[Any]) -> Content | None:
    if row.refund_micros is None:
        return None
    time = micros_of(row.refund_time)
    return Content(row.refund_micros, row.refund_currency, time, cumulative=row.cumulative)


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


def _quarantined(row: Row[Any]) -> Quarantined:
    return Quarantined(
        row.digest,
        row.platform,
        Reason(row.reason),
        row.message,
        row.received_time,
        row.body_bytes,
        row.resolved,
        row.replays,
    )


async def _kept_replay(
    connection: AsyncConnection, digest: bytes, request_id: str
) -> Replay | None:
    values = {"digest": digest, "request_id": request_id}
    row = (await connection.execute(_REPLAY, values)).one_or_none()
    return None if row is None else _replay(row)


def _replay(row: Row[Any]) -> Replay:
    outcomes: Sequence[int] = row.outcomes
    return Replay(
        str(row.request_id),
        row.caller,
        row.replay_time,
        [Outcome(outcome) for outcome in outcomes],
        None if row.reason is None else Reason(row.reason),
        row.message,
    )
