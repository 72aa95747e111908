"""Rows of a file gathered into batches of one currency each."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from services.cli.sending.gift_file import GiftRow

# With many currencies in turn, so many times a batch's rows wait at most.
_WAITING_BATCHES_MAX = 4


class Batch(NamedTuple):
    """Rows of one currency, at least one, in the file's order."""

    currency: str
    rows: list[GiftRow]


def batches(rows: Iterable[GiftRow], size: int) -> Iterator[Batch]:
    """Gathers rows into batches of at most `size`, holding few of them at a time."""
    waiting: dict[str, list[GiftRow]] = {}
    count = 0
    for row in rows:
        gathered = waiting.setdefault(row.gift.currency, [])
        gathered.append(row)
        count += 1
        if len(gathered) >= size or count >= size * _WAITING_BATCHES_MAX:
            currency = max(waiting, key=lambda code: len(waiting[code]))
            yield Batch(currency, waiting[currency])
            count -= len(waiting.pop(currency))
    for currency, gathered in waiting.items():
        yield Batch(currency, gathered)
