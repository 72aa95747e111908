"""`watersmeet export ledger` and `watersmeet verify`, one after the other."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner, Result
from watersmeet.ledger.v1 import log_service_pb2 as pb
from watersmeet.ledger.v1 import log_service_pb2_grpc as pb_grpc

from services.cli.exporting.writer import write_archive
from services.cli.main import build
from services.cli.verifying.layout import ENTRIES, SUMMED, SUMS
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.errors import MeshError
from tests.unit.cli.conftest import ServeMesh, caller_of
from tests.unit.verifying.archives import NEXT, SIGNER, parts_of, sample, write_sample


class FakeLog(pb_grpc.LogServiceServicer):
    """Streams these parts."""

    def __init__(self, parts: Sequence[pb.StreamArchiveResponse]) -> None:
        self.parts = parts
        self.callers: list[str] = []

    def StreamArchive(
        self, request: pb.StreamArchiveRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.StreamArchiveResponse]:
        self.callers.append(caller_of(context))
        yield from self.parts


def export(serve_mesh: ServeMesh, fake: FakeLog, folder: Path) -> Result:
    state: Path = serve_mesh(ledger=(pb_grpc.add_LogServiceServicer_to_server, fake))
    return CliRunner().invoke(
        build(["export", "audit"]), ["export", "ledger", str(folder), "--state", str(state)]
    )


def verify(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(build(["verify", "audit"]), ["verify", str(folder), *arguments])


def test_what_is_exported_is_verified(serve_mesh: ServeMesh, tmp_path: Path) -> None:
    fake = FakeLog(parts_of(sample(), cuts=[3, 7]))
    folder = tmp_path / "some" / "archive"
    result = export(serve_mesh, fake, folder)
    assert result.exit_code == 0, result.exception
    assert result.output.startswith("7 entries are in ")
    assert fake.callers == ["spiffe://watersmeet/operator/local"]
    assert {path.name for path in folder.iterdir()} == {*SUMMED, SUMS}
    assert [path.name for path in folder.parent.iterdir()] == ["archive"]

    result = verify(folder)
    assert result.exit_code == 0, result.output
    assert "7 entries with 10 transfers between 7 accounts, 2 checkpoints." in result.output
    assert "Every hash, link, root, signature, balance and sum" in result.output
    assert "compare them" in result.output
    result = verify(folder, "--key", SIGNER.verifier_key)
    assert result.exit_code == 0
    assert "compare them" not in result.output


def test_json_is_the_report_alone(tmp_path: Path) -> None:
    folder = write_sample(tmp_path / "archive")
    content = (folder / ENTRIES).read_bytes()
    result = verify(folder, "--json")
    assert result.exit_code == 0
    document = json.loads(result.output)
    assert re.fullmatch("[0-9a-f]{64}", document.pop("head_hash"))
    assert document == {
        "ok": True,
        "entries": 7,
        "transfers": 10,
        "accounts": 7,
        "checkpoints": 2,
        "signed_until": 5,
        "keys_are_given": False,
        "kept_checkpoints": 0,
        "findings": [],
        "more_findings": 0,
    }
    (folder / ENTRIES).write_bytes(content.replace(b" 9 CNY", b" 8 CNY"))
    result = verify(folder, "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["findings"][0] == {
        "file": ENTRIES,
        "entry": 2,
        "line": 0,
        "what": "it is not what its hash was made of",
    }
    result = verify(folder)
    assert "NOT OK  entries.txt, entry 2: it is not what its hash was made of" in result.output
    assert "This is not what the ledger sealed." in result.output


_IN_PIECES = """
import os, sys
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as the command does
from services.cli import verify
from services.cli.verifying import sharing, verification
assert sharing.is_alone()
sharing.processors = lambda: 3
verification._STRETCH_BYTES = 2_000
sys.exit(verify.verify(sys.argv[1:]))
"""


def test_copies_of_the_command_share_its_work(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    drafts = [one for _ in range(6) for one in sample()]
    write_archive(folder, parts_of(drafts, cuts=[1, 13, 30, 41]), lambda _done, _of: None)

    def run() -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-c", _IN_PIECES, folder], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    code, printed = run()
    assert code == 0, printed
    assert "42 entries with 60 transfers" in printed
    content = (folder / ENTRIES).read_bytes()
    at = [match.start() for match in re.finditer(b"memo", content)][29]
    (folder / ENTRIES).write_bytes(content[:at] + b"note" + content[at + 4 :])
    code, printed = run()
    assert code == 1
    assert "NOT OK  entries.txt, entry 30: it is not what its hash was made of" in printed
    assert "NOT OK  SHA256SUMS, line 4: it is not the sum of entries.txt" in printed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "nowhere is not there"),
        ([".", "--checkpoint", "."], ". is a folder"),
        ([".", "--book"], "unrecognized arguments: --book"),
        ([], "the following arguments are required: DIR"),
    ],
)
def test_words_that_it_does_not_know_are_told(words: list[str], told: str) -> None:
    result = CliRunner().invoke(build(["verify", "audit"]), ["verify", *words])
    assert result.exit_code == 2
    assert told in result.output


def test_a_key_or_checkpoint_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = write_sample(tmp_path / "archive")
    result = verify(folder, "--key", "none")
    assert isinstance(result.exception, MeshError)
    note = tmp_path / "note"
    note.write_text("none\n")
    result = verify(folder, "--checkpoint", str(note))
    assert isinstance(result.exception, MeshError)
    result = verify(folder, "--key", NEXT.verifier_key)
    assert result.exit_code == 1


def test_what_is_there_is_not_written_over(serve_mesh: ServeMesh, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "mine").write_text("kept")
    result = export(serve_mesh, FakeLog(parts_of(sample())), folder)
    assert isinstance(result.exception, MeshError)
    assert f"{folder} is there already; nothing is written over" in str(result.exception)
    assert [path.read_text() for path in folder.iterdir()] == ["kept"]
    assert not folder.with_name("archive.partial").exists()


@pytest.mark.parametrize("parts", [1, 2])
def test_a_stream_that_breaks_off_leaves_nothing(
    serve_mesh: ServeMesh, tmp_path: Path, parts: int
) -> None:
    folder = tmp_path / "archive"
    left = tmp_path / "archive.partial"
    left.mkdir()  # of an export that was killed
    (left / "old").touch()
    result = export(serve_mesh, FakeLog(parts_of(sample())[:parts]), folder)
    assert isinstance(result.exception, Fault)
    assert result.exception.reason is Reason.INTERNAL
    assert f"{left} is written anew" in result.stderr
    assert "nothing is left of it. Run the command again." in result.stderr
    assert not folder.exists()
    assert not left.exists()


_KILLED = """
import os, signal, sys
from pathlib import Path
from services.cli.exporting.writer import write_archive
from tests.unit.verifying.archives import parts_of, sample

