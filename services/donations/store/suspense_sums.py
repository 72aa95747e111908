"""What stands in suspense by kind, kept beside the gifts: no list adds it up again.

The transaction that changes it moves the sums by what it changed, a row a kind, in the order of the
kinds, as the last but its batch and its streams' offsets: whoever waits here for another holds
nothing that the other still needs. Each kind has a row for each of a few slots, so that connections
seldom wait for each other; rows that cancel each other go. The audit adds up all that stands there
again (adding_up.py).
"""

from services.donations.allocation.standing import StandingChanges
from services.donations.store.driver import Driver
from services.donations.store.fragments import transposed

_SLOTS = 16

_KIND = "partner_id, project, reason, currency"

_MOVE = f"""
    INSERT INTO suspense_sums AS s ({_KIND}, slot, gifts, micros)
    SELECT {_KIND}, mod(pg_backend_pid(), {_SLOTS}), gifts, micros
    FROM unnest(%s::smallint[], %s::text[], %s::smallint[], %s::text[], %s::bigint[], %s::numeric[])
      AS k({_KIND}, gifts, micros)
    ON CONFLICT ({_KIND}, slot) DO UPDATE
    SET gifts = s.gifts + excluded.gifts, micros = s.micros + excluded.micros""".encode()  # noqa: S608

# Rows that come to nothing together may go, whatever other rows there are. Those that another
# transaction has locked are left: it looks itself.
_CANCEL = f"""
    WITH locked AS MATERIALIZED (
        SELECT s.* FROM unnest(%s::smallint[], %s::text[], %s::smallint[], %s::text[]) k({_KIND})
        JOIN suspense_sums s USING ({_KIND})
        FOR UPDATE OF s SKIP LOCKED
    ), nothing AS (
        SELECT {_KIND} FROM locked GROUP BY {_KIND} HAVING sum(gifts) = 0 AND sum(micros) = 0
    )
    DELETE FROM suspense_sums s USING locked JOIN nothing USING ({_KIND})
    WHERE (s.partner_id, s.project, s.reason, s.currency, s.slot)
        = (locked.partner_id, locked.project, locked.reason, locked.currency, locked.slot)
    """.encode()  # noqa: S608  made of constants


async def move(driver: Driver, changes: StandingChanges) -> None:
    """Moves the sums."""
    if not changes:
        return
    rows = [(*kind, *change) for kind, change in sorted(changes.items())]
    await driver.execute(_MOVE, transposed(rows, 6))
    gone = [kind for kind, change in sorted(changes.items()) if change.gifts < 0]
    if gone:
        await driver.execute(_CANCEL, transposed(gone, 4))
