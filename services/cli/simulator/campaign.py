"""All partners at once: carries a plan out against a running mesh."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp

from services.cli.simulator.direct_line import DirectLine
from services.cli.simulator.keys import PlatformKeys
from services.cli.simulator.manner import MANNERS
from services.cli.simulator.native_line import NativeLine
from services.cli.simulator.partner_plan import PartnerPlan
from services.cli.simulator.plan import DIRECT_PARTNERS, Plan
from services.cli.simulator.platforms import platform_of
from services.cli.simulator.reports import Way
from services.cli.simulator.tally import Pace, Tally
from services.cli.simulator.wire import Access, open_channel


@dataclass(frozen=True, slots=True)
class Doors:
    """Where partners reach the system.

    gateway_url: for notices, without a slash at the end.
    donations: for the partners that also stream, each with its own certificate.
    keys: what notices are signed with.
    """

    gateway_url: str
    donations: Mapping[str, Access]
    keys: PlatformKeys


async def run_campaign(plan: Plan, doors: Doors, tallies: Mapping[str, Tally], pace: Pace) -> None:
    """Lets every partner of the plan say everything, and fills the tallies meanwhile.

    Returns when each report has its final answer. Raises UnansweredError (in a group) if one gets
    none, for example because a service does not come back.
    """
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        async with asyncio.TaskGroup() as group:
            for name, part in plan.partners.items():
                platform = platform_of(name, doors.keys)
                native = NativeLine(platform, doors.gateway_url, session, tallies[name], pace)
                if MANNERS[name].is_native:
                    group.create_task(_say_natively(part, native))
                else:
                    channel = await stack.enter_async_context(open_channel(doors.donations[name]))
                    stranger = DIRECT_PARTNERS[DIRECT_PARTNERS.index(name) - 1]
                    direct = DirectLine(name, channel, tallies[name], pace, stranger)
                    group.create_task(_say_directly(part, direct, native, plan))


async def _say_natively(part: PartnerPlan, line: NativeLine) -> None:
    for reports in part.rounds:
        await line.send(reports)


async def _say_directly(
    part: PartnerPlan, line: DirectLine, native: NativeLine, plan: Plan
) -> None:
    last = len(part.rounds) - 1
    for number, reports in enumerate(part.rounds):
        async with asyncio.TaskGroup() as both:
            both.create_task(
                line.send(
                    [report for report in reports if report.way is not Way.NOTICE],
                    altered_batches=part.altered_batches if number == 0 else 0,
                    # The last round brings nothing new, so all gifts so far have been sent.
                    complete_until=plan.occasion.gifts_end_time if number == last else None,
                )
            )
            both.create_task(
                native.send([report for report in reports if report.way is Way.NOTICE])
            )