def parts():
    yield from parts_of(sample())[:3]
    os.kill(os.getpid(), signal.SIGKILL)

write_archive(Path(sys.argv[1]), parts(), lambda _done, _of: None)
"""


def test_what_a_killed_export_leaves_is_no_archive_and_is_written_anew(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    left = tmp_path / "archive.partial"
    killed = subprocess.run([sys.executable, "-c", _KILLED, folder], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not folder.exists()
    assert list(left.iterdir())
    report = verify(left)
    assert report.exit_code == 1
    assert "SHA256SUMS: it is missing" in report.output
    told: list[Path] = []
    write_archive(folder, parts_of(sample()), lambda _done, _of: None, told.append)
    assert told == [left]
    assert not left.exists()
    assert verify(folder).exit_code == 0


def test_two_exports_never_write_one_archive(tmp_path: Path) -> None:
    folder = tmp_path / "archive"

    def parts() -> Iterator[pb.StreamArchiveResponse]:
        with pytest.raises(MeshError, match="another process is writing"):
            write_archive(folder, parts_of(sample()), lambda _done, _of: None)
        yield from parts_of(sample())

    write_archive(folder, parts(), lambda _done, _of: None)
    assert verify(folder).exit_code == 0


def test_an_archive_that_appears_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "archive"

    def parts() -> Iterator[pb.StreamArchiveResponse]:
        yield from parts_of(sample())
        folder.mkdir()

    with pytest.raises(MeshError, match="has appeared meanwhile"):
        write_archive(folder, parts(), lambda _done, _of: None)
    assert list(folder.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]
