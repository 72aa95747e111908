"""The results for people."""

from collections.abc import Iterable, Mapping

from rich.table import Table

from bench.result import Result
from bench.row import Row


def make_table(results: Iterable[Result], rows: Mapping[str, Row]) -> Table:
    """One line a row, with its target. Every result's name is in rows."""
    table = Table("row", title="ours and the reference, medians of one run")
    for heading in ("ours", "reference", "ratio", "target"):
        table.add_column(heading, justify="right")
    table.add_column("unit")
    table.add_column("n", justify="right")
    for result in results:
        row = rows[result.name]
        colour = "green" if row.reached(result.ratio) else "red"
        table.add_row(
            result.name,
            f"{result.ours:,.0f}",
            f"{result.reference:,.0f}",
            f"[{colour}]{result.ratio:.2f}[/]",
            f"{'≤' if row.at_most else '≥'} {row.target:g}",
            result.unit,
            f"{result.n:,}",
        )
    return table
