"""What a row comes to: medians, their ratio, and the file that keeps them."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

Measure = Callable[[int], Awaitable[float]]
"""Takes one measurement; called with the number of the repetition, from 0."""


@dataclass(frozen=True, slots=True)
class Result:
    """One row's figures.

    ours, reference: medians, in `unit`. n: what one repetition measures, in gifts or calls.
    config: what the figures depend on, and every single measurement under "ours" and "reference".
    """

    name: str
    ours: float
    reference: float
    ratio: float
    unit: str
    n: int
    config: Mapping[str, Any] = field(default_factory=dict)


def make_result(
    name: str,
    ours: Sequence[float],
    reference: Sequence[float],
    *,
    unit: str,
    n: int,
    config: Mapping[str, Any],
) -> Result:
    """The medians of at least one measurement each. Raises ValueError if the reference is 0."""
    middle, against = median(ours), median(reference)
    if not against:
        raise ValueError(f"{name}: the reference came to nothing")
    runs = {"ours": [round(x, 1) for x in ours], "reference": [round(x, 1) for x in reference]}
    return Result(
        name=name,
        ours=round(middle, 1),
        reference=round(against, 1),
        ratio=round(middle / against, 3),
        unit=unit,
        n=n,
        config={**config, "repetitions": len(ours), "runs": runs},
    )


async def alternate(
    repetitions: int, ours: Measure, reference: Measure
) -> tuple[list[float], list[float]]:
    """Measures in turns, the reference first, so that both meet the same disturbances."""
    mine: list[float] = []
    theirs: list[float] = []
    for number in range(repetitions):
        theirs.append(await reference(number))
        mine.append(await ours(number))
    return mine, theirs


def read_results(file: Path) -> list[Result]:
    """What the file keeps; nothing if there is none."""
    if not file.exists():
        return []
    return [Result(**row) for row in json.loads(file.read_text(encoding="utf-8"))]


def merge(kept: Iterable[Result], new: Iterable[Result], order: Sequence[str]) -> list[Result]:
    """New rows in the place of old ones of the same name, in the given order of names."""
    by_name = {result.name: result for result in (*kept, *new)}
    return [by_name[name] for name in order if name in by_name]


def write_results(file: Path, results: Iterable[Result]) -> None:
    """Writes a list of objects with the fields of Result, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    text = json.dumps([asdict(result) for result in results], indent=2, ensure_ascii=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(file)
