"""What is given to: one campaign, its charities and their projects, all made up."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME_ZONE = "Asia/Shanghai"
# Gifts are made in the days before the campaign's day, so that no clock calls them future.
GIVING_DAYS = 2

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = tuple(pow(3, i, 31) for i in range(17))
_CAUSES = ("water", "school-meals", "forest", "clinic", "library", "rescue")
_ORGANISER = "qingsongchou"
_APPEALS = 5
_REGIONS = ("guizhou", "qinghai", "yunnan", "gansu", "sichuan")


@dataclass(frozen=True, slots=True)
class Charity:
    """An organisation that may raise funds; credit_code as GB 32100-2015 forms it.

    certificate: the number of its public-fundraising certificate, valid for the given days, both
    included.
    """

    code: str
    name: str
    credit_code: str
    certificate: str
    valid_from: date
    valid_until: date


@dataclass(frozen=True, slots=True)
class Project:
    """What money is restricted to; charity is a code."""

    code: str
    name: str
    charity: str


@dataclass(frozen=True, slots=True)
class Appeal:
    """One person's need, for which a partner's platform collects; organiser is its code."""

    code: str
    name: str
    organiser: str


@dataclass(frozen=True, slots=True)
class Occasion:
    """One campaign with everything that one can give to in it. Times are aware UTC.

    gifts_end_time: every gift is made before it, and it has passed when the campaign's day begins.
    """

    campaign: str
    name: str
    start_time: datetime
    end_time: datetime
    gifts_end_time: datetime
    charities: tuple[Charity, ...]
    projects: tuple[Project, ...]
    appeals: tuple[Appeal, ...]


def make_occasion(day: date, projects: int = 30) -> Occasion:
    """Makes the campaign that ends with a day, counted in Shanghai. Same day, same campaign."""
    midnight = datetime.combine(day, time(), SHANGHAI)
    charities = tuple(
        Charity(
            f"charity-{region}",
            f"{region.title()} Foundation",
            credit_code(index + 1),
            f"made-up-{day.year}-{index + 1:04}",
            date(day.year - 1, 1, 1),
            date(day.year + 1, 12, 31),
        )
        for index, region in enumerate(_REGIONS)
    )
    return Occasion(
        campaign=f"giving-{day:%Y%m%d}",
        name=f"融汇 {day:%Y-%m-%d}",
        start_time=(midnight - timedelta(days=GIVING_DAYS)).astimezone(UTC),
        end_time=(midnight + timedelta(days=1)).astimezone(UTC),
        gifts_end_time=midnight.astimezone(UTC),
        charities=charities,
        projects=tuple(_project(index) for index in range(projects)),
        appeals=tuple(
            Appeal(f"appeal-{number}", f"Appeal {number}", _ORGANISER)
            for number in range(1, _APPEALS + 1)
        ),
    )


def _project(index: int) -> Project:
    region = _REGIONS[index % len(_REGIONS)]
    cause = _CAUSES[index // len(_REGIONS) % len(_CAUSES)]
    lap = index // (len(_REGIONS) * len(_CAUSES))
    code = f"{cause}-{region}" + (f"-{lap + 1}" if lap else "")
    return Project(code, code.replace("-", " ").capitalize(), f"charity-{region}")


def credit_code(number: int) -> str:
    """A well-formed unified social credit code of an organisation that does not exist.

    GB 32100-2015: registry "5" (civil affairs), category "3" (foundation), six digits of place,
    nine characters of organisation (the last a check character of GB 11714), one check character.
    """
    organisation = f"{number:08d}"
    body = "53" + "100000" + organisation + _organisation_check(organisation)
    return body + check_character(body)


def check_character(body: str) -> str:
    """The 18th character that belongs to the 17 before it."""
    total = sum(weight * _ALPHABET.index(c) for weight, c in zip(_WEIGHTS, body, strict=True))
    return _ALPHABET[-total % 31]


def _organisation_check(digits: str) -> str:
    total = sum(
        weight * int(d) for weight, d in zip((3, 7, 9, 10, 5, 8, 4, 2), digits, strict=True)
    )
    return "0123456789X0"[11 - total % 11]
