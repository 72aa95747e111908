"""`watersmeet up`: runs the mesh here until Ctrl-C."""

import asyncio
import signal

from rich.console import Console
from rich.table import Table

from services.cli.options import DEFAULT_STATE, StateDirectory
from services.cli.simulator.keys import make_keys
from services.runtime.supervisor.mesh import Mesh
from services.runtime.supervisor.state import MeshState


def up(state: StateDirectory = DEFAULT_STATE) -> None:
    """Run the mesh here until Ctrl-C: PostgreSQL, donations, ledger, gateway."""
    asyncio.run(_run(state, Console()))


async def _run(state: StateDirectory, console: Console) -> None:
    _cancel_on_signals()
    status = console.status("The mesh starts …")

    def report(part: str, event: str) -> None:
        console.print(f"{part:<10} {event}", style="dim", highlight=False, markup=False)

    mesh = Mesh(state, make_platforms=make_keys, report=report)
    try:
        status.start()
        async with mesh:
            status.stop()
            console.print(_summary(mesh.state))
            await asyncio.Event().wait()  # until a signal, or until the mesh gives up
    except asyncio.CancelledError:
        console.print("The mesh has stopped.")
    finally:
        status.stop()


def _cancel_on_signals() -> None:
    """The first signal cancels this task, which stops the mesh in good order; later ones wait."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "called by a coroutine"
    cancelled = False

    def cancel() -> None:
        nonlocal cancelled
        if not cancelled:
            cancelled = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, cancel)


def _summary(state: MeshState) -> Table:
    """Where everything is. One line each, whole at any width: they are there to be copied."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("page", f"{state.http_url}/")
    for name, addresses in state.services.items():
        table.add_row(name, f"gRPC {addresses.address}  metrics http://{addresses.metrics}/metrics")
    table.add_row("state", str(state.directory))
    table.add_row("", "Ctrl-C stops the mesh.")
    return table
