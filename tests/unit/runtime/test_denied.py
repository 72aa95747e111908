"""The file of withdrawn certificates is read exactly, or not at all."""

from pathlib import Path

import pytest

from services.runtime.denied import DeniedCertificates, DeniedFileError, read_fingerprints

A, B = bytes(range(32)), bytes(range(32, 64))


def file_of(folder: Path, content: bytes) -> Path:
    file = folder / "denied.txt"
    file.write_bytes(content)
    return file


def test_fingerprints_in_each_form_are_read(tmp_path: Path) -> None:
    content = (
        "# lost on 2026-09-05\n\n"
        f"{A.hex()}  # a laptop\r\n"
        f"  sha256 Fingerprint={B.hex(':').upper()}\n"
        f"{A.hex().upper()}"
    )
    assert read_fingerprints(file_of(tmp_path, content.encode())) == {A, B}


@pytest.mark.parametrize("content", [b"", b"\n# nobody\n"])
def test_an_empty_list_denies_nobody(tmp_path: Path, content: bytes) -> None:
    denied = DeniedCertificates(file_of(tmp_path, content))
    assert not denied
    assert not denied.holds(b"what is never looked at")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"# good\n" + A.hex().encode()[:-1], "line 2"),
        (A.hex().encode() + b"00", "line 1"),
        (b"sha1 Fingerprint=" + A.hex(":").encode(), "line 1"),
        (A.hex().encode() + b" " + B.hex().encode(), "line 1"),
        (b"partner/weibo", "line 1"),
        (b"\xff", "no text in UTF-8"),
        (b"#" * (1024 * 1024 + 1), "larger than"),
    ],
)
def test_a_file_with_a_fault_is_refused_whole(tmp_path: Path, content: bytes, told: str) -> None:
    file = file_of(tmp_path, content)
    with pytest.raises(DeniedFileError, match=told):
        read_fingerprints(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeniedFileError, match="cannot be read"):
        DeniedCertificates(tmp_path / "none")
