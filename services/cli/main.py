"""The `watersmeet` command. Registers commands; what they do is in the file of each one's name."""

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

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
    "allocate",
    "donations",
    "donation",
    "reports",
    "pledges",
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

PLAIN = ("verify",)
"""The commands that are functions of their words, and return the exit status: typer lists them, and
for the sake of a quick start does nothing else for them."""

_INTERRUPTED = 128 + signal.SIGINT
"""As shells say of a program that Ctrl-C ended: not that anything is wrong."""


def build(commands: Iterable[str] = COMMANDS) -> "typer.Typer":
    """The application with these commands; only their modules are imported."""
    import typer
    from typer.core import TyperGroup

    class InOrder(TyperGroup):
        """Typer itself lists all that have commands of their own behind those that have none."""

        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  click calls it so
            return [name for name in COMMANDS if name in self.commands]

    app = typer.Typer(
        name="watersmeet",
        cls=InOrder,
        help="Watersmeet (融汇): many companies' gifts in, one balanced ledger, one total out.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_one_of_several)
    for name in commands:
        command = _command(name)
        if name in PLAIN:
            _list_plain(app, name, command)
        elif isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main() -> None:
    """The entry point. An error that a user can act on is one line and exit status 1."""
    wanted = [word for word in sys.argv[1:2] if word in COMMANDS]
    try:
        if wanted and wanted[0] in PLAIN:
            _run_plain(wanted[0], sys.argv[2:])
        build(wanted or COMMANDS)()
    except Exception as error:
        if not _tell(error):
            raise
        sys.exit(1)


def _tell(error: Exception) -> bool:
    """Writes an error to standard error, if it is one that a user can act on."""
    from services.runtime.errors import Fault
    from services.runtime.supervisor.errors import MeshError

    if not isinstance(error, (MeshError, Fault)):
        return False
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    reason = f" ({error.reason})" if isinstance(error, Fault) else ""
    console.print(f"watersmeet: {error}{reason}", style="red", markup=False)
    return True


def _run_plain(name: str, words: Sequence[str]) -> NoReturn:
    """Runs one of PLAIN, and ends the process with its exit status.

    Without what the interpreter does for processes that live long: looking for garbage that goes
    in circles, of which they make none, takes a tenth of their imports, and to take all modules
    apart at the end a fiftieth of a second.
    """
    gc.disable()
    try:
        status = _command(name)(words)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # as it is where whoever began this process closed it
                stream.flush()
    except BrokenPipeError:
        status = 1  # whoever read has gone, as `head` does; nobody is left to be told
    except OSError as error:  # of writing what is told; the disk is full
        print(f"watersmeet: {error}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("Aborted.", file=sys.stderr)
        status = _INTERRUPTED
    os._exit(status)


def _command(name: str) -> Any:
    module = name.replace("-", "_")
    return getattr(import_module(f"services.cli.{module}"), module)


def _list_plain(app: "typer.Typer", name: str, command: Callable[[Sequence[str]], int]) -> None:
    import typer

    def run(context: typer.Context) -> None:
        raise typer.Exit(command(context.args))

    # Its words are its own, --help among them.
    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    app.command(name, help=command.__doc__, context_settings=settings)(run)


def _one_of_several() -> None:
    # Without a callback, typer takes an application with one command for that command.
    return


if __name__ == "__main__":
    main()
