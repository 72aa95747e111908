"""Reading a file of stages, row by row, in bounded memory. docs/finance.md documents the form."""

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import life_service_pb2 as pb

from services.cli.given_time import given_time
from services.runtime.errors import Fault, Reason

COLUMNS = ("partner", "external_id", "stage", "event_id", "time")
_STAGES = {
    "settled": intake_pb.DONATION_STATE_SETTLED,
    "received": intake_pb.DONATION_STATE_RECEIVED,
    "spent": intake_pb.DONATION_STATE_SPENT,
}


def stages(path: Path) -> Iterator[tuple[int, pb.StageEvent]]:
    """The file's events, each with the line on which it ends; 1 is the header.

    Raises OSError if the file cannot be read, and Fault(FIELD_INVALID) for the first line that
    states no event.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, strict=True, restkey="")
        try:
            if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
                raise _invalid(
                    1,
                    f"it names no column {', '.join(missing)}; it must name {', '.join(COLUMNS)}",
                )
            for row in rows:
                yield rows.line_num, _event(rows.line_num, row)
        except (csv.Error, UnicodeDecodeError) as error:
            raise _invalid(rows.line_num, f"this is no CSV file in UTF-8: {error}") from error


def _event(line: int, row: dict[str, str | None]) -> pb.StageEvent:
    if "" in row or any(row[name] is None for name in COLUMNS):
        raise _invalid(line, "it has not as many cells as there are columns")
    cells = {name: (row[name] or "").strip() for name in COLUMNS}
    stage = _STAGES.get(cells["stage"].lower())
    if stage is None:
        raise _invalid(line, f"stage must be one of {', '.join(_STAGES)}")
    event = pb.StageEvent(
        partner=cells["partner"],
        external_id=cells["external_id"],
        stage=stage,
        event_id=cells["event_id"],
    )
    event.event_time.FromDatetime(_time(line, cells["time"]))
    return event


def _time(line: int, text: str) -> datetime:
    try:
        return given_time(text)
    except ValueError as error:
        raise _invalid(line, f"time {error}") from error


def _invalid(line: int, what: str) -> Fault:
    return Fault(Reason.FIELD_INVALID, f"line {line}: {what}", field="file")
