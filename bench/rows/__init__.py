"""The rows of the table, one a file, in the table's order."""

from collections.abc import Mapping

from bench.row import Row
from bench.rows import (
    balance,
    bulk,
    bulk_dups,
    bulk_growth,
    bulk_growth_random,
    bulk_ordered,
    callback,
    disk,
    memory,
    overload,
    post_batch,
    post_growth,
    post_hot,
    post_one,
    unary,
    verify,
)

ROWS: Mapping[str, Row] = {
    row.name: row
    for row in (
        bulk.ROW,
        bulk_ordered.ROW,
        bulk_dups.ROW,
        unary.ROW,
        callback.ROW,
        overload.ROW,
        bulk_growth.ROW,
        bulk_growth_random.ROW,
        memory.ROW,
        disk.ROW,
        post_batch.ROW,
        post_one.ROW,
        post_hot.ROW,
        balance.ROW,
        verify.ROW,
        post_growth.ROW,
    )
}
