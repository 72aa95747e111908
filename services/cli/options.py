"""Options that several commands share, so that they are called and explained alike."""

from pathlib import Path
from typing import Annotated

import typer

StateDirectory = Annotated[
    Path,
    typer.Option(
        "--state",
        envvar="WATERSMEET_STATE_DIR",
        metavar="DIR",
        help="The mesh's state directory.",
        file_okay=False,
        resolve_path=True,
    ),
]
"""`state: StateDirectory = DEFAULT_STATE`, of a command that is for the mesh on this machine."""

DEFAULT_STATE = Path(".watersmeet")

Mesh = Annotated[
    Path,
    typer.Option(
        "--mesh",
        "--state",
        envvar=["WATERSMEET_MESH", "WATERSMEET_STATE_DIR"],
        metavar="FILE|DIR",
        help="Which mesh is asked: the file of one elsewhere, or the state directory of one here.",
        resolve_path=True,
    ),
]
"""`mesh: Mesh = DEFAULT_MESH`, of a command that asks with `asking`."""

DEFAULT_MESH = DEFAULT_STATE
