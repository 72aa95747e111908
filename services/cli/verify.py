"""`watersmeet verify`: checks an archive of the ledger from its files alone.

Reads its words itself and imports what it needs when it needs it: the framework of the other
commands takes longer to begin than a hundred thousand entries take to check.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.cli.verifying.sharing import Beside
from services.cli.verifying.sums import sums_of

if TYPE_CHECKING:
    from rich.console import Console

    from services.cli.verifying.report import Report
    from services.cli.verifying.sharing import Progress


def verify(words: Sequence[str]) -> int:
    """Check an archive: hashes, chain, tree, signatures, balances. Needs no mesh and no database.

    Exit status 0: nothing is wrong. 1: something is, and the report says which entry or line.
    """
    told = _parser().parse_args(words)
    # Begun before anything else is read or imported: another processor would be idle until then.
    with Beside(partial(sums_of, told.archive)) as sums:
        report = _verified(told, sums.result)
    if told.json:
        import json

        print(json.dumps(_json(report), ensure_ascii=False, indent=2))
    else:
        from services.cli.console import make_console

        _show(make_console(), report)
    return 0 if report.ok else 1


def _verified(told: argparse.Namespace, sums: Callable[[], Mapping[str, str]]) -> "Report":
    # Threads, which numpy would begin for what is not done here, keep a process from being copied.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from services.cli.verifying.notes import NotValid
    from services.cli.verifying.verification import verify as verify_archive
    from services.runtime.supervisor.errors import MeshError

    with _progress() as progress:
        try:
            return verify_archive(
                told.archive,
                given_keys=told.key,
                kept_notes=[file.read_text(encoding="utf-8") for file in told.checkpoint],
                books=told.books,
                progress=progress,
                sums=sums,
            )
        except (NotValid, UnicodeDecodeError) as error:
            raise MeshError(f"a given key or checkpoint is not valid: {error}") from error
        except OSError as error:
            raise MeshError(f"{told.archive} cannot be verified: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "watersmeet verify",
        description=verify.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("archive", metavar="DIR", type=_there, help="What `export ledger` wrote.")
    parser.add_argument(
        "--key",
        metavar="KEY",
        action="append",
        default=[],
        help="A public key of the log that you know from elsewhere; may be repeated.",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        type=_file,
        action="append",
        default=[],
        help="A checkpoint that you kept, which the archive must continue; may be repeated.",
    )
    parser.add_argument(
        "--books",
        action="store_true",
        help="Make ledger.beancount again and compare, also if its sum is right.",
    )
    parser.add_argument("--json", action="store_true", help="For programs: the report.")
    return parser


def _there(word: str) -> Path:
    path = Path(word)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{word} is not there")
    return path


def _file(word: str) -> Path:
    path = _there(word)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{word} is a folder")
    return path


@contextmanager
def _progress() -> Iterator["Progress"]:
    """A bar on standard error, if that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _begun, _of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    # Drawn when there is something to draw: a thread for that would keep processes from sharing.
    columns = TextColumn("checking"), BarColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("checking", total=None)
        yield lambda begun, of: bar.update(task, completed=begun, total=of, refresh=True)


def _json(report: "Report") -> dict[str, Any]:
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
        "findings": [finding._asdict() for finding in report.findings],
        "more_findings": report.more,
    }


def _show(console: "Console", report: "Report") -> None:
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


def _show_trust(say: Callable[[str, str | None], None], report: "Report") -> None:
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
