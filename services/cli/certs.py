"""`watersmeet certs`: the development authority's certificates."""

from typing import Annotated

import typer
from rich.table import Table

from services.cli.console import make_console
from services.cli.options import DEFAULT_STATE, StateDirectory
from services.runtime.identity import Caller, Role
from services.runtime.supervisor.directory import open_directory
from services.runtime.supervisor.preparation import open_authority

certs = typer.Typer(
    help="Issue and list certificates of the development authority.", no_args_is_help=True
)


@certs.command()
def issue(
    role: Annotated[Role, typer.Argument(help="What kind of party it is for.")],
    name: Annotated[str, typer.Argument(help="Its name; for a partner its partner code.")],
    renew: Annotated[bool, typer.Option("--renew", help="Also if it has a good one.")] = False,
    state: StateDirectory = DEFAULT_STATE,
) -> None:
    """Issue a certificate and say where it is."""
    authority = open_authority(open_directory(state))
    files = authority.issue(Caller(role, name), renew=renew)
    for file in (files.certificate_file, files.key_file, files.ca_file):
        typer.echo(file)


@certs.command("list")
def list_issued(state: StateDirectory = DEFAULT_STATE) -> None:
    """List the certificates that were issued."""
    table = Table("role", "name", "good until", "certificate")
    for issued in open_authority(open_directory(state)).issued():
        caller = issued.caller
        until = issued.not_after.date().isoformat()
        table.add_row(caller.role, caller.name, until, issued.files.certificate_file.name)
    make_console().print(table)
