"""The partner's wheel holds what a partner needs, and works where the application is not."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Imports the wheel's client from the unzipped folder, with the packages it depends on, and without
# the application: no .pth file is read (-S), and nothing of the environment's Python paths (-I).
CHECK = """
import sys
folder, packages = sys.argv[1:]
sys.path[:0] = [folder, packages]
import watersmeet.client
from watersmeet.ledger.v1 import ledger_service_pb2_grpc
from watersmeet.gateway.v1 import totals_service_pb2
assert watersmeet.client.__file__.startswith(folder), watersmeet.client.__file__
assert watersmeet.client.to_micros("12.34") == 12_340_000
try:
    import services
except ModuleNotFoundError:
    print("alone")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", *offline, "-w", folder, ROOT / "protos"],
        check=True,
        cwd=folder,
        env={**os.environ, "PIP_NO_INPUT": "1"},
        timeout=100,
    )
    (wheel,) = folder.glob("watersmeet-*.whl")
    return wheel


@pytest.mark.slow
def test_the_wheel_holds_the_contract_and_the_client(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    protos = sorted((ROOT / "protos").glob("watersmeet/**/*.proto"))
    assert protos
    for proto in protos:
        inside = proto.relative_to(ROOT / "protos").as_posix()
        stem = inside.removesuffix(".proto")
        assert {inside, f"{stem}_pb2.py", f"{stem}_pb2.pyi", f"{stem}_pb2_grpc.py"} <= names
    assert {"watersmeet/client.py", "watersmeet/py.typed", "watersmeet/__init__.py"} <= names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"watersmeet"}


@pytest.mark.slow
def test_the_wheel_needs_little(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = archive.read(name).decode()
    needs = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    names = sorted(line.removeprefix("Requires-Dist: ").split(">")[0] for line in needs)
    assert names == ["googleapis-common-protos", "grpcio", "protobuf"]


@pytest.mark.slow
def test_the_wheel_works_without_the_application(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CHECK, tmp_path, sysconfig.get_path("purelib")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=60,
    )
    assert (result.returncode, result.stdout) == (0, "alone\n"), result.stderr
