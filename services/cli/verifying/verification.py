"""Verifies an archive from its files alone: no database, no service, and no code of theirs.

From each entry's text its hash is made again, from the hashes the chain and the tree, from the tree
the roots that were signed, from the transfers what each account holds, and from all of it the
beancount file.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from services.cli.verifying.beancount import HEAD, assertions, name_of, openings
from services.cli.verifying.beancount_file import Part, differences, text_part
from services.cli.verifying.files import Account, Checkpoint, Facts, SmallFiles
from services.cli.verifying.layout import (
    ACCOUNTS,
    BEANCOUNT,
    CHECKPOINTS,
    ENTRIES,
    FACTS,
    KEYS,
)
from services.cli.verifying.merkle import Roots
from services.cli.verifying.moved import totals
from services.cli.verifying.notes import Head, Keys, NotValid, check_note, parse_key
from services.cli.verifying.report import Finding, Report
from services.cli.verifying.segment import Checked, Known, Stretch, check_stretch, stretches_of
from services.cli.verifying.sharing import Progress, share
from services.cli.verifying.sums import sums_of
from services.cli.verifying.sums_file import missing_files, wrong_sums

_STRETCH_BYTES = 4 * 1024 * 1024


def verify(
    folder: Path,
    *,
    given_keys: Sequence[str] = (),
    kept_notes: Sequence[str] = (),
    books: bool = False,
    progress: Progress = lambda _begun, _of: None,
    sums: Callable[[], Mapping[str, str]] | None = None,
) -> Report:
    """Verifies the archive in a folder.

    given_keys: verifier keys from elsewhere; each checkpoint must have a signature of one of them.
    kept_notes: checkpoints from elsewhere, which the archive must continue.
    books: make the beancount file again and compare it also if its sum is right.
    sums: gives the sums of the files, where somebody has begun to make them.
    Raises NotValid for a given key or note that is none.
    """
    report = Report(keys_are_given=bool(given_keys))
    keys = dict(map(parse_key, given_keys))
    report.extend(missing_files(folder))
    if not report.ok:
        return report
    sums = sums or partial(sums_of, folder)
    return _Verification(folder, keys, report, kept_notes, progress, sums).run(books)


class _Verification:
    def __init__(
        self,
        folder: Path,
        given: Keys,
        report: Report,
        kept_notes: Sequence[str],
        progress: Progress,
        sums: Callable[[], Mapping[str, str]],
    ) -> None:
        self._folder = folder
        self._given = given
        self._report = report
        self._progress = progress
        self._sums = sums
        files = SmallFiles(folder)
        self._facts: Facts = files.facts()
        self._accounts: list[Account] = files.accounts(self._facts.chart)
        self._checkpoints: list[tuple[int, Checkpoint]] = files.checkpoints()
        self._keys: Keys = dict(map(parse_key, files.keys()))
        report.extend(files.findings)
        anyones = {**self._keys, **given}
        self._kept: list[Head] = [
            check_note(note, given or anyones, others_sign=True) for note in kept_notes
        ]
        self._kinds = {account.code: account.kind for account in self._accounts}
        self._names = {code: name_of(code, kind) for code, kind in self._kinds.items()}
        self._roots: dict[int, bytes] = {}

    def run(self, books: bool) -> Report:
        report = self._report
        cuts = {checkpoint.size for _, checkpoint in self._checkpoints}
        cuts |= {head.size for head in self._kept}
        known = Known(
            folder=self._folder,
            held={
                (account.code.encode(), account.currency.encode()): index
                for index, account in enumerate(self._accounts)
            },
            names={code.encode(): name for code, name in self._names.items()},
            cuts=sorted(cuts),
            books=books,
        )
        stretches = stretches_of(self._folder, _STRETCH_BYTES)
        checked = self._checked(known, stretches)
        self._join(known, checked)
        self._check_head(checked)
        self._check_checkpoints()
        self._check_balances(checked)
        wrong = list(wrong_sums(self._folder, self._sums()))
        report.extend(wrong)
        if not books and any(BEANCOUNT in finding.what for finding in wrong):
            # To say where; it takes longer than all the rest.
            known = replace(known, books=True)
            checked = self._checked(known, stretches)
        if known.books:
            self._check_beancount(known, stretches, checked)
        report.accounts = len(self._accounts)
        return report

    def _checked(self, known: Known, stretches: Sequence[Stretch]) -> list[Checked]:
        """The stretches checked, in their order."""
        return share([partial(check_stretch, known, one) for one in stretches], self._progress)

    def _join(self, known: Known, checked: Iterable[Checked]) -> None:
        """Puts the stretches together: order, findings, tree, sums."""
        report = self._report
        tree = Roots()
        cuts = list(known.cuts)
        last_time = b""
        for part in checked:
            if part.first != report.entries + 1:
                self._entry(report.entries + 1, f"entry {part.first} stands in its place")
            for number, what in part.findings:
                self._entry(number, what)
            report.more += part.more
            report.entries += part.entries
            report.transfers += part.transfers
            if part.first_time < last_time:
                self._entry(part.first, "it was recorded before the one before it")
            last_time = part.last_time
            for subtrees in part.subtrees:
                tree.add(subtrees)
                while cuts and cuts[0] <= tree.size:
                    self._roots[cuts.pop(0)] = tree.root()

    def _check_head(self, checked: Sequence[Checked]) -> None:
        report, facts = self._report, self._facts
        last = checked[-1].last_hash if checked else bytes(32)
        report.head_hash = last.hex()
        if (facts.entries, facts.head_hash) != (report.entries, report.head_hash):
            report.add(
                Finding(
                    FACTS,
                    f"it names entry {facts.entries:,} with hash {facts.head_hash} as the last, "
                    f"and the last is {report.entries:,} with hash {report.head_hash}",
                    entry=report.entries,
                )
            )

    def _check_checkpoints(self) -> None:
        report = self._report
        origins = set()
        for line, checkpoint in self._checkpoints:
            report.checkpoints += 1
            try:
                head = check_note(checkpoint.note, self._keys)
                if self._given:
                    check_note(checkpoint.note, self._given, others_sign=True)
            except NotValid as error:
                report.add(Finding(CHECKPOINTS, str(error), line=line))
                continue
            origins.add(head.origin)
            if head.size != checkpoint.size:
                report.add(Finding(CHECKPOINTS, f"it was signed at {head.size:,}", line=line))
            elif self._holds(head, CHECKPOINTS, line):
                report.signed_until = max(report.signed_until, head.size)
        for head in self._kept:
            report.kept += self._holds(head, "the checkpoint that you kept", 0)
        unknown = set(self._given) - set(self._keys) if self._given else set()
        for name, key_id in sorted(unknown):
            report.add(Finding(KEYS, f"the given key {name}+{key_id.hex()} is not on its list"))
        if len(origins) > 1:
            report.add(
                Finding(CHECKPOINTS, f"they are of several logs: {', '.join(sorted(origins))}")
            )

    def _holds(self, head: Head, file: str, line: int) -> bool:
        """Whether a signed head is of the entries; says so if not."""
        root = self._roots.get(head.size)
        if root == head.root:
            return True
        first = 1 + max((size for size in self._roots if size < head.size), default=0)
        what = (
            f"its root is not that of the first {head.size:,} entries: an entry of {first:,} to "
            f"{head.size:,}, or one before, was changed after it was signed"
            if root
            else f"it covers {head.size:,} entries, and there are {self._report.entries:,}"
        )
        self._report.add(Finding(file, what, line=line))
        return False

    def _check_balances(self, checked: Iterable[Checked]) -> None:
        sums = totals((part.moved for part in checked), len(self._accounts))
        for line, (account, moved) in enumerate(zip(self._accounts, sums, strict=True), start=1):
            if moved != (account.debits, account.credits):
                self._report.add(
                    Finding(
                        ACCOUNTS,
                        f"{account.code} in {account.currency} has debits {account.debits:,} and "
                        f"credits {account.credits:,}, and its transfers make debits {moved[0]:,} "
                        f"and credits {moved[1]:,}",
                        line=line,
                    )
                )

    def _check_beancount(
        self, known: Known, stretches: Sequence[Stretch], checked: Sequence[Checked]
    ) -> None:
        last_day = max((part.last_day for part in checked), default=b"")
        parts = [
            text_part(HEAD + openings(self._accounts, self._names)),
            *(
                Part(part.beancount_bytes, part.beancount_hash, stretch)
                for part, stretch in zip(checked, stretches, strict=True)
            ),
            text_part(assertions(self._accounts, self._names, last_day)),
        ]
        for line, entry in differences(known, parts):
            what = "it is not what the entries make it"
            self._report.add(Finding(BEANCOUNT, what, entry=entry, line=line))

    def _entry(self, number: int, what: str) -> None:
        self._report.add(Finding(ENTRIES, what, entry=number))
