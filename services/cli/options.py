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
"""`state: StateDirectory = DEFAULT_STATE`"""

DEFAULT_STATE = Path(".watersmeet")
