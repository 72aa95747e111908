"""`watersmeet verify`: checks an archive of the ledger from its files alone."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from services.cli.console import make_console
from services.cli.render import print_json
from services.cli.verifying.notes import NotValid
from services.cli.verifying.report import Report
from services.cli.verifying.verification import verify as verify_archive
from services.runtime.supervisor.errors import MeshError


def verify(
    archive: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="What `export ledger` wrote.", exists=True),
    ],
    key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="A public key of the log that you know from elsewhere; may be repeated.",
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A checkpoint that you kept, which the archive must continue; may be repeated.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    books: Annotated[
        bool,
        typer.Option(
            "--books", help="Make ledger.beancount again and compare, also if its sum is right."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: the report.")] = False,
) -> None:
    """Check an archive: hashes, chain, tree, signatures, balances. Needs no mesh and no database.

    Exit status 0: nothing is wrong. 1: something is, and the report says which entry or line.
    """
    errors = Console(stderr=True)
    with Progress(
        TextColumn("checking"),
        BarColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    ) as bar:
        task = bar.add_task("checking", total=None)
        try:
            report = verify_archive(
                archive,
                given_keys=key or (),
                kept_notes=[file.read_text(encoding="utf-8") for file in checkpoint or ()],
                books=books,
                progress=lambda done, of: bar.update(task, completed=done, total=of),
            )
        except (NotValid, UnicodeDecodeError) as error:
            raise MeshError(f"a given key or checkpoint is not valid: {error}") from error
    if as_json:
        print_json(_json(report))
    else:
        _show(make_console(), report)
    if not report.ok:
        raise typer.Exit(1)


def _json(report: Report) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "entries": report.entries,
        "transfers": report.transfers,
        "accounts": report.accounts,
        "checkpoints": report.checkpoints,
        "signed_until": report.signed_until,
        "keys_are_given": report.keys_are_given,
        "kept_checkpoints": report.kept,
        "head_hash": report.head_hash,
        "findings": [asdict(finding) for finding in report.findings],
        "more_findings": report.more,
    }


def _show(console: Console, report: Report) -> None:
    def say(text: str, style: str | None = None) -> None:
        console.print(text, style=style, markup=False, soft_wrap=True)

    for finding in report.findings:
        say(f"NOT OK  {finding}", "red")
    if report.more:
        say(f"… and {report.more:,} more.", "red")
    say(
        f"{report.entries:,} entries with {report.transfers:,} transfers between "
        f"{report.accounts:,} accounts, {report.checkpoints:,} checkpoints."
    )
    if report.ok:
        say("Every hash, link, root, signature, balance and sum is what it should be.", "green")
    else:
        say("This is not what the ledger sealed.", "bold red")
    _show_trust(say, report)


def _show_trust(say: Callable[[str, str | None], None], report: Report) -> None:
    unsigned = report.entries - report.signed_until
    if unsigned:
        say(
            f"The last {unsigned:,} entries are linked, and no checkpoint covers them yet.",
            "yellow",
        )
    if report.kept:
        say(f"It continues {report.kept:,} checkpoints that you kept.", "dim")
    if report.checkpoints and not report.keys_are_given:
        say(
            "The signatures are by the keys in keys.txt, which come with the archive: compare them "
            "with those that the ledger's operator published, or name one with --key.",
            "yellow",
        )
    say(f"The last entry's hash: {report.head_hash}", "dim")
