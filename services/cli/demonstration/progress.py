"""The partners' progress, live on a terminal and in plain lines elsewhere."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.cli.simulator.plan import Plan
from services.cli.simulator.tally import Tally

_LIVE_S = 0.2
_LINE_S = 2.0


async def show_progress(console: Console, plan: Plan, tallies: Mapping[str, Tally]) -> None:
    """Shows how many reports of each partner are answered, until it is cancelled."""
    if console.is_terminal:
        with _bars(console, plan) as bars:
            try:
                while True:
                    bars.update(tallies)
                    await asyncio.sleep(_LIVE_S)
            finally:
                bars.update(tallies)
    else:
        start, reports = time.monotonic(), plan.reports
        while True:
            await asyncio.sleep(_LINE_S)
            done = sum(tally.reports for tally in tallies.values())
            rate = done / (time.monotonic() - start)
            console.print(f"{done:>7,} of {reports:,} reports answered, {rate:,.0f} a second")


class _Bars:
    """One bar a partner."""

    def __init__(self, progress: Progress, plan: Plan) -> None:
        self._progress = progress
        self._tasks = {
            name: progress.add_task(name, total=sum(map(len, part.rounds)) + part.altered_batches)
            for name, part in plan.partners.items()
        }

    def update(self, tallies: Mapping[str, Tally]) -> None:
        for name, task in self._tasks.items():
            self._progress.update(task, completed=tallies[name].reports)


@contextmanager
def _bars(console: Console, plan: Plan) -> Iterator[_Bars]:
    columns: Sequence[TextColumn | BarColumn | MofNCompleteColumn | TimeElapsedColumn] = (
        TextColumn("{task.description:>13}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        bars = _Bars(progress, plan)
        try:
            yield bars
        finally:
            progress.refresh()
