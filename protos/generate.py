"""Generates the Python stubs beside their protos: `python protos/generate.py`.

Used by `make` and by the build of the partner's wheel (hatch_build.py), so both hold the same code.
The output is not kept in version control (docs/decisions/0002).
"""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent

# Taken from beside the interpreter; in an isolated build they are on the PATH instead.
PLUGINS = ("protoc-gen-mypy", "protoc-gen-mypy_grpc")


def generate(root: Path = HERE) -> list[Path]:
    """Writes `_pb2.py`, `_pb2.pyi`, `_pb2_grpc.py` and `_pb2_grpc.pyi` for every proto under root.

    Returns the protos. Raises RuntimeError if the compiler refuses one; its own words are on
    stderr.
    """
    protos = sorted(root.glob("watersmeet/**/*.proto"))
    well_known = files("grpc_tools") / "_proto"
    scripts = Path(sys.executable).parent
    arguments = [
        "protoc",
        f"--proto_path={root}",
        f"--proto_path={well_known}",
        *(f"--plugin={name}={scripts / name}" for name in PLUGINS if (scripts / name).exists()),
        f"--python_out={root}",
        f"--grpc_python_out={root}",
        f"--mypy_out=quiet:{root}",
        f"--mypy_grpc_out=quiet:{root}",
        *map(str, protos),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed; its message is above")
    return protos


if __name__ == "__main__":
    generate()
