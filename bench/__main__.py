"""`python -m bench`: measures, prints a table, and keeps the figures."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.result import Result, merge, read_results, write_results
from bench.row import Plan
from bench.rows import ROWS
from bench.table import make_table
from services.cli.console import make_console

LATEST = Path(__file__).with_name("results") / "latest.json"


def main(
    row: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this row; may be repeated. (all but the long)"),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=600, help="About how long one measurement takes.")
    ] = 4.0,
    repetitions: Annotated[int, typer.Option(min=3, max=99, help="Measurements of each.")] = 3,
    growth: Annotated[
        int, typer.Option(min=1_000_000, help="Gifts in the table first, in the growth rows.")
    ] = 20_000_000,
    donors: Annotated[
        bool, typer.Option("--donors", help="Bulk gifts carry a donor reference each.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Very little of each, to see that it works; not kept.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to keep it. (bench/results)")
    ] = None,
) -> None:
    """Measures each row and its reference, alternating, on a durable mesh of its own."""
    names = row or [name for name, known in ROWS.items() if not known.long]
    if unknown := [name for name in names if name not in ROWS]:
        raise typer.BadParameter(f"no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    plan = Plan(0.2 if quick else seconds, repetitions, growth, donors)
    console = make_console()
    results = asyncio.run(_measure(names, plan, console))
    console.print(make_table(results, ROWS))
    file = output or (None if quick else LATEST)
    if file is not None:
        write_results(file, merge(read_results(file), results, list(ROWS)))
        console.print(f"Kept in {file}")


async def _measure(names: list[str], plan: Plan, console: Console) -> list[Result]:
    results = []
    for name in names:
        console.print(f"{name} …")
        results.append(await ROWS[name].run(plan))
        runs = results[-1].config["runs"]
        console.print(f"  ours {runs['ours']}, reference {runs['reference']}")
    return results


if __name__ == "__main__":
    typer.run(main)
