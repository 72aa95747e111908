"""Puts freshly generated stubs into the partner's wheel.

They are made in a folder of their own, so that a build neither reads nor writes the stubs beside
the protos, which others may be importing.
"""

import runpy
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StubsHook(BuildHookInterface[Any]):
    """Hatchling's custom hook; it finds the only one in this file."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generates the stubs and names them, with their places, as files of the wheel."""
        if version == "editable":
            return  # the stubs beside the protos serve
        root = Path(self.root)
        # Hatchling reads the files after this; finalize() removes them.
        self._made = tempfile.TemporaryDirectory(prefix="watersmeet-stubs-")
        folder = Path(self._made.name)
        for proto in sorted(root.glob("watersmeet/**/*.proto")):
            copy = folder / proto.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(proto, copy)
        # By its place: protos/ is not on a build's import path.
        runpy.run_path(str(root / "generate.py"))["generate"](folder)
        for stub in sorted(folder.rglob("*_pb2*")):
            build_data["force_include"][str(stub)] = stub.relative_to(folder).as_posix()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Removes what initialize() made."""
        if version != "editable":
            self._made.cleanup()
