"""The catalog in memory: what it knows, and when it looks again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.donations.catalog.memory import (
    REFRESH_PAUSE_S,
    Campaign,
    Catalog,
    Charity,
    KnownCampaign,
    KnownProject,
    Project,
    Snapshot,
)
from services.donations.catalog.rules import require_campaign, require_charity, require_project
from services.donations.domain import HOUR_MICROS, Purpose, SuspenseReason, micros_of
from services.donations.gifts.columns import Target, columns_of
from services.donations.gifts.rows import place
from services.runtime.errors import Fault, Reason
from tests.unit.donations.gifts import a_gift

CLOSE = datetime(2019, 9, 9, tzinfo=UTC)
START, END = datetime(2019, 9, 5, tzinfo=UTC), datetime(2019, 9, 10, tzinfo=UTC)


class Store:
    """What the catalog reads; counts how often."""

    def __init__(self) -> None:
        self.now = Snapshot(
            {"weibo": 1},
            {
                "water": KnownProject(4, Purpose.CHARITY, None),
                "closed": KnownProject(5, Purpose.CHARITY, CLOSE),
                "surgery": KnownProject(6, Purpose.APPEAL, None),
            },
            {"week": KnownCampaign(6, START, END)},
        )
        self.reads = 0

    async def snapshot(self) -> Snapshot:
        self.reads += 1
        return self.now

    async def add_partner(self, code: str) -> int:
        return 2 + len(code)


class Seconds:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def target(project: str = "water", campaign: str = "", partner: str = "weibo") -> Target:
    return Target(partner, "CNY", project, campaign)


async def test_targets_stand_where_the_catalog_says() -> None:
    catalog = Catalog(Store(), Seconds())
    plain, appeal, closed, in_week, unknown, missing, strange = await catalog.standings(
        [
            target(),
            target("surgery"),
            target("closed"),
            target(campaign="week"),
            target("unheard-of"),
            target(""),
            target(campaign="unknown"),
        ]
    )
    assert (plain.partner_id, plain.project_id, plain.campaign_id, plain.reason) == (1, 4, 0, 0)
    assert (plain.purpose, appeal.purpose) == (Purpose.CHARITY, Purpose.APPEAL)
    assert unknown.purpose is missing.purpose is Purpose.UNATTRIBUTED
    assert (closed.reason, closed.project_close) == (0, micros_of(CLOSE))
    assert (in_week.campaign_id, in_week.reason) == (6, 0)
    assert (in_week.campaign_start, in_week.campaign_end) == (micros_of(START), micros_of(END))
    assert unknown.reason == SuspenseReason.PROJECT_UNKNOWN
    assert missing.reason == SuspenseReason.PROJECT_MISSING
    assert strange.reason == SuspenseReason.CAMPAIGN_UNKNOWN


async def test_a_campaigns_window_is_moments_whatever_clocks_do_in_its_zone() -> None:
    """On the day on which New York's clocks go back, 01:30 comes twice, and both belong to it."""
    zone = ZoneInfo("America/New_York")
    start, end = datetime(2019, 11, 3, tzinfo=zone), datetime(2019, 11, 4, tzinfo=zone)
    campaign = require_campaign(Campaign("day", "Day", start, end, zone.key))
    assert (micros_of(end) - micros_of(start)) == 25 * HOUR_MICROS
    store = Store()
    store.now = replace(
        store.now,
        campaigns={"day": KnownCampaign(6, campaign.start_time, campaign.end_time)},
    )
    moments = {
        start - timedelta(microseconds=1): False,
        start: True,
        datetime(2019, 11, 3, 1, 30, tzinfo=zone, fold=0): True,
        datetime(2019, 11, 3, 1, 30, tzinfo=zone, fold=1).astimezone(UTC): True,
        datetime(2019, 11, 4, 4, 59, 59, 999_999, tzinfo=UTC): True,
        datetime(2019, 11, 4, 5, tzinfo=UTC): False,
    }
    assert len({micros_of(moment) for moment in moments}) == len(moments)
    gifts = columns_of(
        [
            a_gift(str(number), campaign="day", event_time_micros=micros_of(moment))
            for number, moment in enumerate(moments)
        ]
    )
    rows = place(gifts, await Catalog(store, Seconds()).standings(gifts.targets))
    found = dict(zip(rows.order.tolist(), (rows.reasons == 0).tolist(), strict=True))
    assert [found[number] for number in range(len(moments))] == list(moments.values())


async def test_known_codes_ask_nobody() -> None:
    store = Store()
    catalog = Catalog(store, Seconds())
    await catalog.refresh()
    await catalog.standings([target(), target("closed", "week")])
    assert store.reads == 1


