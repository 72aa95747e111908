"""The catalog as rows."""

from watersmeet.donations.v1 import catalog_service_pb2 as pb
from watersmeet.type.v1 import purpose_pb2

from services.cli.render import rfc3339, word
from services.cli.sheets.sheet import Column, Kind, Value

CHARITIES = (
    Column("charity"),
    Column("name"),
    Column("credit_code"),
    Column("certificates"),
)
PROJECTS = (
    Column("project"),
    Column("name"),
    Column("purpose"),
    # Who answers for it: a charity, or the platform of a personal appeal.
    Column("charity"),
    Column("organiser"),
    Column("closed", Kind.TIME),
)
CLOSURES = (
    Column("closes", Kind.TIME),
    Column("decided", Kind.TIME),
    Column("by"),
    Column("request"),
)
CAMPAIGNS = (
    Column("campaign"),
    Column("name"),
    Column("starts", Kind.TIME),
    Column("ends", Kind.TIME),
    Column("time_zone"),
)


def charity_row(charity: pb.Charity) -> tuple[Value, ...]:
    """One charity, with the days on which its certificates are valid."""
    certificates = (
        f"{one.number} ({one.valid_from} to {one.valid_until})" for one in charity.certificates
    )
    return (
        charity.code,
        charity.name,
        charity.unified_social_credit_code,
        ", ".join(certificates),
    )


def project_row(project: pb.Project) -> tuple[Value, ...]:
    """One project, or personal appeal."""
    return (
        project.code,
        project.name,
        word(purpose_pb2.Purpose, project.purpose),
        project.charity,
        project.organiser,
        rfc3339(project.close_time) if project.HasField("close_time") else None,
    )


def closure_row(closure: pb.ProjectClosure) -> tuple[Value, ...]:
    """A decision on when a project closes."""
    return (
        rfc3339(closure.close_time),
        rfc3339(closure.decide_time),
        closure.caller or None,
        closure.request_id or None,
    )


def campaign_row(campaign: pb.Campaign) -> tuple[Value, ...]:
    """One campaign. ends: the first moment that no longer belongs to it."""
    return (
        campaign.code,
        campaign.name,
        rfc3339(campaign.start_time),
        rfc3339(campaign.end_time),
        campaign.time_zone,
    )
