"""A catalog as the gateway sees it over the wire."""

from watersmeet.donations.v1 import catalog_service_pb2 as pb
from watersmeet.donations.v1 import catalog_service_pb2_grpc as pb_grpc

from services.runtime.errors import Fault, Reason


class FakeCatalog(pb_grpc.CatalogServiceServicer):
    """Lists what it is given, two at a time. is_away: it answers with an error instead."""

    def __init__(self) -> None:
        self.charities: list[pb.Charity] = []
        self.projects: list[pb.Project] = []
        self.is_away = False
        self.calls = 0

    async def ListCharities(
        self, request: pb.ListCharitiesRequest, context: object
    ) -> pb.ListCharitiesResponse:
        start, token = self._page(request.page_token, len(self.charities))
        return pb.ListCharitiesResponse(
            charities=self.charities[start : start + 2], next_page_token=token
        )

    async def ListProjects(
        self, request: pb.ListProjectsRequest, context: object
    ) -> pb.ListProjectsResponse:
        start, token = self._page(request.page_token, len(self.projects))
        return pb.ListProjectsResponse(
            projects=self.projects[start : start + 2], next_page_token=token
        )

    def _page(self, token: str, there_are: int) -> tuple[int, str]:
        self.calls += 1
        if self.is_away:
            raise Fault(Reason.DEPENDENCY_UNAVAILABLE, "the catalog is away")
        start = int(token or 0)
        return start, str(start + 2) if start + 2 < there_are else ""
