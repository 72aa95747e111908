"""`watersmeet export ledger`: writes an archive that proves itself."""

from pathlib import Path
from typing import Annotated

import grpc
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from watersmeet.ledger.v1 import log_service_pb2 as pb
from watersmeet.ledger.v1 import log_service_pb2_grpc as pb_grpc

from services.cli.asking import asking
from services.cli.console import make_console
from services.cli.exporting.writer import write_archive
from services.cli.options import DEFAULT_MESH, Mesh
from services.runtime.errors import Fault

_TIMEOUT_S = 24 * 3_600.0  # every entry there ever was is read

export = typer.Typer(help="Write archives of what the mesh keeps.", no_args_is_help=True)


@export.callback()
def _one_of_several() -> None:
    # Without a callback, typer takes an application with one command for that command.
    return


@export.command()
def ledger(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to: a folder that is not there yet.")
    ],
    mesh: Mesh = DEFAULT_MESH,
) -> None:
    """Write all entries, accounts and checkpoints of the ledger to DIR.

    `watersmeet verify DIR` checks it without the mesh, and bean-check its ledger.beancount. DIR is
    there when all of it is; an export that was cut off begins again from the first entry.
    """
    console = make_console()
    with asking(mesh, "ledger") as channel, _bar() as bar:
        task = bar.add_task("entries", total=None)
        parts = pb_grpc.LogServiceStub(channel).StreamArchive(
            pb.StreamArchiveRequest(), timeout=_TIMEOUT_S
        )
        try:
            entries = write_archive(
                folder,
                parts,
                lambda done, of: bar.update(task, completed=done, total=of),
                lambda left: _say(f"An earlier export was cut off: {left} is written anew."),
            )
        except (grpc.RpcError, Fault, KeyboardInterrupt):
            _say("The export was cut off, and nothing is left of it. Run the command again.")
            raise
    console.print(f"{entries:,} entries are in {folder}.", soft_wrap=True, markup=False)


def _say(text: str) -> None:
    """On standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, style="yellow", markup=False)


def _bar() -> Progress:
    """On standard error, and only on a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
