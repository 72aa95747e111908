"""What was booked of refunds before there were moves becomes moves that say the same."""

import runpy
from pathlib import Path

import psycopg

import services.donations.migrations
from services.donations.commit.submission import Submission
from services.donations.domain import LineKind
from services.donations.proof.positions import check_positions
from services.donations.store.rederiving import LifeReader
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.parts import Parts, write
from tests.unit.donations.gifts import a_gift, a_refund

_FILE = Path(services.donations.migrations.__file__).parent / "versions" / "0007_life.py"

# As the release before left it: refunds booked in an order, and their totals.
_AS_BEFORE = """
    TRUNCATE moves, positions, waiting;
    UPDATE refunds r SET position = o.place
    FROM (SELECT refund_id, row_number() OVER (PARTITION BY external_id ORDER BY refund_id) AS place
          FROM refunds WHERE batch_id IS NOT NULL) o
    WHERE o.refund_id = r.refund_id AND r.batch_id IS NOT NULL;
    INSERT INTO refund_totals (bucket, partner_id, external_id, single_micros, running_micros,
                               booked, batch_id)
    SELECT bucket, partner_id, external_id,
           coalesce(sum(amount_micros) FILTER (WHERE NOT cumulative), 0),
           coalesce(max(amount_micros) FILTER (WHERE cumulative), 0), count(*),
           max(batch_id::text)::uuid
    FROM refunds WHERE batch_id IS NOT NULL GROUP BY 1, 2, 3"""


async def test_refunds_become_moves(parts: Parts, urls: DatabaseUrls) -> None:
    writer = parts.writers[0]
    for submission in (
        Submission(gifts=[a_gift(amount_micros=100)], refunds=[a_refund("r1", amount_micros=60)]),
        Submission(refunds=[a_refund("r2", amount_micros=70)]),
        Submission(refunds=[a_refund("r3", amount_micros=5)]),
        Submission(gifts=[a_gift("s", project="unheard-of", amount_micros=100)]),
        Submission(refunds=[a_refund("t1", external_id="s", amount_micros=40, cumulative=True)]),
        Submission(refunds=[a_refund("t2", external_id="s", amount_micros=30, cumulative=True)]),
        Submission(refunds=[a_refund("never", external_id="never-comes")]),
    ):
        await write(parts, writer, submission)
    before = await parts.query("SELECT external_id, kind, amount_micros, gift_count FROM moves")
    assert len(before) == 5
    migration = runpy.run_path(str(_FILE))
    with psycopg.connect(urls.owner) as connection:
        connection.execute(_AS_BEFORE.encode())
        for name in ("_MOVES", "_POSITIONS", "_WAITING"):
            connection.execute(migration[name].encode())
    after = await parts.query("SELECT external_id, kind, amount_micros, gift_count FROM moves")
    assert sorted(map(tuple, after)) == sorted(map(tuple, before))
    assert {LineKind(move.kind) for move in after} == {LineKind.REFUND, LineKind.SUSPENDED_REFUND}
    async for part in check_positions(LifeReader(parts.engine)):
        assert part.differences == []
    await parts.require_balanced()
    [waiting] = await parts.query("SELECT external_id FROM waiting")
    assert waiting.external_id == "never-comes"
