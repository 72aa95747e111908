"""`watersmeet simulate`: the partners' side against a mesh that runs."""

import asyncio
import secrets
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.cli.console import make_console
from services.cli.demonstration.catalog import open_occasion
from services.cli.demonstration.faults import one_fault
from services.cli.demonstration.progress import show_progress
from services.cli.demonstration.run import access, doors
from services.cli.options import DEFAULT_STATE, StateDirectory
from services.cli.simulator.campaign import run_campaign
from services.cli.simulator.occasion import SHANGHAI, make_occasion
from services.cli.simulator.plan import PARTNERS, Plan, make_plan
from services.cli.simulator.tally import Answer, Pace, Tally
from services.runtime.supervisor.state import MeshState

_SEEDS = 2**31


def simulate(
    platform: Annotated[
        list[str] | None,
        typer.Option(help=f"One of {', '.join(PARTNERS)}; may be repeated. (all)"),
    ] = None,
    gifts: Annotated[int, typer.Option(min=1, max=5_000_000, help="How many gifts.")] = 1_000,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Reports a second, at most. (as fast as it goes)")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed on the same day reports the same gifts. (a new one)"),
    ] = None,
    state: StateDirectory = DEFAULT_STATE,
) -> None:
    """Report gifts as the platforms would, to a mesh that runs.

    The mesh is one on this machine: to report as each platform takes the keys
    of all of them, which no one person has. Opens today's campaign in the
    catalog if it is not there. Exit status 1 if an answer is not what the plan
    calls for.
    """
    console = make_console()
    mesh = MeshState.load(state)
    chosen = secrets.randbelow(_SEEDS) if seed is None else seed
    occasion = make_occasion(datetime.now(SHANGHAI).date())
    try:
        plan = make_plan(chosen, gifts, occasion, platform or PARTNERS)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    console.print(f"Seed {chosen}: {gifts:,} gifts, {plan.reports:,} reports.")
    tallies = asyncio.run(_simulate(mesh, plan, Pace(rate), console))
    console.print(_table(tallies))
    surprises = [words for tally in tallies for words in tally.surprises]
    for words in surprises:
        console.print(f"[red]not as planned:[/red] {escape(words)}")
    if surprises:
        sys.exit(1)


async def _simulate(mesh: MeshState, plan: Plan, pace: Pace, console: Console) -> list[Tally]:
    tallies = {name: Tally(name) for name in plan.partners}
    with one_fault():
        await open_occasion(plan.occasion, access(mesh, "donations", "operator"))
        async with asyncio.TaskGroup() as group:
            showing = group.create_task(show_progress(console, plan, tallies))
            await run_campaign(plan, doors(mesh, plan), tallies, pace)
            showing.cancel()
    return list(tallies.values())


def _table(tallies: Iterable[Tally]) -> Table:
    table = Table(title="What the partners were answered", title_justify="left")
    table.add_column("partner")
    for name in ("reports", *Answer, "retries"):
        table.add_column(str(name), justify="right")
    for tally in tallies:
        answers: Counter[Answer] = tally.gifts + tally.refunds + tally.disputes
        answers[Answer.REFUSED] += tally.refused
        counts = (tally.reports, *(answers[answer] for answer in Answer), tally.retries)
        table.add_row(tally.partner, *(f"{count:,}" for count in counts))
    return table
