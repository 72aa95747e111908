"""RecordDonation at three times the rate that is the most, beside that most.

Two partners' calls arrive whether earlier ones were answered or not, each with a second to live,
and what is answered within it counts. Then they arrive at half the rate, and the row's `config`
says after how many seconds nearly all are answered again, and quickly.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from statistics import median

from bench.arriving import Arrival, ArrivalJob, Phase, gifts_of
from bench.lots import Lot
from bench.processes import crew
from bench.result import Result, alternate, make_result
from bench.row import Plan, Row
from bench.rows.unary import calls_a_second
from bench.site import Site, open_site

_PARTNERS = ("weibo", "qingsongchou")
_TIMES = 3.0
_AFTERWARDS = 0.5
_DEADLINE_S = 1.0

# Recovered from the first of these spans on after which all are well: so many answered, so soon.
_SPAN_S = 0.25
_ANSWERED_SHARE = 0.99
_SOON_S = 0.25


async def run(plan: Plan) -> Result:
    """See Row."""
    most: list[float] = []
    recoveries: list[float] = []
    async with open_site() as site:

        async def reference(number: int) -> float:
            partner = site.access("donations", "partner", _PARTNERS[0])
            most.append(await calls_a_second(site, plan, partner, number))
            return most[-1]

        async def ours(number: int) -> float:
            phases = (
                Phase(_TIMES * median(most) / len(_PARTNERS), plan.seconds),
                Phase(_AFTERWARDS * median(most) / len(_PARTNERS), plan.seconds),
            )
            arrivals = await _arrivals(site, phases, number)
            recoveries.append(recovery_s(arrivals, plan.seconds, 2 * plan.seconds))
            good = [a for a in arrivals if a.due_s < plan.seconds and a.took_s is not None]
            return len(good) / plan.seconds

        good, highest = await alternate(plan.repetitions, ours=ours, reference=reference)
    config = {
        "times_the_most": _TIMES,
        "deadline_s": _DEADLINE_S,
        "partners": len(_PARTNERS),
        "seconds": plan.seconds,
        "recovery_s": median(recoveries),
        "recovery_runs_s": recoveries,
    }
    return make_result(ROW.name, good, highest, unit="calls/s", n=plan.calls, config=config)


async def _arrivals(site: Site, phases: tuple[Phase, ...], number: int) -> list[Arrival]:
    jobs = [
        ArrivalJob(
            site.access("donations", "partner", partner),
            Lot(
                partner,
                seed=1_000 + number,
                gifts=gifts_of(phases),
                start=datetime.now(UTC) - timedelta(days=2),
            ),
            site.projects,
            site.occasion.campaign,
            phases,
            _DEADLINE_S,
        )
        for partner in _PARTNERS
    ]
    async with crew(jobs) as together:
        await site.checkpoint()
        return [arrival for part in await together.outcomes() for arrival in part]


def recovery_s(arrivals: Sequence[Arrival], start_s: float, end_s: float) -> float:
    """Seconds from start_s after which every span is well; all that there are if none is."""
    spans = max(1, round((end_s - start_s) / _SPAN_S))
    last_bad = 0
    for span in range(spans):
        begin = start_s + span * _SPAN_S
        due = [a.took_s for a in arrivals if begin <= a.due_s < begin + _SPAN_S]
        answered = sorted(took_s for took_s in due if took_s is not None)
        is_well = len(answered) >= _ANSWERED_SHARE * len(due) and (
            not answered or answered[len(answered) // 2] <= _SOON_S
        )
        if not is_well:
            last_bad = span + 1
    return last_bad * _SPAN_S


ROW = Row("overload", 0.8, run)
