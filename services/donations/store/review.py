"""Quarantined notices and their replays, for those who ask."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from services.donations.domain import Outcome
from services.donations.review.reviewed import (
    REPLAYS_MAX,
    Quarantined,
    Replay,
    WholeNotice,
    Window,
)
from services.donations.store.conflicts import LAST, bounds
from services.donations.store.sealing import sealing
from services.runtime import database
from services.runtime.errors import Reason


class NoticePlace(NamedTuple):
    """Where a page of notices ended."""

    received_time: datetime
    digest: bytes


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
    sealing(
        "quarantine_replays",
        """
    INSERT INTO quarantine_replays (digest, request_id, caller, replay_time, outcomes, reason,
                                    message, seal_id)
    VALUES (:digest, CAST(:request_id AS uuid), :caller, :replay_time,
            CAST(:outcomes AS smallint[]), :reason, :message, :seal_id)
    ON CONFLICT DO NOTHING""",
        loose=True,
    )
)


class ReviewStore:
    """Every method raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

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
        place = after or NoticePlace(LAST, b"")
        values = {
            **bounds(window),
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
            "seal_id": uuid7(),
        }
        async with database.transaction(self._engine) as connection:
            await connection.execute(_KEEP_REPLAY, values)
            kept = await _kept_replay(connection, digest, replay.request_id)
        assert kept is not None, "it was written, or was there before"
        return kept


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
