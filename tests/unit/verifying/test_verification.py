"""An archive is verified from its files alone, and whatever is changed in it is found."""

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.exporting.writer import write_archive
from services.cli.verifying.layout import (
    ACCOUNTS,
    BEANCOUNT,
    CHECKPOINTS,
    ENTRIES,
    FACTS,
    KEYS,
    SUMMED,
    SUMS,
)
from services.cli.verifying.report import Report
from services.cli.verifying.sums import sum_of
from services.cli.verifying.sums_file import sums_text
from services.cli.verifying.verification import verify
from tests.unit.ledger.drafts import draft, gift
from tests.unit.verifying.archives import NEXT, SIGNER, parts_of, sample, write_sample


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_sample(tmp_path / "archive")


def sum_again(folder: Path) -> None:
    """What a forger does who knows of SHA256SUMS."""
    sums = {name: sum_of(folder / name) for name in SUMMED}
    (folder / SUMS).write_text(sums_text(sums))


def change(folder: Path, name: str, old: bytes, new: bytes, *, books: bool = True) -> Report:
    """The report on an archive in which something was put in the place of something else."""
    content = (folder / name).read_bytes()
    assert old in content
    (folder / name).write_bytes(content.replace(old, new, 1))
    sum_again(folder)
    return verify(folder, books=books)


def told(report: Report) -> str:
    return "\n".join(map(str, report.findings))


@pytest.mark.parametrize("books", [False, True])
def test_an_archive_in_order(archive: Path, books: bool) -> None:
    report = verify(archive, books=books)
    assert report.ok, told(report)
    assert (report.entries, report.transfers, report.accounts) == (7, 10, 7)
    assert (report.checkpoints, report.signed_until) == (2, 5)
    assert not report.keys_are_given


def test_an_empty_archive_is_in_order(tmp_path: Path) -> None:
    write_archive(tmp_path / "archive", parts_of([]), lambda _done, _of: None)
    report = verify(tmp_path / "archive")
    assert report.ok, told(report)
    assert report.entries == 0


