"""Where the catalog's messages meet the gateway's nouns."""

from collections.abc import Mapping
from datetime import UTC

from watersmeet.donations.v1 import catalog_service_pb2 as pb

from services.gateway.catalog.listing import Certificate, Charity, Project
from services.gateway.domain import Purpose


def charity_of(message: pb.Charity) -> Charity:
    """A charity."""
    return Charity(
        message.code,
        message.name,
        message.unified_social_credit_code,
        tuple(
            Certificate(certificate.number, certificate.valid_from, certificate.valid_until)
            for certificate in message.certificates
        ),
    )


def project_of(message: pb.Project, charities: Mapping[str, Charity]) -> Project | None:
    """A project; None if its purpose is unknown to this release.

    charities: by code; one that was created since they were read is not known yet.
    """
    try:
        # Intake of the release before does not say it; it knew only charity's projects.
        purpose = Purpose(message.purpose or Purpose.CHARITY)
    except ValueError:
        return None
    return Project(
        message.code,
        message.name,
        purpose,
        charities.get(message.charity),
        message.organiser,
        message.close_time.ToDatetime(UTC) if message.HasField("close_time") else None,
    )
