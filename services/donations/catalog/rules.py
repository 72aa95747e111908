"""What a charity, a project and a campaign must fulfil before they may be created."""

from datetime import datetime

from services.donations.catalog.credit_code import is_credit_code
from services.donations.catalog.memory import Campaign, Charity, Project
from services.donations.domain import Purpose
from services.donations.gifts.validation import require_code
from services.runtime.errors import Fault, Reason
from services.runtime.zones import time_zone

NAME_LENGTH_MAX = 200


def require_charity(charity: Charity) -> Charity:
    """Returns the charity; raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    require_code(charity.code, "charity.code")
    _require_name(charity.name, "charity.name")
    if charity.credit_code and not is_credit_code(charity.credit_code):
        raise Fault(
            Reason.FIELD_INVALID,
            "unified_social_credit_code must be 18 characters with the right check digit "
            "(GB 32100-2015), or empty for an organisation abroad",
            field="charity.unified_social_credit_code",
        )
    return charity


def require_project(project: Project) -> Project:
    """Returns the project; raises Fault(FIELD_REQUIRED or FIELD_INVALID).

    A charity's project names its charity, a personal appeal the partner that organises it, and
    neither names the other.
    """
    require_code(project.code, "project.code")
    _require_name(project.name, "project.name")
    match project.purpose:
        case Purpose.CHARITY:
            require_code(project.charity, "project.charity")
            _require_empty(project.organiser, "project.organiser", "only a personal appeal has one")
        case Purpose.APPEAL:
            require_code(project.organiser, "project.organiser")
            _require_empty(project.charity, "project.charity", "a personal appeal has none")
        case Purpose.UNATTRIBUTED:
            raise Fault(
                Reason.FIELD_INVALID,
                "a project is a charity's or a personal appeal; it cannot be neither",
                field="project.purpose",
            )
    return project


def is_to_close(project: Project, close_time: datetime, now: datetime) -> bool:
    """Whether a project's close_time is to be changed; False if that is its close_time already.

    It can be moved until it has come. Raises Fault(PROJECT_CLOSED, FIELD_INVALID).
    """
    if project.close_time == close_time:
        return False
    if project.close_time is not None and project.close_time <= now:
        raise Fault(
            Reason.PROJECT_CLOSED,
            f"the project closed at {project.close_time.isoformat()} and stays closed; "
            "create another project",
            close_time=project.close_time.isoformat(),
        )
    if close_time < now:
        raise Fault(
            Reason.FIELD_INVALID,
            "close_time must not lie in the past, because gifts made since then are booked",
            field="close_time",
        )
    return True


def require_campaign(campaign: Campaign) -> Campaign:
    """Returns the campaign; raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    require_code(campaign.code, "campaign.code")
    _require_name(campaign.name, "campaign.name")
    if campaign.end_time <= campaign.start_time:
        raise Fault(
            Reason.FIELD_INVALID,
            "end_time must be after start_time; it is the first moment that no longer belongs to "
            "the campaign",
            field="campaign.end_time",
        )
    if not campaign.time_zone:
        raise Fault(Reason.FIELD_REQUIRED, "time_zone is required", field="campaign.time_zone")
    if not _is_time_zone(campaign.time_zone):
        raise Fault(
            Reason.FIELD_INVALID,
            "time_zone must be an IANA time zone such as Asia/Shanghai",
            field="campaign.time_zone",
        )
    return campaign


def _require_empty(value: str, field: str, why: str) -> None:
    if value:
        raise Fault(Reason.FIELD_INVALID, f"{field} must be empty: {why}", field=field)


def _require_name(name: str, field: str) -> None:
    if not name.strip():
        raise Fault(Reason.FIELD_REQUIRED, f"{field} is required", field=field)
    if len(name) > NAME_LENGTH_MAX or not name.isprintable():
        raise Fault(
            Reason.FIELD_INVALID,
            f"{field} must be at most {NAME_LENGTH_MAX} printable characters",
            field=field,
        )


def _is_time_zone(name: str) -> bool:
    try:
        time_zone(name)
    except ValueError:
        return False
    return True
