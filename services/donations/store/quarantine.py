"""Notices that could not be verified or read, whole, until a person has looked at them."""

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from services.donations.models.quarantine import quarantine
from services.donations.store.sealing import sealed_insert
from services.runtime import database
from services.runtime.errors import Reason


@dataclass(frozen=True, slots=True)
class QuarantinedNotice:
    """One notice and why it is here."""

    platform: str
    reason: Reason
    message: str
    received_time: datetime
    http_method: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def digest(self) -> bytes:
        """SHA-256 over what was received: the same bytes again are the same notice."""
        received = [self.platform, self.http_method, self.query, sorted(self.headers.items())]
        return hashlib.sha256(json.dumps(received).encode() + b"\n" + self.body).digest()


class QuarantineStore:
    """Keeps notices. Raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def keep(self, notices: Sequence[QuarantinedNotice]) -> Set[bytes]:
        """Keeps notices, at least one; returns the digests of those that were not kept before."""
        rows = [
            {
                "seal_id": uuid7(),  # of its own: it may be removed some day
                "digest": notice.digest(),
                "platform": notice.platform,
                "reason": notice.reason.value,
                "message": _storable(notice.message),
                "received_time": notice.received_time,
                "http_method": _storable(notice.http_method),
                "query": notice.query.encode(),
                "headers": {_storable(k): _storable(v) for k, v in notice.headers.items()},
                "body": notice.body,
            }
            for notice in notices
        ]
        # In the order of the key, so that two who keep the same notices never wait in a circle.
        rows.sort(key=itemgetter("digest"))
        statement = insert(quarantine).values(rows).on_conflict_do_nothing()
        async with database.transaction(self._engine) as connection:
            return set((await connection.execute(sealed_insert(statement, "digest"))).scalars())


def _storable(text: str) -> str:
    """PostgreSQL's text holds every character but NUL."""
    return text.replace("\0", "\ufffd")
