"""`watersmeet demo`: seven partners, one campaign, one kill, and three sums that must agree."""

import asyncio
import json
import shutil
import signal
import sys
import tempfile
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.console import make_console
from services.cli.demonstration.faults import one_fault
from services.cli.demonstration.result import as_json, show_result
from services.cli.demonstration.run import run_demo
from services.cli.demonstration.verdict import Findings, judge
from services.cli.simulator.keys import make_keys
from services.cli.simulator.occasion import SHANGHAI, make_occasion
from services.cli.simulator.plan import Plan, make_plan
from services.runtime.supervisor.mesh import Mesh

_GIFTS_MIN = 600
_GIFTS_MAX = 5_000_000


class Service(StrEnum):
    """What can be killed."""

    DONATIONS = "donations"
    LEDGER = "ledger"
    GATEWAY = "gateway"


def demo(
    gifts: Annotated[
        int, typer.Option(min=_GIFTS_MIN, max=_GIFTS_MAX, help="How many gifts are given.")
    ] = 50_000,
    seed: Annotated[int, typer.Option(help="Another seed is another campaign.")] = 95,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the result as JSON.", dir_okay=False),
    ] = None,
    kill: Annotated[
        list[Service] | None,
        typer.Option(help="A service to kill with -9 on the way; may be repeated. (donations)"),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A new state directory, which is kept. (a temporary one)"),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the temporary directory.")] = False,
) -> None:
    """Seven platforms' gifts in, one balanced ledger, one combined total out.

    Exit status 0 only if the gateway's totals, the ledger's balances and the
    simulator's own sum agree to the micro, the audit finds nothing, and every
    killed service came back.
    """
    console = make_console()
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {json_file.absolute().parent}")
    plan = make_plan(seed, gifts, make_occasion(datetime.now(SHANGHAI).date()))
    directory = state or Path(tempfile.mkdtemp(prefix="watersmeet-demo-"))
    services = list(map(str, kill or [Service.DONATIONS]))
    try:
        found, elapsed_s = asyncio.run(_demo(directory, plan, services, console))
    except asyncio.CancelledError:
        console.print("The demo was stopped.")
        sys.exit(1)
    finally:
        if state is None and not keep:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            console.print(f"Kept: {directory}", markup=False)
    checks = judge(found)
    show_result(console, found, checks, elapsed_s)
    if json_file is not None:
        result = json.dumps(as_json(found, elapsed_s), indent=2, ensure_ascii=False)
        json_file.write_text(result + "\n", encoding="utf-8")
    if not all(check.ok for check in checks):
        sys.exit(1)


async def _demo(
    directory: Path, plan: Plan, kills: list[str], console: Console
) -> tuple[Findings, float]:
    """What was found on a mesh of its own, and in how many seconds."""

    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)

    def report(part: str, event: str) -> None:
        console.print(f"{part:>13} {event}", markup=False, style="dim")

    async with Mesh(directory, make_platforms=make_keys, report=report) as mesh:
        console.print(
            f"{len(plan.partners)} partners give {plan.expectation.gift_count:,} gifts to "
            f"{len(plan.occasion.projects)} projects: {plan.reports:,} reports, "
            f"{len(kills)} kill{'s' if len(kills) > 1 else ''}."
        )
        with one_fault():
            return await run_demo(mesh, plan, kills, console)
