"""GET /v1/projects: what the totals' project codes stand for, and who answers for them."""

import re
from collections import OrderedDict

from aiohttp import web

from services.gateway.catalog.listing import Charity, Listing, Page, Project
from services.gateway.http.answers import encode
from services.runtime.errors import Fault, Reason

_CODE = re.compile(r"[a-z0-9._-]{0,64}")
_KEPT_MAX = 64


class ProjectsOverHttp:
    """Answers from memory. Pages that were asked for are kept until the catalog is read anew."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._kept: OrderedDict[tuple[bytes, str], bytes] = OrderedDict()

    async def get(self, request: web.Request) -> web.Response:
        """A page. Raises Fault(FIELD_INVALID, DEPENDENCY_UNAVAILABLE)."""
        after = _after(request)
        page = self._listing.page(after)
        version = self._listing.version
        tag = f"{version.hex()}-{after}"
        headers = {"ETag": f'"{tag}"', "Cache-Control": "public, max-age=10"}
        if any(known.value in (tag, "*") for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        body = self._kept.pop((version, after), None) or encode(answer_of(page))
        self._kept[version, after] = body
        if len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)
        return web.Response(body=body, content_type="application/json", headers=headers)


def answer_of(page: Page) -> dict[str, object]:
    """The answer's body. next: what to ask for as `after` next; null on the last page."""
    return {
        "projects": [_project(project) for project in page.projects],
        "next": None if page.last else page.projects[-1].code,
    }


def _project(project: Project) -> dict[str, object]:
    closes = project.close_time
    return {
        "code": project.code,
        "name": project.name,
        "purpose": project.purpose.name.lower(),
        "charity": _charity(project.charity) if project.charity else None,
        "organiser": project.organiser or None,
        "close_time": closes.isoformat().replace("+00:00", "Z") if closes else None,
    }


def _charity(charity: Charity) -> dict[str, object]:
    return {
        "code": charity.code,
        "name": charity.name,
        "unified_social_credit_code": charity.credit_code or None,
        "certificates": [certificate._asdict() for certificate in charity.certificates],
    }


def _after(request: web.Request) -> str:
    if extra := [name for name in request.query if name != "after"]:
        raise Fault(Reason.FIELD_INVALID, "use after, or nothing", field=ascii(extra[0][:32]))
    given = request.query.getall("after", [""])
    if len(given) > 1 or not _CODE.fullmatch(given[0]):
        raise Fault(Reason.FIELD_INVALID, "after must be one project's code", field="after")
    return given[0]
