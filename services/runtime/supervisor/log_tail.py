"""How a log ends, for people: beside a failure, in a terminal."""

import json
import os
from pathlib import Path

_LINES = 8
_LINE_CHARACTERS_MAX = 300
_READ_BYTES_MAX = 64 * 1024


def log_tail(log: Path) -> str:
    """The last lines of a log. Structured ones are put as a sentence: what happened, and the cause
    without its traceback. Empty if there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _READ_BYTES_MAX))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    lines = [_readable(line) for line in text.splitlines()[-_LINES:]]
    return "\n".join(f"  {line[:_LINE_CHARACTERS_MAX]}" for line in lines)


def _readable(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or "event" not in entry:
        return line
    said = f"{entry.get('level', 'info')}: {entry['event']}"
    exception = str(entry.get("exception", "")).splitlines()
    frames = [number for number, text in enumerate(exception) if text.startswith("  ")]
    # What is not indented, after the innermost frame, is the exception itself.
    cause = exception[frames[-1] + 1 :] if frames else exception
    return f"{said}: {' '.join(map(str.strip, cause))}" if cause else said