def test_bean_check_takes_the_books(archive: Path) -> None:
    program = Path(sys.executable).with_name("bean-check")
    done = subprocess.run(
        [program, "--no-cache", archive / BEANCOUNT], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    # And it does look: another amount is refused.
    text = (archive / BEANCOUNT).read_text()
    (archive / BEANCOUNT).write_text(text.replace("0.000007 CNY", "0.000008 CNY", 1))
    done = subprocess.run([program, "--no-cache", archive / BEANCOUNT], capture_output=True)
    assert done.returncode == 1


@pytest.mark.parametrize("word", [b"cause ", b"metadata ", b"transfer "])
def test_a_word_of_any_length_is_read(tmp_path: Path, word: bytes) -> None:
    """In entries that are read in columns but for it."""
    drafts = [draft(gift(7)), draft(gift(9), metadata={"note": "a b"})]
    write_archive(tmp_path / "archive", parts_of(drafts), lambda _done, _of: None)
    report = change(tmp_path / "archive", ENTRIES, word, word + b"A" * 70_000, books=False)
    assert f"entry {1 if word != b'metadata ' else 2}: it is not what its hash" in told(report)


@pytest.mark.parametrize("name", [ENTRIES, BEANCOUNT, SUMS])
def test_what_is_no_file_is_told(archive: Path, name: str) -> None:
    (archive / name).unlink()
    (archive / name).mkdir()
    assert told(verify(archive)) == f"{name}: it is no file"
    (archive / name).rmdir()
    (archive / name).symlink_to("nowhere")
    assert told(verify(archive)) == f"{name}: it is no file"


def test_the_sums_are_what_sha256sum_checks(archive: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=archive, check=True)


def entry_at(content: bytes, at: int) -> int:
    """The entry that a byte of entries.txt is of; its line of hash and its end are, too."""
    return content[:at].count(b"\n\n") + 1


def require_found(folder: Path, name: str, at: int, bit: int, *, sums: bool) -> None:
    """Flips a bit, verifies, and puts it back. sums: whether SHA256SUMS agrees with the forgery."""
    content = (folder / name).read_bytes()
    changed = bytearray(content)
    changed[at] ^= 1 << bit
    (folder / name).write_bytes(changed)
    if sums:
        sum_again(folder)
    report = verify(folder, books=sums)
    (folder / name).write_bytes(content)
    sum_again(folder)
    assert not report.ok
    if name == ENTRIES:
        named = {finding.entry for finding in report.findings if finding.file == ENTRIES}
        assert entry_at(content, at) in named, told(report)
    else:
        assert name in told(report)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive that each flip leaves as it was."""
    return write_sample(tmp_path_factory.mktemp("shared") / "archive")


@pytest.mark.parametrize(
    ("name", "sums"),
    [
        *((name, False) for name in (*SUMMED, SUMS)),
        # Not SUMS itself; and of FACTS only what this archive needs of the chart is proved.
        *((name, True) for name in SUMMED if name != FACTS),
    ],
)
def test_flipped_bits_all_over_a_file_are_found(shared: Path, name: str, sums: bool) -> None:
    size = (shared / name).stat().st_size
    draw = random.Random(7)
    for at in {0, size - 1, *range(1, size, size // 40)}:
        require_found(shared, name, at, draw.randrange(8), sums=sums)


@given(name=st.sampled_from([*SUMMED, SUMS]), place=st.floats(0, 1), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(shared: Path, name: str, place: float, bit: int) -> None:
    size = (shared / name).stat().st_size
    require_found(shared, name, round(place * (size - 1)), bit, sums=False)


FORGERIES = [
    (ENTRIES, b" 9 CNY", b" 8 CNY", ["entries.txt, entry 2: it is not what its hash was made of"]),
    (
        ENTRIES,
        b"recorded_time 2019-09-05T12:00:00.000003",
        b"recorded_time 2019-09-05T12:00:00.000009",
        ["entry 4: it is not what"],
    ),
    (ENTRIES, b"sequence 5", b"sequence 6", ["entry 5: it is not what", "entry 6 stands in its"]),
    (ENTRIES, b"watersmeet entry 1", b"watersmeet entry 2", ["entry 3: its head is not in"]),
    (ACCOUNTS, b'"debits":"51"', b'"debits":"52"', ["accounts.jsonl, line ", "make debits"]),
    (ACCOUNTS, b"ASSET", b"EQUITY", ["is ASSET in the chart, and EQUITY here"]),
    (ACCOUNTS, b'"owner":"alipay"', b'"owner":"tencent"', ["is not 'tencent''s"]),
    (ACCOUNTS, b'{"code"', b'{ "code"', ["not in the one form"]),
    (
        ACCOUNTS,
        b'"partner/alipay/claimed"',
        b'"partner/alipax/claimed"',
        ["entry 1: partner/alipay/claimed in CNY is none of the archive's accounts"],
    ),
    (FACTS, b'"entries":7', b'"entries":8', ["it names entry 8 with hash"]),
    (FACTS, b'"kind":"ASSET"', b'"kind":"EQUITY"', ["is EQUITY in the chart, and ASSET here"]),
    (CHECKPOINTS, b'"size":5', b'"size":4', ["checkpoints.jsonl, line 2: it was signed at 5"]),
    (CHECKPOINTS, b"\\n5\\n", b"\\n6\\n", ["its signature by example.com/ledger+"]),
    (FACTS, b'"pattern":"partner/{partner}/claimed"', b'"pattern":7', ["not in the form of"]),
    (CHECKPOINTS, b'"note":"', b'"note":"\\ud800', ["it is no text"]),
    (KEYS, b"+", b"*", ["keys.txt, line 1", "which is not known"]),
    (BEANCOUNT, b"0.000009 CNY", b"0.000008 CNY", ["ledger.beancount, entry 2, line "]),
    (BEANCOUNT, b"open Assets", b"open Income", ["ledger.beancount, line 4"]),
    (BEANCOUNT, b" balance ", b" balancE ", ["ledger.beancount, line "]),
]


@pytest.mark.parametrize(
    ("name", "old", "new", "findings"), FORGERIES, ids=[f"{row[0]} {row[2]!r}" for row in FORGERIES]
)
def test_a_forgery_is_named(
    archive: Path, name: str, old: bytes, new: bytes, findings: list[str]
) -> None:
    report = change(archive, name, old, new)
    for finding in findings:
        assert finding in told(report)


def test_a_changed_hash_is_told_from_a_changed_text(archive: Path) -> None:
    content = (archive / ENTRIES).read_bytes()
    third = [match.start() for match in re.finditer(b"hash ", content)][2]
    report = change(archive, ENTRIES, content[third : third + 9], b"hash beef")
    [finding] = [finding for finding in report.findings if finding.file == ENTRIES]
    assert (finding.entry, finding.what) == (
        3,
        "its hash is not that of its text, which the next entry names",
    )


def test_an_entry_that_was_taken_out_is_missed(archive: Path) -> None:
    blocks = (archive / ENTRIES).read_bytes().split(b"\n\n")
    del blocks[3]
    (archive / ENTRIES).write_bytes(b"\n\n".join(blocks))
    assert "entries.txt, entry 4: entry 5 stands in its place" in told(verify(archive))


def test_books_that_were_written_anew_lack_the_signatures(tmp_path: Path) -> None:
    """A whole chain, made anew with one gift changed, fits together; what was signed does not."""
    write_sample(tmp_path / "true")
    drafts = sample()
    drafts[1] = drafts[1]._replace(transfers=drafts[1].transfers[1:])
    forged = tmp_path / "forged"
    write_archive(forged, parts_of(drafts, cuts=[]), lambda _done, _of: None)
    assert verify(forged).ok  # as it says nothing of checkpoints
    shutil.copy(tmp_path / "true" / CHECKPOINTS, forged)
    shutil.copy(tmp_path / "true" / KEYS, forged)
    sum_again(forged)
    report = verify(forged)
    assert report.signed_until == 0
    assert "line 1: its root is not that of the first 2 entries" in told(report)


def test_a_key_from_elsewhere_is_what_signatures_are_held_to(archive: Path) -> None:
    report = verify(archive, given_keys=[SIGNER.verifier_key])
    assert report.ok
    assert report.keys_are_given
    report = verify(archive, given_keys=[NEXT.verifier_key])
    assert "no known key has signed it" in told(report)


def test_while_a_key_is_changed_both_sign(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    parts = parts_of(sample(), cuts=[5], signers=[SIGNER, NEXT])
    write_archive(folder, parts, lambda _done, _of: None)
    for keys in ([], [SIGNER.verifier_key], [NEXT.verifier_key]):
        assert verify(folder, given_keys=keys).ok


def test_a_kept_checkpoint_must_be_continued(archive: Path, tmp_path: Path) -> None:
    parts = parts_of(sample()[:4], cuts=[3])
    kept = parts[-1].checkpoints.checkpoints[0].note
    drafts = sample()
    drafts[2] = drafts[2]._replace(metadata={"x": "y"})
    other = parts_of(drafts, cuts=[3])[-1].checkpoints.checkpoints[0].note
    # The sample's ids are drawn anew for each, so only an archive of the same drafts continues it.
    report = verify(archive, kept_notes=[kept, other])
    assert told(report).count("the checkpoint that you kept: its root is not that") == 2
    early = write_sample(tmp_path / "early", cuts=[3])
    note = (early / CHECKPOINTS).read_text().split('"')[3].encode().decode("unicode_escape")
    note = note.encode("latin-1").decode()
    report = verify(early, kept_notes=[note])
    assert report.ok, told(report)
    assert report.kept == 1


def test_a_file_that_cannot_be_read_is_one_line_and_status_1(archive: Path) -> None:
    (archive / SUMS).unlink()
    (archive / SUMS).symlink_to("/proc/self/mem")  # a file, of which the first byte is an error
    done = subprocess.run(
        [Path(sys.executable).with_name("watersmeet"), "verify", archive],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"watersmeet: {archive} cannot be verified: ")
    assert len(done.stderr.splitlines()) == 1


def test_missing_and_foreign_files_are_named(archive: Path) -> None:
    (archive / KEYS).unlink()
    (archive / "notes.txt").touch()
    report = verify(archive)
    assert told(report) == ("keys.txt: it is missing\nnotes.txt: it is no file of an archive")


def test_long_archives_are_shared_between_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same findings, wherever the file is divided."""
    folder = tmp_path / "archive"
    drafts = [one for _ in range(6) for one in sample()]
    write_archive(folder, parts_of(drafts, cuts=[1, 13, 30, 41]), lambda _done, _of: None)
    content = (folder / ENTRIES).read_bytes()
    places = [match.start() for match in re.finditer(b"memo", content)]
    monkeypatch.setattr("services.cli.verifying.verification._STRETCH_BYTES", 2_000)
    assert verify(folder).ok
    # The same stretches one after the other, which is quicker for so few entries.
    for way in ("sharing", "spawning"):
        monkeypatch.setattr(f"services.cli.verifying.{way}.processors", lambda: 1)
    for number in (0, 9, 10, 11, 12, 41):
        at = places[number]
        changed = content[:at] + b"note" + content[at + 4 :]
        (folder / ENTRIES).write_bytes(changed)
        findings = [finding for finding in verify(folder).findings if finding.file == ENTRIES]
        assert [(finding.entry, finding.what) for finding in findings] == [
            (number + 1, "it is not what its hash was made of")
        ]
    for at in (match.start() + 5 for match in list(re.finditer(b"hash ", content))[::5]):
        (folder / ENTRIES).write_bytes(
            content[:at] + (b"0" if content[at : at + 1] != b"0" else b"1") + content[at + 1 :]
        )
        findings = [finding for finding in verify(folder).findings if finding.file == ENTRIES]
        assert [finding.entry for finding in findings] == [entry_at(content, at)]
