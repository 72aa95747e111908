"""Where the commands print."""

import os

from rich.console import Console

# What is not a terminal has no width of its own; tables should not be cut for that.
_FILE_COLUMNS = 120


def make_console() -> Console:
    """Standard output, without colours for numbers."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(highlight=False, width=_FILE_COLUMNS)
    return console
