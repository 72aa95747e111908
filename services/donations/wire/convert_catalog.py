"""Where the catalog's messages meet its nouns, in both directions."""

from datetime import date

from watersmeet.donations.v1 import catalog_service_pb2
from watersmeet.type.v1 import purpose_pb2

from services.donations.catalog.certificates import Certificate
from services.donations.catalog.closures import Closure
from services.donations.catalog.memory import Campaign, Charity, Project
from services.donations.domain import Purpose, moment_of
from services.donations.wire.convert import micros_of_timestamp, required_micros, timestamp_of
from services.runtime.errors import Fault, Reason


def charity_of(message: catalog_service_pb2.Charity) -> Charity:
    """A charity, not yet checked. Raises Fault(FIELD_INVALID) for one with certificates."""
    if message.certificates:
        raise Fault(
            Reason.FIELD_INVALID,
            "a charity is created without certificates; add them with AddCertificate",
            field="charity.certificates",
        )
    return Charity(message.code, message.name, message.unified_social_credit_code)


def charity_message(charity: Charity) -> catalog_service_pb2.Charity:
    """A charity on the wire."""
    return catalog_service_pb2.Charity(
        code=charity.code,
        name=charity.name,
        unified_social_credit_code=charity.credit_code,
        certificates=[
            catalog_service_pb2.Certificate(
                number=certificate.number,
                valid_from=certificate.valid_from.isoformat(),
                valid_until=certificate.valid_until.isoformat(),
            )
            for certificate in charity.certificates
        ],
    )


def certificate_of(message: catalog_service_pb2.Certificate) -> Certificate:
    """A certificate, not yet checked. Raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    return Certificate(
        _day_of(message.valid_from, "certificate.valid_from"),
        _day_of(message.valid_until, "certificate.valid_until"),
        message.number,
    )


def _day_of(text: str, field: str) -> date:
    if not text:
        raise Fault(Reason.FIELD_REQUIRED, f"{field} is required", field=field)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise Fault(
            Reason.FIELD_INVALID, f"{field} must be a day written as 2026-09-05", field=field
        )
    return day


def project_of(message: catalog_service_pb2.Project) -> Project:
    """A project, not yet checked. Raises Fault(FIELD_INVALID)."""
    closes = None
    if message.HasField("close_time"):
        closes = moment_of(micros_of_timestamp(message.close_time, "project.close_time"))
    try:
        # Who does not say it is of the release that knew only charity's projects.
        purpose = Purpose(message.purpose or Purpose.CHARITY)
    except ValueError:
        raise Fault(
            Reason.FIELD_INVALID, "purpose is none there is", field="project.purpose"
        ) from None
    return Project(message.code, message.name, message.charity, closes, purpose, message.organiser)


def project_message(project: Project) -> catalog_service_pb2.Project:
    """A project on the wire."""
    return catalog_service_pb2.Project(
        code=project.code,
        name=project.name,
        charity=project.charity,
        close_time=timestamp_of(project.close_time) if project.close_time else None,
        purpose=purpose_pb2.Purpose.ValueType(project.purpose),
        organiser=project.organiser,
    )


def closure_message(closure: Closure, *, names_decider: bool) -> catalog_service_pb2.ProjectClosure:
    """A decision on when a project closes. names_decider: whether to say who decided it."""
    message = catalog_service_pb2.ProjectClosure(
        close_time=timestamp_of(closure.close_time),
        decide_time=timestamp_of(closure.decide_time),
    )
    if names_decider and closure.decider is not None:
        message.caller = closure.decider.caller
        message.request_id = str(closure.decider.request_id)
    return message


def campaign_of(message: catalog_service_pb2.Campaign) -> Campaign:
    """A campaign, not yet checked. Raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    return Campaign(
        message.code,
        message.name,
        moment_of(required_micros(message, "start_time")),
        moment_of(required_micros(message, "end_time")),
        message.time_zone,
    )


def campaign_message(campaign: Campaign) -> catalog_service_pb2.Campaign:
    """A campaign on the wire."""
    return catalog_service_pb2.Campaign(
        code=campaign.code,
        name=campaign.name,
        start_time=timestamp_of(campaign.start_time),
        end_time=timestamp_of(campaign.end_time),
        time_zone=campaign.time_zone,
    )
