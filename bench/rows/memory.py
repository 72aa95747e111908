"""The donations service's resident memory at the full rate of bulk."""

from functools import partial
from pathlib import Path

from bench.bulk import Bulk
from bench.result import Result, make_result
from bench.row import Plan, Row
from bench.site import open_site

_LIMIT_MIB = 400.0


async def run(plan: Plan) -> Result:
    """See Row. Each repetition's figure is the highest seen in it."""
    async with open_site() as site:
        bulk = Bulk(site, plan)
        await bulk.prepare(reference=False)
        pid = site.mesh.pids["donations"]
        peaks = []
        for _ in range(plan.repetitions):
            seen: list[float] = []
            await bulk.send(bulk.lots(), watch=partial(_look, pid, seen))
            peaks.append(max(seen))
    limits = [_LIMIT_MIB] * plan.repetitions
    return make_result(ROW.name, peaks, limits, unit="MiB", n=bulk.gifts, config=bulk.config)


def _look(pid: int, seen: list[float]) -> None:
    seen.append(resident_mib(pid))


def resident_mib(pid: int) -> float:
    """What a process holds in memory, from Linux's /proc."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"process {pid} has no memory")


ROW = Row("memory", 1.0, run, at_most=True)
