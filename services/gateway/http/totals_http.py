"""GET /v1/totals: the combined totals in JSON, for anyone. Partners are not told apart here."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from aiohttp import web
from multidict import MultiMapping

from services.gateway.domain import AsOf, Purpose, Row, TotalState
from services.gateway.http.answers import encode
from services.gateway.live import LiveTotals
from services.gateway.query import Dimension, Filter, Query
from services.runtime.currency import decimal
from services.runtime.errors import Fault, Reason

_Value = TypeVar("_Value")

_STATES: Mapping[str, TotalState] = {state.name.lower(): state for state in TotalState}
_PURPOSES: Mapping[str, Purpose] = {purpose.name.lower(): purpose for purpose in Purpose}
_DIMENSIONS: Mapping[str, Dimension] = {
    dimension.name.lower(): dimension
    for dimension in Dimension
    if dimension is not Dimension.PARTNER
}
_PARAMETERS = ("campaign", "project", "currency", "state", "purpose", "group_by")

# Answers that are kept for the next reader, and the size of one of them.
_KEPT_MAX = 128
_KEPT_BYTES_MAX = 256 * 1024


class TotalsOverHttp:
    """Answers from memory; many who ask the same within a moment are answered the same bytes."""

    def __init__(self, live: LiveTotals) -> None:
        self._live = live
        self._kept: OrderedDict[Query, tuple[str, bytes]] = OrderedDict()

    async def get(self, request: web.Request) -> web.Response:
        """Totals now. Raises Fault(FIELD_INVALID, TOTALS_NOT_READY)."""
        query = query_of(request.query)
        totals = self._live.require()
        fresh = self._live.is_fresh
        tag = f"{totals.epoch.hex()}-{totals.as_of.sequence}-{query.digest().hex()}-{fresh:d}"
        headers = {"ETag": f'"{tag}"', "Cache-Control": "public, max-age=1"}
        if any(known.value in (tag, "*") for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        body = self._body(query, tag)
        if body is None:
            rows = totals.view(query).rows()
            body = encode(answer_of(rows, totals.as_of, query, fresh=fresh))
            self._keep(query, tag, body)
        return web.Response(body=body, content_type="application/json", headers=headers)

    def _body(self, query: Query, tag: str) -> bytes | None:
        kept = self._kept.get(query)
        return kept[1] if kept is not None and kept[0] == tag else None

    def _keep(self, query: Query, tag: str, body: bytes) -> None:
        self._kept.pop(query, None)
        if len(body) <= _KEPT_BYTES_MAX:
            self._kept[query] = (tag, body)
        if len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)


def query_of(parameters: MultiMapping[str]) -> Query:
    """campaign, project, currency, state and purpose may come several times; so may group_by.

    Raises Fault(FIELD_INVALID) for a parameter that is unknown, so that a misspelt filter is not
    answered with the total of everything.
    """
    for name in parameters:
        if name not in _PARAMETERS:
            hint = "; totals by partner are asked over gRPC" if name == "partner" else ""
            raise _invalid(ascii(name[:32]), f"use {', '.join(_PARAMETERS)}{hint}")
    return Query(
        Filter(
            campaigns=frozenset(parameters.getall("campaign", ())),
            projects=frozenset(parameters.getall("project", ())),
            currencies=frozenset(parameters.getall("currency", ())),
            states=frozenset(
                _named(_STATES, "state", name) for name in parameters.getall("state", ())
            ),
            purposes=frozenset(
                _named(_PURPOSES, "purpose", name) for name in parameters.getall("purpose", ())
            ),
        ),
        tuple(_named(_DIMENSIONS, "group_by", name) for name in parameters.getall("group_by", ())),
    )


def answer_of(rows: Sequence[Row], as_of: AsOf, query: Query, *, fresh: bool) -> dict[str, object]:
    """The answer's body. Amounts are text: a JSON number is a float to many readers.

    complete_until: all gifts made before it are counted, of every partner that states such a time.
    live: whether the ledger was heard of within the last seconds.
    """
    return {
        "as_of": {
            "sequence": as_of.sequence,
            "time": _rfc3339(as_of.time),
            "complete_until": _rfc3339(min(as_of.watermarks.values(), default=None)),
            "live": fresh,
        },
        "group_by": [dimension.name.lower() for dimension in query.group_by],
        "rows": [_row(row, query.group_by) for row in rows],
    }


def _row(row: Row, group_by: Sequence[Dimension]) -> dict[str, object]:
    values = {
        dimension.name.lower(): _rfc3339(value) if isinstance(value, datetime) else value
        for dimension, value in zip(group_by, row.values, strict=True)
    }
    return {
        "purpose": row.purpose.name.lower(),
        "state": row.state.name.lower(),
        "currency": row.currency,
        "micros": str(row.micros),
        "amount": decimal(row.micros, row.currency),
        "count": row.gifts,
        **values,
    }


def _named(names: Mapping[str, _Value], field: str, name: str) -> _Value:
    try:
        return names[name]
    except KeyError:
        raise _invalid(field, f"use {', '.join(names)}") from None


def _rfc3339(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat().replace("+00:00", "Z")


def _invalid(field: str, rule: str) -> Fault:
    return Fault(Reason.FIELD_INVALID, f"{field} cannot be that: {rule}", field=field)
