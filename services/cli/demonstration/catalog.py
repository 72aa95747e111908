"""Opening a campaign: the operator's part, before partners report gifts."""

import uuid
from collections.abc import Awaitable, Callable

import grpc
from watersmeet.donations.v1 import catalog_service_pb2 as catalog
from watersmeet.donations.v1.catalog_service_pb2_grpc import CatalogServiceStub
from watersmeet.type.v1.purpose_pb2 import PURPOSE_APPEAL

from services.cli.simulator.occasion import TIME_ZONE, Occasion
from services.cli.simulator.patience import Patience
from services.cli.simulator.wire import Access, in_words, is_transient, open_channel, timestamp

_TIMEOUT_S = 10.0


async def open_occasion(occasion: Occasion, access: Access) -> None:
    """Creates the occasion's charities with their certificates, projects, appeals and campaign.

    Those that exist stay as they are. While the service is away, each call is tried again.

    access: the donations service, as an operator. Raises grpc.aio.AioRpcError if it refuses, and
    UnansweredError if it stays away.
    """
    async with open_channel(access) as channel:
        stub = CatalogServiceStub(channel)
        for charity in occasion.charities:
            await _call(
                stub.CreateCharity,
                catalog.CreateCharityRequest(
                    request_id=_request_id(),
                    charity=catalog.Charity(
                        code=charity.code,
                        name=charity.name,
                        unified_social_credit_code=charity.credit_code,
                    ),
                ),
            )
            await _call(
                stub.AddCertificate,
                catalog.AddCertificateRequest(
                    request_id=_request_id(),
                    charity=charity.code,
                    certificate=catalog.Certificate(
                        number=charity.certificate,
                        valid_from=charity.valid_from.isoformat(),
                        valid_until=charity.valid_until.isoformat(),
                    ),
                ),
            )
        for project in occasion.projects:
            await _call(
                stub.CreateProject,
                catalog.CreateProjectRequest(
                    request_id=_request_id(),
                    project=catalog.Project(
                        code=project.code, name=project.name, charity=project.charity
                    ),
                ),
            )
        for appeal in occasion.appeals:
            await _call(
                stub.CreateProject,
                catalog.CreateProjectRequest(
                    request_id=_request_id(),
                    project=catalog.Project(
                        code=appeal.code,
                        name=appeal.name,
                        purpose=PURPOSE_APPEAL,
                        organiser=appeal.organiser,
                    ),
                ),
            )
        await _call(
            stub.CreateCampaign,
            catalog.CreateCampaignRequest(
                request_id=_request_id(),
                campaign=catalog.Campaign(
                    code=occasion.campaign,
                    name=occasion.name,
                    start_time=timestamp(occasion.start_time),
                    end_time=timestamp(occasion.end_time),
                    time_zone=TIME_ZONE,
                ),
            ),
        )


async def _call(rpc: Callable[..., Awaitable[object]], request: object) -> None:
    """Makes a call, again with the same request id while the service is away."""
    patience = Patience()
    while True:
        try:
            await rpc(request, timeout=_TIMEOUT_S)
            return
        except grpc.aio.AioRpcError as error:
            if not is_transient(error):
                raise
            await patience.wait(in_words(error))


def _request_id() -> str:
    return str(uuid.uuid4())
