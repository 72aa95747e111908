"""The `watersmeet` command. Registers commands; what they do is in the file of each one's name."""

import sys
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

# Other imports stand where they are used: processes that a command spawns import this file too.
if TYPE_CHECKING:
    import typer

COMMANDS = (
    "up",
    "demo",
    "totals",
    "audit",
    "catalog",
    "review",
    "donation",
    "reports",
    "stages",
    "donor",
    "accounts",
    "account",
    "balance",
    "statement",
    "trial-balance",
    "entries",
    "holds",
    "reverse",
    "periods",
    "export",
    "verify",
    "certs",
    "migrate",
    "simulate",
    "send",
)
"""In the order in which help lists them. `services/cli/<command>.py`, with `_` for `-`, has what
`<command>` names: a function with typer's annotations, or a typer.Typer where a command has
commands of its own."""


def build(commands: Iterable[str] = COMMANDS) -> "typer.Typer":
    """The application with these commands; only their modules are imported."""
    import typer

    app = typer.Typer(
        name="watersmeet",
        help="Watersmeet (融汇): many companies' gifts in, one balanced ledger, one total out.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_one_of_several)
    for name in commands:
        module = name.replace("-", "_")
        command = getattr(import_module(f"services.cli.{module}"), module)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main() -> None:
    """The entry point. An error that a user can act on is one line and exit status 1."""
    from rich.console import Console

    from services.runtime.errors import Fault
    from services.runtime.supervisor.errors import MeshError

    wanted = [word for word in sys.argv[1:2] if word in COMMANDS]
    try:
        build(wanted or COMMANDS)()
    except (MeshError, Fault) as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        reason = f" ({error.reason})" if isinstance(error, Fault) else ""
        console.print(f"watersmeet: {error}{reason}", style="red", markup=False)
        sys.exit(1)


def _one_of_several() -> None:
    # Without a callback, typer takes an application with one command for that command.
    return


if __name__ == "__main__":
    main()
