"""Generates the Python stubs beside their protos: `python protos/generate.py`.

Used by `make protos` and by the build of the partner's wheel (`hatch_build.py`), so both hold the
same code. The output is not kept in version control (docs/decisions/0002).
"""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent


def generate(root: Path = HERE) -> list[Path]:
    """Writes `_pb2.py`, `_pb2.pyi`, `_pb2_grpc.py` and `_pb2_grpc.pyi` for every proto under root.

    Raises RuntimeError if the compiler refuses a proto; its own words are on stderr.
    """
    sources = sorted(root.glob("watersmeet/**/*.proto"))
    well_known = files("grpc_tools") / "_proto"
    arguments = [
        "protoc",
        f"--proto_path={root}",
        f"--proto_path={well_known}",
        f"--python_out={root}",
        f"--pyi_out={root}",
        f"--grpc_python_out={root}",
        f"--mypy_grpc_out={root}",
        *map(str, sources),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed")
    return sources


if __name__ == "__main__":
    print(f"generated stubs for {len(generate())} protos", file=sys.stderr)
