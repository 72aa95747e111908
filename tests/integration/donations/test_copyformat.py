"""Our binary COPY, held against PostgreSQL's own."""

from uuid import UUID

import numpy as np
import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.donations.domain import micros_of
from services.donations.gifts.validation import EARLIEST_MICROS
from services.donations.store import copyformat
from services.runtime.supervisor.databases import DatabaseUrls
from tests.unit.donations.gifts import NOW, external_ids

_int2, _int4 = st.integers(-(2**15), 2**15 - 1), st.integers(-(2**31), 2**31 - 1)
_int8 = st.integers(-(2**63), 2**63 - 1)
_times = st.integers(EARLIEST_MICROS, micros_of(NOW))
_tokens = st.binary(max_size=16)
_rows = st.lists(
    st.tuples(_int2, _int4, _int8, external_ids, st.sampled_from(["CNY", "USD"]), _times, _tokens),
    min_size=1,
    max_size=12,
)

_COLUMNS = "small, middle, big, id, currency, moment, token, batch"
_TABLE = """
    CREATE TEMPORARY TABLE copied (number serial, small int2, middle int4, big int8,
        id text COLLATE "C", currency char(3), moment timestamptz, token bytea, batch uuid)"""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_rows, batch=st.uuids())
def test_rows_come_back_as_they_were_written(
    urls: DatabaseUrls, rows: list[tuple[int, int, int, str, str, int, bytes]], batch: UUID
) -> None:
    small, middle, big, ids, currencies, times, tokens = map(list, zip(*rows, strict=True))
    lengths = np.array([len(token) for token in tokens])
    padded = b"".join(token.ljust(16, b"\0") for token in tokens)
    encoded = bytes(
        copyformat.rows(
            [
                copyformat.smallint(np.array(small)),
                copyformat.integer(np.array(middle)),
                copyformat.bigint(np.array(big)),
                copyformat.text(np.array(ids, dtype=np.bytes_)),
                copyformat.text(np.array(currencies, dtype=np.bytes_)),
                copyformat.timestamptz(np.array(times)),
                copyformat.bytea(np.frombuffer(padded, np.uint8).reshape(-1, 16), lengths),
                copyformat.constant(batch.bytes),
            ]
        )
    )
    ours = copyformat.HEADER + encoded + copyformat.TRAILER
    with psycopg.connect(urls.service) as connection:
        connection.execute(_TABLE)
        cursor = connection.cursor()
        with cursor.copy(f"COPY copied ({_COLUMNS}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
            copy.write(ours)
        written = connection.execute(
            f"SELECT {_COLUMNS} FROM copied ORDER BY number".encode()
        ).fetchall()
        query = f"COPY (SELECT {_COLUMNS} FROM copied ORDER BY number) TO STDOUT (FORMAT BINARY)"
        with cursor.copy(query.encode()) as copy:
            theirs = b"".join(map(bytes, copy))
        connection.rollback()
    assert [(a, b, c, d, e, micros_of(f), bytes(g), h) for a, b, c, d, e, f, g, h in written] == [
        (*row, batch) for row in rows
    ]
    assert ours == theirs
