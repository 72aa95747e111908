"""The demo from its first report to its findings, on a mesh that runs."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from rich.console import Console

from services.cli.demonstration.books import Books
from services.cli.demonstration.catalog import open_occasion
from services.cli.demonstration.killing import kill_on_the_way
from services.cli.demonstration.progress import show_progress
from services.cli.demonstration.verdict import Findings
from services.cli.demonstration.waiting import wait_until_posted
from services.cli.simulator.campaign import Doors, run_campaign
from services.cli.simulator.keys import load_keys
from services.cli.simulator.plan import DIRECT_PARTNERS, Plan
from services.cli.simulator.tally import Pace, Tally
from services.cli.simulator.wire import Access, open_channel
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.mesh import Mesh
from services.runtime.supervisor.state import MeshState


async def run_demo(
    mesh: Mesh, plan: Plan, kills: Sequence[str], console: Console
) -> tuple[Findings, float]:
    """Lets the partners give, kills services on the way, and reads the books when all is posted.

    Returns what was found, and the seconds from the first report to the last in the totals.
    Raises Fault if the mesh's books are not empty, AioRpcError and UnansweredError (in a group) if
    the campaign cannot be carried out.
    """
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(open_channel(access(mesh.state, service, "finance")))
            for service in ("donations", "ledger", "gateway")
        ]
        books = Books(*channels)
        if (await books.ledger_balances()).sequence:
            raise Fault(
                Reason.FIELD_INVALID,
                "the demo needs empty books, and this mesh's ledger has entries; "
                "give it a new state directory and databases of their own",
            )
        await open_occasion(plan.occasion, access(mesh.state, "donations", "operator"))
        tallies = {name: Tally(name) for name in plan.partners}
        reports = plan.reports

        def progress() -> float:
            return sum(tally.reports for tally in tallies.values()) / reports

        start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            killing = group.create_task(kill_on_the_way(mesh, kills, progress))
            showing = group.create_task(show_progress(console, plan, tallies))
            await run_campaign(plan, doors(mesh.state, plan), tallies, Pace())
            await killing
            showing.cancel()
        console.print("Every report is answered; waiting until all stands in the totals …")
        gateway, ledger = await wait_until_posted(books, plan.expectation)
        elapsed_s = time.monotonic() - start
        told_by_two = await books.counted_elsewhere(plan.rails)
        console.print("The ledger audits itself …")
        audit = await books.audit()
    found = Findings(
        plan, list(tallies.values()), gateway, ledger, told_by_two, audit, killing.result()
    )
    return found, elapsed_s


def access(state: MeshState, service: str, role: str, name: str = "local") -> Access:
    """How one caller reaches one service of a mesh."""
    return Access(state.address(service), *state.credentials(role, name))


def doors(state: MeshState, plan: Plan) -> Doors:
    """How the plan's partners reach a mesh."""
    return Doors(
        gateway_url=state.http_url,
        donations={
            name: access(state, "donations", "partner", name)
            for name in plan.partners
            if name in DIRECT_PARTNERS
        },
        keys=load_keys(state.directory / "platforms"),
    )
