"""Time zones, of the `tzdata` package alone.

Two hosts must put a moment into the same day, whatever their systems know.
"""

import re
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

_NAME = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}")


@lru_cache(maxsize=1_024)
def time_zone(name: str) -> ZoneInfo:
    """The IANA time zone of this name: Europe/London. Raises ValueError if there is none."""
    file = resources.files("tzdata") / "zoneinfo" / name if _NAME.fullmatch(name) else None
    if file is None or not file.is_file():
        raise ValueError(f"{name!r} is no time zone")
    with file.open("rb") as opened:
        return ZoneInfo.from_file(opened, key=name)  # raises ValueError if it is another file