async def test_what_is_read_anew_stands_as_it_is_then() -> None:
    store = Store()
    catalog = Catalog(store, Seconds())
    await catalog.refresh()
    [before] = await catalog.standings([target()])
    assert await catalog.standings([target(), target("closed")]) != [before, before]
    closed = KnownProject(4, Purpose.CHARITY, CLOSE)
    store.now = replace(store.now, projects={**store.now.projects, "water": closed})
    assert await catalog.standings([target()]) == [before], "nothing was read"
    await catalog.refresh()
    assert await catalog.standings([target()]) == [before._replace(project_close=micros_of(CLOSE))]


async def test_an_unknown_code_is_looked_up_at_most_every_second() -> None:
    store, clock = Store(), Seconds()
    catalog = Catalog(store, clock)
    await catalog.refresh()
    clock.now += REFRESH_PAUSE_S
    [before] = await catalog.standings([target("new")])
    assert before.reason == SuspenseReason.PROJECT_UNKNOWN
    assert store.reads == 2

    store.now = replace(
        store.now, projects={**store.now.projects, "new": KnownProject(9, Purpose.CHARITY, None)}
    )
    clock.now += REFRESH_PAUSE_S / 2
    [too_soon] = await catalog.standings([target("new")])
    assert too_soon.reason == SuspenseReason.PROJECT_UNKNOWN
    assert store.reads == 2

    clock.now += REFRESH_PAUSE_S / 2
    [after] = await catalog.standings([target("new")])
    assert (after.reason, after.project_id) == (0, 9)


async def test_partners_are_made_on_first_use_and_not_forgotten() -> None:
    store = Store()
    catalog = Catalog(store, Seconds())
    [standing] = await catalog.standings([target(partner="xiaomi")])
    assert standing.partner_id == 8
    await catalog.refresh()  # of a moment before the partner was made
    assert await catalog.known_partner_id("xiaomi") == 8
    assert await catalog.known_partner_id("nobody") is None


@pytest.mark.parametrize(
    ("charity", "reason"),
    [
        (Charity("", "X"), Reason.FIELD_REQUIRED),
        (Charity("UPPER", "X"), Reason.FIELD_INVALID),
        (Charity("x", " "), Reason.FIELD_REQUIRED),
        (Charity("x", "X" * 201), Reason.FIELD_INVALID),
        (Charity("x", "X\n"), Reason.FIELD_INVALID),
        (Charity("x", "X", "91330100799655058A"), Reason.FIELD_INVALID),
    ],
)
def test_a_charity_has_its_rules(charity: Charity, reason: Reason) -> None:
    with pytest.raises(Fault) as raised:
        require_charity(charity)
    assert raised.value.reason is reason


@pytest.mark.parametrize(
    ("project", "field", "reason"),
    [
        (Project("x", "X"), "charity", Reason.FIELD_REQUIRED),
        (Project("x", "X", "aid", organiser="weibo"), "organiser", Reason.FIELD_INVALID),
        (Project("x", "X", purpose=Purpose.APPEAL), "organiser", Reason.FIELD_REQUIRED),
        (
            Project("x", "X", "aid", purpose=Purpose.APPEAL, organiser="weibo"),
            "charity",
            Reason.FIELD_INVALID,
        ),
        (Project("x", "X", "aid", purpose=Purpose.UNATTRIBUTED), "purpose", Reason.FIELD_INVALID),
    ],
)
def test_a_project_is_a_charitys_or_an_appeal(project: Project, field: str, reason: Reason) -> None:
    with pytest.raises(Fault) as raised:
        require_project(project)
    assert (raised.value.reason, raised.value.metadata["field"]) == (reason, f"project.{field}")


def test_a_good_charity_project_and_campaign_pass() -> None:
    require_charity(Charity("aid", "中国扶贫基金会", "91330100799655058B"))
    require_charity(Charity("abroad", "Aid Abroad"))
    require_project(Project("water", "Water", "aid"))
    require_project(Project("surgery", "手术", purpose=Purpose.APPEAL, organiser="qingsongchou"))
    require_campaign(Campaign("week", "Week", START, END, "Asia/Shanghai"))


@pytest.mark.parametrize(
    ("campaign", "reason"),
    [
        (Campaign("w", "W", END, START, "Asia/Shanghai"), Reason.FIELD_INVALID),
        (Campaign("w", "W", START, START, "Asia/Shanghai"), Reason.FIELD_INVALID),
        (Campaign("w", "W", START, END, ""), Reason.FIELD_REQUIRED),
        (Campaign("w", "W", START, END, "Asia/Nowhere"), Reason.FIELD_INVALID),
        (Campaign("w", "W", START, END, "../../etc/passwd"), Reason.FIELD_INVALID),
        (Campaign("w", "W", START, END, "Asia"), Reason.FIELD_INVALID),
    ],
)
def test_a_campaign_has_its_rules(campaign: Campaign, reason: Reason) -> None:
    with pytest.raises(Fault) as raised:
        require_campaign(campaign)
    assert raised.value.reason is reason
