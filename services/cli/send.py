"""`watersmeet send`: a file of gifts, over a stream. docs/send.md has the file's form."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from watersmeet.client import ROWS_MAX, WatersmeetError, connect

from services.cli.asking import door_of
from services.cli.client_certificate import caller_in
from services.cli.console import make_console
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.render import amount
from services.cli.sending.gift_file import GiftFile, UnusableFileError
from services.cli.sending.refused_file import RefusedFile
from services.cli.sending.sender import Sender
from services.cli.sending.summary import Summary
from services.runtime.identity import Caller, Role

_ALL_RECORDED, _COULD_NOT_RUN, _SOME_NOT_ACCEPTED = 0, 1, 2
_LINE_S = 2.0
_SUSPENDED_SHOWN = 20


class _SendError(Exception):
    """Why the file cannot be sent."""


def send(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="The gifts (docs/send.md).")],
    partner: Annotated[str, typer.Option(metavar="NAME", help="Whose gifts they are.")],
    target: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The intake. (that of --mesh)")
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="The authority's certificate (PEM).")] = None,
    cert: Annotated[Path | None, typer.Option(help="The partner's certificate (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    mesh: Mesh = DEFAULT_MESH,
    refused: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where rows go that are not accepted. (FILE.refused.csv)"
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=ROWS_MAX, help="Rows in a batch.")] = 5_000,
) -> None:
    """Send a file of gifts. Sending it again changes nothing.

    Exit status 0: every row is recorded, now or before. 2: some rows were not
    accepted; the file of refused rows says why. 1: the file could not be sent,
    or not to its end.
    """
    console = make_console()
    out = refused or file.with_name(f"{file.stem}.refused.csv")
    try:
        if out.resolve() == file.resolve():
            raise _SendError("the refused rows would overwrite the file itself; name another")
        credentials = _credentials(partner, target, ca, cert, key, mesh)
        with (
            GiftFile(file) as gifts,
            RefusedFile(out, gifts.header) as refusals,
            _progress(console, gifts) as progress,
        ):
            sender = Sender(gifts, refusals, progress)
            problem = asyncio.run(_send(sender, *credentials, batch))
    except (_SendError, UnusableFileError, OSError) as error:
        console.print(f"watersmeet send: {error}", style="red", markup=False)
        sys.exit(_COULD_NOT_RUN)
    _show(console, sender.summary, out)
    if problem is not None:
        console.print(
            f"watersmeet send: not sent to the end: {problem}. "
            "Send the file again: nothing is counted twice.",
            style="red",
            markup=False,
        )
        sys.exit(_COULD_NOT_RUN)
    sys.exit(_SOME_NOT_ACCEPTED if sender.summary.not_accepted else _ALL_RECORDED)


async def _send(
    sender: Sender, target: str, ca: bytes, certificate: bytes, key: bytes, batch: int
) -> WatersmeetError | None:
    """Sends; what stopped it, if something did."""
    async with connect(target, ca=ca, certificate=certificate, key=key) as client:
        try:
            await sender.send(client, batch)
        except WatersmeetError as error:
            return error
    return None


def _credentials(
    partner: str,
    target: str | None,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    mesh: Path,
) -> tuple[str, bytes, bytes, bytes]:
    """Address, authority, certificate, key: those named, or the mesh's. Raises MeshError."""
    if target is None and ca is None and cert is None and key is None:
        door = door_of(mesh, "donations", "partner", partner)
        return door.address(), door.ca, door.certificate, door.key
    if target is None or ca is None or cert is None or key is None:
        raise _SendError("--target, --ca, --cert and --key belong together; name all four or none")
    certificate = cert.read_bytes()
    if (named := caller_in(certificate)) != Caller(Role.PARTNER, partner):
        raise _SendError(
            f"{cert} is the certificate of {named or 'nobody'}, not of partner {partner}"
        )
    return target, ca.read_bytes(), certificate, key.read_bytes()


@contextmanager
def _progress(console: Console, file: GiftFile) -> Iterator[Callable[[Summary], None]]:
    """Shows how far the file is sent: a bar on a terminal, a line now and then elsewhere."""
    if console.is_terminal:
        columns = (
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[rows]:,} rows"),
        )
        with Progress(*columns, console=console) as bars:
            task = bars.add_task("", total=file.size_bytes, rows=0)
            yield lambda summary: bars.update(
                task, completed=file.position_bytes(), rows=summary.rows
            )
        return
    shown_s = time.monotonic()

    def line(summary: Summary) -> None:
        nonlocal shown_s
        if time.monotonic() >= shown_s + _LINE_S:
            shown_s = time.monotonic()
            console.print(f"{summary.rows:>12,} rows answered")

    yield line


def _show(console: Console, summary: Summary, refused: Path) -> None:
    table = Table(show_header=False)
    table.add_column(justify="right")
    table.add_column()
    for count, words in (
        (summary.accepted, "accepted"),
        (summary.replayed, "replayed: recorded before"),
        (summary.suspended, "suspended: recorded, not attributed to a project"),
        (summary.conflicting, "conflicting: the id was recorded with other content"),
        (summary.refused, "refused"),
    ):
        table.add_row(f"{count:,}", words)
    table.add_section()
    for currency, micros in sorted(summary.recorded_micros.items()):
        table.add_row(amount(micros, currency), f"{escape(currency)} recorded, now or before")
    console.print(table)
    for project, (count, line) in list(summary.suspended_rows.items())[:_SUSPENDED_SHOWN]:
        words = f"suspended: project {project!r}, {count:,} rows, the first in line {line}"
        console.print(words, markup=False)
    if (more := len(summary.suspended_rows) - _SUSPENDED_SHOWN) > 0:
        console.print(f"suspended: {more:,} further projects")
    if summary.not_accepted:
        console.print(f"Rows that were not accepted, with reasons: {refused}", markup=False)
