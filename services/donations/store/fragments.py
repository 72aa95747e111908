"""Pieces of SQL that several statements share."""

from collections.abc import Sequence

AS_REPORTED = """
    LEFT JOIN LATERAL (
        SELECT * FROM suspended s
        WHERE d.project_id = 0
          AND (s.bucket, s.partner_id, s.external_id) = (d.bucket, d.partner_id, d.external_id)
        OFFSET 0
    ) u ON true
    LEFT JOIN projects p ON p.id = d.project_id
    LEFT JOIN campaigns c ON c.id = d.campaign_id"""
"""Joins to donations d what `PROJECT` and `CAMPAIGN` say of it.

OFFSET 0 keeps the planner from reading tables as a whole: each row is looked up by its key.
"""


def allocated(is_suspended: str, key: str) -> str:
    """Joins the decision in force about a gift as w, with its project q and its campaign e, if any.

    key: three columns. is_suspended: whether its own row stands in suspense; for others there is
    nothing to look for. A project of 0 is back in suspense.
    """
    columns = "project_id, campaign_id, request_id, allocate_time"
    here = f"{is_suspended} AND (n.bucket, n.partner_id, n.external_id) = ({key})"
    return f"""
    LEFT JOIN LATERAL (
        SELECT 1 AS number, {columns} FROM allocated n WHERE {here}
        UNION ALL
        SELECT number, {columns} FROM reallocated n WHERE {here}
        ORDER BY number DESC LIMIT 1
    ) w ON true
    LEFT JOIN projects q ON q.id = w.project_id
    LEFT JOIN campaigns e ON e.id = w.campaign_id"""  # noqa: S608  made of constants


ALLOCATED = allocated("d.project_id = 0", "d.bucket, d.partner_id, d.external_id")
"""Of donations d."""

PROJECT = "coalesce(u.project, p.code)"
"""The project as it was reported, wherever the gift stands."""

CAMPAIGN = "coalesce(u.campaign, c.code, '')"
"""The campaign as it was reported; may be empty."""

KEYS = "unnest(%s::smallint[], %s::smallint[], %s::text[]) k(bucket, partner_id, external_id)"
"""Keys of gifts as rows k, from three columns."""


def transposed(rows: Sequence[Sequence[object]], width: int) -> list[list[object]]:
    """Rows as columns, for unnest; so many empty columns if there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
